"""COCO's average precision and recall of boxes, by class and size, with bootstrap intervals over images.

As COCO's own tool computes them for boxes: in each image the surest 100 boxes of a class choose, in turn, the label
they overlap most; precision is made non-increasing and read at 101 recalls; AP and AR are means over IoU 0.5 to 0.95
and over classes. Sizes are COCO's for an image 640 px wide, scaled to the width of the image at hand: small up to
32 x 32, medium up to 96 x 96, large beyond. Labels of other sizes may be found without gain or loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .boxes import box_ious
from .intervals import Interval

Array = NDArray[np.float64]
THRESHOLDS: Array = np.linspace(0.5, 0.95, 10)
RECALLS: Array = np.linspace(0.0, 1.0, 101)
MOST = 100
WIDTH = 640.0
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""least and largest area in pixels of an image 640 px wide"""
ALL = (0.0, 1e10)


class OfClass(NamedTuple):
    """Boxes of one class in one image 640 px wide, the surest first."""

    scores: Array
    """(D,)"""
    ious: Array
    """(T, D)"""
    truth_areas: Array
    drawn_areas: Array


@dataclass(frozen=True, eq=False)
class BoxFrame:
    """Boxes of one image: (N, 4) left, top, right, bottom in pixels."""

    truths: Array
    classes: Sequence[str]
    """of the labels"""
    drawn: Array
    said: Sequence[str]
    """classes of the drawn boxes"""
    scores: Sequence[float]
    width: float
    """of the image"""

    def of(self, label: str) -> OfClass:
        """Its labels and its surest boxes of one class."""
        held = [at for at, word in enumerate(self.classes) if word == label]
        said = [at for at, word in enumerate(self.said) if word == label]
        said = sorted(said, key=lambda at: -self.scores[at])[:MOST]
        truths = np.asarray(self.truths, float).reshape(-1, 4)[held] * (WIDTH / self.width)
        drawn = np.asarray(self.drawn, float).reshape(-1, 4)[said] * (WIDTH / self.width)
        scores = np.array([self.scores[at] for at in said], float)
        return OfClass(scores, box_ious(truths, drawn), _areas(truths), _areas(drawn))


class Scored(NamedTuple):
    """Of one class: (K,) at each IoU threshold; NaN where nothing is labelled."""

    precision: Array
    recall: Array


@dataclass(frozen=True, eq=False)
class Ranking:
    """All drawn boxes of one class in all images, the surest first."""

    image: NDArray[np.int64]
    """(N,) which image each was drawn in"""
    right: NDArray[np.bool_]
    """(K, N) whether it took a label of the sizes asked about"""
    counted: NDArray[np.bool_]
    """(K, N) False for boxes of other sizes, which neither help nor harm"""
    labels: Array
    """(F,) labels of each image"""

    @classmethod
    def of(cls, images: Sequence[OfClass], areas: tuple[float, float] = ALL) -> Ranking:
        """Judges every box of a class; areas: least and largest, in an image 640 px wide."""
        judged = [_judged(image, areas) for image in images]
        scores = np.concatenate([image.scores for image in images] or [np.zeros(0)])
        order = np.argsort(-scores, kind="stable")
        number = np.repeat(np.arange(len(images)), [len(image.scores) for image in images])
        none = np.zeros((len(THRESHOLDS), 0), np.bool_)
        right = np.concatenate([none, *(right for right, _ in judged)], axis=1)
        counted = np.concatenate([none, *(counted for _, counted in judged)], axis=1)
        labels = np.array([_within(image.truth_areas, areas).sum() for image in images], float)
        return cls(number[order], right[:, order], counted[:, order], labels)

    def score(self, weights: Array | None = None) -> Scored:
        """AP and recall at each threshold; weights (F,): how often each image counts."""
        often = np.ones(len(self.labels)) if weights is None else weights
        total, each = float((often * self.labels).sum()), often[self.image]
        if not total:
            return Scored(*(np.full(len(THRESHOLDS), np.nan) for _ in range(2)))
        hits = np.cumsum(self.right * each, axis=1)
        drawn = np.cumsum(self.counted * each, axis=1)
        recall = hits / total
        precision = np.maximum.accumulate((hits / np.maximum(drawn, 1e-12))[:, ::-1], axis=1)[:, ::-1]
        found = [_at_recalls(p, r) for p, r in zip(precision, recall, strict=True)]
        return Scored(np.array(found), recall[:, -1] if recall.shape[1] else np.zeros(len(THRESHOLDS)))


