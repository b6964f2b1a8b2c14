"""How far a found lane lies beside its label, along image rows: in pixels, and on flat ground in metres by distance.

Measured at points of equal arc length along the label, wherever their row meets the drawn lane. Lanes that are not
found add nothing: F1 counts them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import as_xy, resample
from getok_core.ground import Ground
from getok_core.lattice import Size

from .lanes import SAMPLES, Points, lane_pairs, row_offsets
from .tally import Part

TOLERANCE = 0.04
"""of the image width: lanes are paired as `lanes within 4 %` finds them"""
FIFTHS = ("lowest fifth", "second fifth", "middle fifth", "upper two fifths")
"""of the image, by the row of the label's point"""
BANDS_M = (0, 20, 40, 60)
"""where distance bands begin; the last has no end"""


def lateral_offsets(truths: Sequence[Points], drawns: Sequence[Points], width: float) -> NDArray[np.float64]:
    """(N, 3) x and y of points of the labels, and how far to the right of each its drawn lane lies; all in pixels."""
    found = [np.zeros((0, 3))]
    for truth, drawn in lane_pairs(truths, drawns, width, TOLERANCE):
        points = resample(as_xy(truths[truth]), SAMPLES)
        away = row_offsets(points, drawns[drawn])
        found.append(np.column_stack([points, away])[np.isfinite(away)])
    return np.concatenate(found)


def lateral_parts(
    truths: Sequence[Points], drawns: Sequence[Points], size: Size, ground: Ground | None = None
) -> dict[str, Part]:
    """Sum of absolute offsets and number of points, for the image of size (width, height) and for bands of it.

    Rows in px for each fifth of the image height; with a ground, also in m by distance from the origin of its base
    frame, along x.
    """
    offsets = lateral_offsets(truths, drawns, size[0])
    away = np.abs(offsets[:, 2])
    parts: dict[str, Part] = {"lanes: lateral error, px": _part(away, np.ones(len(away), np.bool_))}
    fifth = np.clip(((1 - offsets[:, 1] / size[1]) * 5).astype(int), 0, len(FIFTHS) - 1)
    for number, name in enumerate(FIFTHS):
        parts[f"lanes: lateral error in the {name}, px"] = _part(away, fifth == number)
    if ground is None:
        return parts
    ahead, across = _metres(offsets, size, ground)
    for begin, end in zip(BANDS_M, (*BANDS_M[1:], np.inf), strict=True):
        name = f"{begin}-{end:g} m" if np.isfinite(end) else f"{begin} m and more"
        parts[f"lanes: lateral error at {name}, m"] = _part(across, (ahead >= begin) & (ahead < end))
    return parts


def _metres(
    offsets: NDArray[np.float64], size: Size, ground: Ground
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance ahead (M,) and offset (M,) in metres, of the points whose both ends lie on the ground in sight."""
    label = ground.points(offsets[:, :2], size)
    drawn = ground.points(offsets[:, :2] + np.column_stack([offsets[:, 2], np.zeros(len(offsets))]), size)
    seen = np.isfinite(label).all(1) & np.isfinite(drawn).all(1)
    return label[seen, 0], np.linalg.norm((drawn - label)[seen], axis=1)


def _part(away: NDArray[np.float64], within: NDArray[np.bool_]) -> Part:
    return float(away[within].sum()), float(within.sum())
