"""A choice by shares: what numpy's own does in a tenth of the time, which a frame's hundred choices add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def chosen(rng: np.random.Generator, options: Sequence[T], shares: Sequence[float] | None = None) -> T:
    """One of the options, as often as its share of all shares says; all alike without shares."""
    if shares is None:
        return options[int(rng.integers(len(options)))]
    left = rng.random() * sum(shares)
    for option, share in zip(options, shares, strict=True):
        left -= share
        if left < 0:
            return option
    return options[-1]
