"""How fast something grows: a straight line through measurements, with an interval that knows they hang together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .intervals import Interval

BLOCKS = 12
"""neighbouring measurements are averaged into so many blocks, which are taken as independent"""
STUDENT = 2.228
"""97.5 % quantile of Student's t with BLOCKS - 2 degrees of freedom"""


def slope(times: ArrayLike, values: ArrayLike) -> Interval:
    """Least-squares slope of values (N,) over times (N,), a unit of values for a unit of time, with its 95 % interval.

    Fewer than BLOCKS measurements, or all at one time, give NaN. Raises ValueError on arrays of different lengths.
    """
    t, v = np.asarray(times, float), np.asarray(values, float)
    if t.shape != v.shape or t.ndim != 1:
        raise ValueError(f"one value a time: got {t.shape} and {v.shape}")
    if len(t) < BLOCKS or not np.ptp(t) > 0:
        return Interval(np.nan, np.nan, np.nan)
    order = np.argsort(t, kind="stable")
    x, y = (np.array([part.mean() for part in np.array_split(one[order], BLOCKS)]) for one in (t, v))
    spread = float(((x - x.mean()) ** 2).sum())
    rise = float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    left = y - y.mean() - rise * (x - x.mean())
    error = STUDENT * float(np.sqrt((left**2).sum() / (BLOCKS - 2) / spread))
    return Interval(rise, rise - error, rise + error)
