"""How well one said instance fits one true one, a number in 0..1 for every kind of geometry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY, resample
from getok_core.metrics.areas import filled
from getok_core.metrics.areas import overlap as pixels_shared
from getok_core.metrics.boxes import box_ious
from getok_core.metrics.lanes import distances

from .instances import SIDE, Said, Truth

TAU = 18.0
"""pixels of the 840 x 840 square: the paper's tau of equation 8, and how near a vertex hits a line (ours)"""
NEAR = (0.04, 0.02, 0.01, 0.005)
"""tolerances, parts of the side, that grade a polyline (ours): from the loosest measured to half the strictest"""
SAMPLES = 41
"""points at equal arc length that stand for a line"""
COARSE = 2.0
"""pixels of the square in one pixel of a rasterised outline"""


def overlap(said: Said, truth: Truth) -> float:
    """IoU in 0..1 of what the kind shows (equation 6 of boxes).

    Boxes: their IoU. Seeds: IoU of decoded and true mask, of the boxes where there is no decoder. Polygons: IoU of the
    filled outlines. Polylines: line_overlap. A point: 1 inside, else 0. All but the first two are ours.
    """
    if said.kind != truth.kind:
        return 0.0
    if said.kind == "pl" and truth.line is not None:
        return line_overlap(said.points, truth.line)
    if said.kind == "poly" and truth.line is not None:
        size = (int(SIDE / COARSE), int(SIDE / COARSE))
        return pixels_shared(filled(said.points / COARSE, size), filled(truth.line / COARSE, size)).iou
    if said.kind == "pt":
        return hit_ratio(said, truth)
    if said.mask is not None and truth.mask is not None:
        return pixels_shared(said.mask, truth.mask).iou
    return box_overlap(said, truth)


def box_overlap(said: Said, truth: Truth) -> float:
    """Equation 6: IoU of the boxes, 0 where none, or an inverted one, was said."""
    return 0.0 if said.box is None else float(box_ious(truth.box[None], said.box[None])[0, 0])


def line_overlap(drawn: XY, line: XY) -> float:
    """Two polylines -> 0..1 (ours): mean over NEAR of the F1 of the length near the other, so both must cover both."""
    if len(drawn) < 2:
        return 0.0
    recalled = distances(resample(line, SAMPLES), drawn)[:, None] <= np.asarray(NEAR) * SIDE
    precise = distances(resample(drawn, SAMPLES), line)[:, None] <= np.asarray(NEAR) * SIDE
    r, p = recalled.mean(axis=0), precise.mean(axis=0)
    return float((2 * r * p / np.maximum(r + p, 1e-12)).mean())


def hits(points: XY, truth: Truth) -> NDArray[np.bool_]:
    """(m,) True where a point lies in the true mask (or box), or on the image within TAU of the true line (ours)."""
    low, high = (np.zeros(2), np.full(2, SIDE)) if truth.line is not None else (truth.box[:2], truth.box[2:])
    within = np.asarray(((points >= low) & (points <= high)).all(axis=1), np.bool_)
    if truth.line is not None:
        line = _closed(truth.line) if truth.kind == "poly" else truth.line
        return within & (distances(points, line) <= TAU) if len(points) else within
    if truth.mask is None:
        return within
    height, width = truth.mask.shape
    at = np.floor(points * np.array([width, height]) / SIDE).astype(np.int64)
    inside = ((at >= 0) & (at < [width, height])).all(axis=1)
    on = np.clip(at, 0, [width - 1, height - 1])
    return truth.mask[on[:, 1], on[:, 0]] & inside


def hit_ratio(said: Said, truth: Truth) -> float:
    """Equation 7: H = sum of 1{q in M} / max(1, |P|)."""
    return float(hits(said.points, truth).sum()) / max(1, len(said.points))


def closeness(said: Said, truth: Truth) -> float:
    """Equation 8: S = clip(1 - (|b - b_g|_1 / 4) / tau, 0, 1); of lines, their mean distance (ours)."""
    if truth.line is not None and len(said.points) > 1:
        drawn, line = (_closed(xy) if truth.kind == "poly" else xy for xy in (said.points, truth.line))
        there, back = distances(resample(line, SAMPLES), drawn), distances(resample(drawn, SAMPLES), line)
        return float(np.clip(1.0 - (there.mean() + back.mean()) / 2 / TAU, 0.0, 1.0))
    if said.box is None:
        return 0.0
    return float(np.clip(1.0 - np.abs(said.box - truth.box).sum() / 4 / TAU, 0.0, 1.0))


def _closed(outline: XY) -> XY:
    return np.concatenate([outline, outline[:1]])
