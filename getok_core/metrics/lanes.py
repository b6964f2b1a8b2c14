"""Lane lines against labels: a line is found when it lies near the label over most of the label's length.

Two families: `lane_counts` (a tolerance in parts of the image width, any camera) and `culane_ious` (CULane's painted
lines). Both match lines one to one, so a line drawn twice counts once. Lines are (N, 2) float pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY, as_xy, resample

from .assignment import best_pairs

Points = Union[Sequence[Sequence[float]], NDArray[np.floating]]
"""what as_xy takes: (N, 2)"""

SHARE = 0.75
"""part of a label's length that must lie within the tolerance"""
SAMPLES = 201
"""points at equal arc length that stand for a label"""
Measure = Literal["nearest", "row"]
"""how far a label's point lies from a drawn line: from its nearest point, or along the point's image row (stricter)"""
CULANE_SIZE = (1640, 590)
CULANE_LINE_PX = 30


class Counts(NamedTuple):
    """Lines found, labelled and drawn. Of nothing labelled and nothing drawn, every measure is 1."""

    hits: int
    truths: int
    drawn: int

    @property
    def recall(self) -> float:
        """Found part of the labels."""
        return _ratio(self.hits, self.truths, empty=not self.drawn)

    @property
    def precision(self) -> float:
        """Right part of what was drawn."""
        return _ratio(self.hits, self.drawn, empty=not self.truths)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.hits, self.truths + self.drawn, empty=True)


def total(counts: Iterable[Counts]) -> Counts:
    """The counts of several images together."""
    return Counts(*(sum(column) for column in zip((0, 0, 0), *counts, strict=True)))


def distances(points: Points, line: Points) -> NDArray[np.float64]:
    """Distance in pixels of each of points (N, 2) from the polyline (M, 2), M >= 1 -> (N,)."""
    p, xy = as_xy(points), as_xy(line)
    start, along = (xy[:-1], np.diff(xy, axis=0)) if len(xy) > 1 else (xy, np.zeros((1, 2)))
    length2 = np.maximum((along**2).sum(1), 1e-12)
    t = np.minimum(np.maximum(((p[:, None] - start) * along).sum(2) / length2, 0.0), 1.0)
    nearest = start + t[..., None] * along
    return np.sqrt(((p[:, None] - nearest) ** 2).sum(2)).min(1)


def row_distances(points: Points, line: Points) -> NDArray[np.float64]:
    """Distance in pixels along its image row of each of points (N, 2) from the polyline (M, 2) -> (N,).

    inf where the row does not meet the polyline; where it meets it more than once, the nearest counts.
    """
    return np.abs(row_offsets(points, line))


def row_offsets(points: Points, line: Points) -> NDArray[np.float64]:
    """As row_distances, with a sign: how far the polyline lies to the right of each point (N,)."""
    p, xy = as_xy(points), as_xy(line)
    if len(xy) < 2:
        return np.full(len(p), np.inf)
    x0, y0, x1, y1 = xy[:-1, 0], xy[:-1, 1], xy[1:, 0], xy[1:, 1]
    y = p[:, 1:]
    flat = y0 == y1
    level = np.minimum(np.maximum((p[:, :1] - x0) / np.where(x0 == x1, 1.0, x1 - x0), 0.0), 1.0)
    t = np.where(flat, level, (y - y0) / np.where(flat, 1.0, y1 - y0))
    meets = np.where(flat, y == y0, (t >= 0) & (t <= 1))
    away = np.where(meets, x0 + t * (x1 - x0) - p[:, :1], np.inf)
    return np.take_along_axis(away, np.abs(away).argmin(1)[:, None], 1)[:, 0]


def line_found(
    truth: Points,
    drawn: Points,
    width: float,
    tolerance: float,
    share: float = SHARE,
    measure: Measure = "nearest",
) -> bool:
    """Does drawn (M, 2) lie within tolerance * width of truth (N, 2) over at least `share` of truth's length?

    Measured from truth: points at equal arc length along it, each to the drawn polyline by `measure`; "row" suits lines
    that no image row follows, such as those of the own lane. What is drawn beyond truth's ends does not count, for or
    against. Fewer than 2 drawn vertices find nothing.
    """
    xy = as_xy(drawn)
    if len(xy) < 2:
        return False
    points = resample(as_xy(truth), SAMPLES)
    away = row_distances(points, xy) if measure == "row" else distances(points, xy)
    return bool((away <= tolerance * width).mean() >= share)


