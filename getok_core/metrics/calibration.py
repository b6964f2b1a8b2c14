"""Scores against what is so: a score of 0.8 is calibrated when 8 of 10 things with it are right.

Reliability diagram and expected calibration error after Guo et al., On Calibration of Modern Neural Networks (2017),
equations 2 and 3, with bins of equal width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Bin:
    """Things whose score lies in low < score <= high; the first bin takes 0 too. Means are NaN where it is empty."""

    low: float
    high: float
    count: int
    score: float
    """their mean score"""
    right: float
    """the part of them that is right"""


@dataclass(frozen=True)
class Reliability:
    """How far scores can be believed."""

    bins: Sequence[Bin]

    @property
    def count(self) -> int:
        """Things in all."""
        return sum(one.count for one in self.bins)

    @property
    def ece(self) -> float:
        """Expected calibration error: mean over things of |right part - mean score| of their bin; NaN of nothing."""
        if not self.count:
            return float("nan")
        return sum(one.count * abs(one.right - one.score) for one in self.bins if one.count) / self.count

    def to_json(self) -> dict[str, Any]:
        """{"count", "ece", "bins": [{"low", "high", "count", "score", "right"}]}; null where nothing was measured."""
        return {"count": self.count, "ece": _rounded(self.ece), "bins": [_bin_json(one) for one in self.bins]}


def reliability(scores: ArrayLike, right: ArrayLike, bins: int = 10) -> Reliability:
    """From the score (N,) in 0..1 of each thing, and whether it is right (N,). Raises ValueError on other lengths."""
    said, true = np.asarray(scores, float).reshape(-1), np.asarray(right, float).reshape(-1)
    if len(said) != len(true):
        raise ValueError(f"one verdict a score: got {len(true)} for {len(said)} scores")
    edges: list[float] = np.linspace(0.0, 1.0, bins + 1).tolist()
    at = np.clip(np.searchsorted(edges, said, side="left") - 1, 0, bins - 1)
    within = [at == number for number in range(bins)]
    means = [(_mean(said[held]), _mean(true[held])) for held in within]
    return Reliability([Bin(edges[i], edges[i + 1], int(held.sum()), *means[i]) for i, held in enumerate(within)])


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _bin_json(one: Bin) -> dict[str, Any]:
    return {name: value if name == "count" else _rounded(value) for name, value in vars(one).items()}


def _rounded(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None
