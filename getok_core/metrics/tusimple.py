"""The TuSimple lane benchmark: accuracy, false positives and false negatives of one image, with or without its clock.

As its evaluation tool computes them. Lanes are compared at fixed rows of a 1280 x 720 image; a lane's x there is right
within 20 px / cos of the label's lean. A label is found when 85 % of all rows are right, rows where neither is present
among them; of more than four labels the worst is let off. An image with more than two lanes too many, or one that took
longer than 200 ms, scores nothing. The mean over images is the benchmark's number. Lanes may find several labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY, as_xy

from .lanes import Points
from .tally import Part

SIZE = (1280, 720)
ROWS = tuple(row + 0.5 for row in range(160, 720, 10))
"""y of the rows that the data set labels"""
NEAR_PX, FOUND, SLOWEST_S = 20.0, 0.85, 0.2
MOST_OVER, LET_OFF = 2, 4
ABSENT = -100.0
"""x of a lane where it is not: the tool compares this number like any other"""
ROUNDING = 1e-6


class Tusimple(NamedTuple):
    """What one image scores."""

    accuracy: float
    false_positives: float
    """part of the drawn lanes that found no label"""
    false_negatives: float
    """part of the labels that were not found"""


def tusimple(
    truths: Sequence[Points],
    drawns: Sequence[Points],
    size: tuple[float, float],
    rows: Sequence[float] = (),
    seconds: float | None = None,
) -> Tusimple:
    """Lines (N, 2) of one image of size (width, height), all in its pixels.

    rows: y at which the labels were made; () means those of the data set. seconds: how long the image took; None
    leaves the clock out.
    """
    scale = np.array(SIZE, float) / np.array(size, float)
    at = np.asarray(rows, float) * scale[1] if len(rows) else np.array(ROWS)
    labels = [at_rows(as_xy(line) * scale, at) for line in truths]
    said = [at_rows(as_xy(line) * scale, at) for line in drawns]
    if len(labels) + MOST_OVER < len(said) or (seconds is not None and seconds > SLOWEST_S):
        return Tusimple(0.0, 0.0, 1.0)
    right = [max((_right(label, line, at) for line in said), default=0.0) for label in labels]
    found = sum(share >= FOUND for share in right)
    missed, scored = len(labels) - found, sum(right)
    if len(labels) > LET_OFF:
        missed, scored = max(missed - 1, 0), scored - min(right)
    counted = max(min(len(labels), LET_OFF), 1)
    return Tusimple(scored / counted, (len(said) - found) / len(said) if said else 0.0, missed / counted)


def tusimple_parts(
    truths: Sequence[Points],
    drawns: Sequence[Points],
    size: tuple[float, float],
    rows: Sequence[float] = (),
    seconds: float | None = None,
) -> dict[str, Part]:
    """What one image adds to the benchmark's means, without the clock and, where seconds are known, with it."""
    names = {"lanes, TuSimple": None} | ({} if seconds is None else {"lanes, TuSimple in 200 ms": seconds})
    parts: dict[str, Part] = {}
    for name, clock in names.items():
        score = tusimple(truths, drawns, size, rows, clock)
        values = zip(("accuracy", "false positives", "false negatives"), score, strict=True)
        parts |= {f"{name}: {what}": (value, 1.0) for what, value in values}
    return parts


def at_rows(line: XY, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """x of a line (N, 2) at each row (R,), counted from pixel centres as the data set does; ABSENT where it is not.

    Where a row is met more than once, the line's first crossing counts.
    """
    if len(line) < 2:
        return np.full(len(rows), ABSENT)
    x0, y0, x1, y1 = line[:-1, 0], line[:-1, 1], line[1:, 0], line[1:, 1]
    t = (rows[:, None] - y0) / np.where(y0 == y1, np.inf, y1 - y0)
    meets = (t >= 0) & (t <= 1) & (y0 != y1)
    x = np.take_along_axis(x0 + t * (x1 - x0), meets.argmax(1)[:, None], 1)[:, 0] - 0.5
    return np.where(meets.any(1) & (x > -ROUNDING), x, ABSENT)


def _right(label: NDArray[np.float64], drawn: NDArray[np.float64], rows: NDArray[np.float64]) -> float:
    """Part of the rows where a drawn lane is near the label."""
    seen = label != ABSENT
    lean = np.polyfit(rows[seen], label[seen], 1)[0] if seen.sum() > 1 else 0.0
    return float((np.abs(label - drawn) < NEAR_PX / np.cos(np.arctan(lean))).mean())
