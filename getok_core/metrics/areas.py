"""Areas against labels: outlines become pixels, pixels are compared.

A pixel belongs to an outline when its centre, at +0.5, lies inside; several outlines make one area together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY, as_xy
from getok_core.lattice import Size

Area = NDArray[np.bool_]
"""(H, W), row by row"""


class Overlap(NamedTuple):
    """Pixels that two areas share, and pixels that lie in at least one."""

    both: int
    either: int

    @property
    def iou(self) -> float:
        """both / either; two empty areas agree: 1."""
        return self.both / self.either if self.either else 1.0


def filled(outline: XY, size: Size) -> Area:
    """Pixels inside one closed outline (N, 2) in an image of size (width, height) -> (H, W) bool.

    What an outline winds around counts, however often it crosses itself. Fewer than 3 vertices hold nothing. Parts
    beyond the image are cut off.
    """
    xy, (width, height) = as_xy(outline), size
    turns = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(xy, np.roll(xy, -1, axis=0), strict=True):
        # Rows whose centre the edge crosses, its lower end excluded; a level edge crosses none.
        low, high = (math.ceil(min(max(y, 0.0), height) - 0.5) for y in (min(y0, y1), max(y0, y1)))
        rows = np.arange(low, high, dtype=np.int64)
        if len(rows):
            x = np.asarray(x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0)), np.float64)
            # Every pixel whose centre lies right of the crossing sees the outline turn once around it.
            np.add.at(turns, (rows, np.ceil(np.clip(x, 0, width) - 0.5).astype(int)), 1 if y1 > y0 else -1)
    return turns.cumsum(1)[:, :width] != 0


def union(outlines: Iterable[XY], size: Size) -> Area:
    """Pixels inside any of the outlines, each (N, 2) -> (H, W) bool."""
    area = np.zeros((size[1], size[0]), np.bool_)
    for outline in outlines:
        area |= filled(outline, size)
    return area


def overlap(one: Area, other: Area) -> Overlap:
    """Compares two areas of the same shape (H, W). Raises ValueError on different shapes."""
    if one.shape != other.shape:
        raise ValueError(f"areas must have the same shape, got {one.shape} and {other.shape}: use one image size")
    return Overlap(int((one & other).sum()), int((one | other).sum()))
