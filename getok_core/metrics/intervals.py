"""How sure a measured ratio is: bootstrap intervals that resample whole groups, such as frames, not single values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A measured ratio with the ends of its interval; all NaN when nothing was measured."""

    value: float
    low: float
    high: float

    def percent(self) -> str:
        """For tables: "71.2 (65.0-77.1)"; without the brackets where no interval is known."""
        if self.low != self.low:
            return f"{100 * self.value:.1f}"
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
    part, whole = _grouped([parts, wholes], groups)
    if whole.sum() <= 0:
        return Interval(np.nan, np.nan, np.nan)
    above, below = _resampled([part, whole], draws, seed)
    ratios = above[below > 0] / below[below > 0]
    return _interval(float(part.sum() / whole.sum()), ratios, confidence)


def difference_interval(
    parts: ArrayLike,
    wholes: ArrayLike,
    other_parts: ArrayLike,
    other_wholes: ArrayLike,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """How much larger the second ratio is than the first, with its paired percentile bootstrap interval.

    Row i of all four arrays (N,) is about the same thing; the same groups are drawn for both ratios, so what makes a
    frame hard for both does not widen the interval. A low end above 0 says that the second is larger. All NaN when a
    ratio was not measured. Otherwise as ratio_interval.
    """
    columns = _grouped([parts, wholes, other_parts, other_wholes], groups)
    part, whole, other_part, other_whole = (float(column.sum()) for column in columns)
    if whole <= 0 or other_whole <= 0:
        return Interval(np.nan, np.nan, np.nan)
    above, below, other_above, other_below = _resampled(columns, draws, seed)
    both = (below > 0) & (other_below > 0)
    differences = other_above[both] / other_below[both] - above[both] / below[both]
    return _interval(other_part / other_whole - part / whole, differences, confidence)


def _grouped(columns: Sequence[ArrayLike], groups: ArrayLike | None) -> list[Array]:
    """Each column (N,) summed by group (G,)."""
    arrays = [np.asarray(column, float) for column in columns]
    names = np.arange(len(arrays[0])) if groups is None else np.asarray(groups)
    lengths = [len(array) for array in arrays]
    if {*lengths} != {len(names)}:
        raise ValueError(f"one whole and one group a part: got {', '.join(map(str, lengths))} and {len(names)}")
    index = np.ravel(np.unique(names, return_inverse=True)[1])
    return [np.bincount(index, array).astype(np.float64) for array in arrays]


def _resampled(columns: Sequence[Array], draws: int, seed: int) -> list[Array]:
    """Sums of each column (G,) over as many groups drawn with replacement, (draws,)."""
    count = len(columns[0])
    drawn = np.random.default_rng(seed).integers(count, size=(draws, count))
    return [column[drawn].sum(1) for column in columns]


def _interval(value: float, drawn: Array, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