def lane_counts(
    truths: Sequence[Points],
    drawns: Sequence[Points],
    size: tuple[float, float],
    tolerance: float,
    share: float = SHARE,
    measure: Measure = "nearest",
) -> Counts:
    """Counts of one image, size (width, height) in pixels; each drawn line finds at most one label."""
    found = [[line_found(t, d, size[0], tolerance, share, measure) for d in drawns] for t in truths]
    merit = np.array(found, float).reshape(len(truths), len(drawns))
    return Counts(len(_matched(merit, 0.5)), len(truths), len(drawns))


def lane_pairs(
    truths: Sequence[Points], drawns: Sequence[Points], width: float, tolerance: float, share: float = SHARE
) -> list[tuple[int, int]]:
    """Labels and drawn lines that belong together, by their places: as many as can be found, then the nearest."""
    merit = np.zeros((len(truths), len(drawns)))
    for t, truth in enumerate(truths):
        for d, drawn in enumerate(drawns):
            if line_found(truth, drawn, width, tolerance, share):
                away = distances(resample(as_xy(truth), SAMPLES), drawn).mean() / width
                merit[t, d] = 1 + max(1 - float(away), 0.0) / (1 + max(merit.shape))
    return _matched(merit, 0.0)


def culane_ious(truths: Sequence[Points], drawns: Sequence[Points], size: tuple[float, float]) -> NDArray[np.float64]:
    """IoU of every label with every drawn line, (T, D), as CULane paints them.

    Lines are stretched from size (width, height) to 1640 x 590 and painted 30 px wide with round ends, clipped to the
    image. Between vertices they run straight; CULane's own tool bends a spline through its vertices.
    """
    if not len(truths) or not len(drawns):
        return np.zeros((len(truths), len(drawns)))
    scale = np.array(CULANE_SIZE, float) / np.array(size, float)
    a = np.stack([_painted(as_xy(line) * scale) for line in truths])
    b = np.stack([_painted(as_xy(line) * scale) for line in drawns])
    both = np.einsum("tp,dp->td", a, b).astype(np.float64)
    either = a.sum(1, dtype=np.float64)[:, None] + b.sum(1, dtype=np.float64) - both
    return both / np.maximum(either, 1.0)


def culane_counts(ious: NDArray[np.float64], threshold: float = 0.5) -> Counts:
    """Counts of one image from its IoUs (T, D): the pairing with the largest sum, pairs above the threshold found."""
    truths, drawn = ious.shape
    return Counts(len(_matched(ious, threshold)), truths, drawn)


def _matched(merit: NDArray[np.float64], threshold: float) -> list[tuple[int, int]]:
    """The pairs of the best one-to-one pairing of merit (T, D) that exceed the threshold."""
    return [(truth, drawn) for truth, drawn in best_pairs(merit) if merit[truth, drawn] > threshold]


def _painted(xy: XY) -> NDArray[np.float32]:
    """(590 * 1640,): 1 where a pixel's centre lies within half the paint's width of the line, segment by segment."""
    width, height = CULANE_SIZE
    radius = CULANE_LINE_PX / 2
    paint = np.zeros((height, width), np.float32)
    for segment in (xy[i : i + 2] for i in range(len(xy) - 1)):
        left, top = np.maximum(np.floor(segment.min(0) - radius), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(segment.max(0) + radius), CULANE_SIZE).astype(int).tolist()
        if right <= left or bottom <= top:
            continue
        y, x = np.indices((bottom - top, right - left), dtype=np.float64) + 0.5
        near = distances(np.column_stack([np.ravel(x) + left, np.ravel(y) + top]), segment) <= radius
        paint[top:bottom, left:right][np.reshape(near, x.shape)] = 1
    return paint.ravel()


def _ratio(part: float, whole: float, empty: bool) -> float:
    return part / whole if whole else float(empty)
