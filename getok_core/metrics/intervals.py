"""How sure a measured ratio is: bootstrap intervals that resample whole groups, such as frames, not single values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A measured ratio with the ends of its interval; all NaN when nothing was measured."""

    value: float
    low: float
    high: float

    def percent(self) -> str:
        """For tables: "71.2 (65.0-77.1)"."""
        return f"{100 * self.value:.1f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


def ratio_interval(
    parts: ArrayLike,
    wholes: ArrayLike,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """sum(parts) / sum(wholes) with its percentile bootstrap interval.

    parts, wholes: (N,); groups: (N,) names, of which equal ones are drawn together (None: every row is its own group).
    With wholes of ones this is the interval of a mean. The same seed gives the same interval. Raises ValueError on
    arrays of different lengths.
    """
    part, whole = np.asarray(parts, float), np.asarray(wholes, float)
    names = np.arange(len(part)) if groups is None else np.asarray(groups)
    if not len(part) == len(whole) == len(names):
        raise ValueError(f"one whole and one group a part: got {len(part)}, {len(whole)} and {len(names)}")
    index = np.ravel(np.unique(names, return_inverse=True)[1])
    part, whole = np.bincount(index, part), np.bincount(index, whole)
    if whole.sum() <= 0:
        return Interval(np.nan, np.nan, np.nan)
    drawn = np.random.default_rng(seed).integers(len(part), size=(draws, len(part)))
    sums = whole[drawn].sum(1)
    ratios = part[drawn].sum(1)[sums > 0] / sums[sums > 0]
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Interval(float(part.sum() / whole.sum()), float(low), float(high))