def precision_rows(name: str, frames: Sequence[BoxFrame], draws: int = 200, seed: int = 0) -> dict[str, Interval]:
    """Rows of a table with 95 % intervals, whole images resampled: AP, AP at two IoUs, AR, AP by size and by class.

    name: what the boxes are, such as obstacles. Means are over the classes that are labelled; NaN when none is.
    """
    classes = sorted({word for frame in frames for word in frame.classes})
    held = {label: [frame.of(label) for frame in frames] for label in classes}
    ranked = {label: Ranking.of(images) for label, images in held.items()}
    sized = {size: [Ranking.of(images, areas) for images in held.values()] for size, areas in SIZES.items()}
    rng = np.random.default_rng(seed)
    weights = [np.bincount(rng.integers(len(frames), size=len(frames)), minlength=len(frames)) for _ in range(draws)]

    def rows(often: Array | None) -> dict[str, float]:
        scores = {label: ranking.score(often) for label, ranking in ranked.items()}
        every = list(scores.values())
        found = {
            f"{name}: AP": _mean([one.precision for one in every]),
            f"{name}: AP at IoU 0.5": _mean([one.precision[0] for one in every]),
            f"{name}: AP at IoU 0.75": _mean([one.precision[5] for one in every]),
            f"{name}: AR": _mean([one.recall for one in every]),
        }
        found |= {f"{name}: AP, {size}": _mean([r.score(often).precision for r in rankings])
                  for size, rankings in sized.items()}  # fmt: skip
        return found | {f"{name}: AP of {label}": _mean([one.precision]) for label, one in scores.items() if label}

    drawn = [rows(one.astype(np.float64)) for one in weights]
    return {row: Interval(value, *_ends([one[row] for one in drawn])) for row, value in rows(None).items()}


def _judged(image: OfClass, areas: tuple[float, float]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Right (K, D) and counted (K, D) of one image's boxes."""
    wanted = _within(image.truth_areas, areas)
    right = np.zeros((len(THRESHOLDS), len(image.scores)), np.bool_)
    counted = np.tile(_within(image.drawn_areas, areas), (len(THRESHOLDS), 1))
    if image.ious.max(initial=0.0) < THRESHOLDS[0]:
        return right, counted
    for k, threshold in enumerate(THRESHOLDS.tolist()):
        near, left = image.ious >= min(threshold, 1 - 1e-10), np.ones(len(wanted), np.bool_)
        for d in np.flatnonzero(near.any(0)).tolist():
            for mine in (near[:, d] & left & wanted, near[:, d] & left & ~wanted):
                if mine.any():
                    best = int(np.flatnonzero(mine & (image.ious[:, d] == image.ious[mine, d].max()))[-1])
                    left[best] = False
                    right[k, d] = counted[k, d] = bool(wanted[best])
                    break
    return right, counted


def _areas(boxes: Array) -> Array:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _within(sizes: Array, areas: tuple[float, float]) -> NDArray[np.bool_]:
    return (sizes >= areas[0]) & (sizes <= areas[1])


def _at_recalls(precision: Array, recall: Array) -> float:
    """Mean precision at 101 recalls, 0 beyond the largest reached."""
    at = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[at].mean())


def _mean(values: Sequence[Array | float]) -> float:
    """Over classes and thresholds of what was measured; NaN of nothing."""
    every = np.ravel(np.asarray(values, float))
    measured = every[np.isfinite(every)]
    return float(measured.mean()) if len(measured) else float("nan")


def _ends(values: Sequence[float]) -> tuple[float, float]:
    measured = [value for value in values if np.isfinite(value)]
    if not measured:
        return float("nan"), float("nan")
    low, high = np.quantile(measured, [0.025, 0.975])
    return float(low), float(high)
