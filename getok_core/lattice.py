"""Pixels <-> cells <-> offsets. Knows the canonical code of a point and its largest error; FORMAT.md, section 1.

A cell (i, j) counts columns, then rows; its centre is ((i + 1/2) W / n, (j + 1/2) H / n). Round r adds an offset in
{-1, 0, 1}^2 times 2^-k cells; rounds 1, 2, 3 use k = 1, 2, 3 (k = 1, half a cell, is the paper's S = diag(W/2n, H/2n)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .geometry import XY, as_xy

STEPS = tuple(range(-1, 6))
"""legal k: one offset moves a point by 2^-k cells"""

IJ = NDArray[np.int64]
Size = tuple[int, int]
"""image size in pixels: width, height"""


def steps_of(rounds: int) -> tuple[int, ...]:
    """The steps k of the first rounds: 1, 2, 3, ... Raises ValueError outside 0..5."""
    if not 0 <= rounds <= STEPS[-1]:
        raise ValueError(f"refinement rounds must lie in 0..{STEPS[-1]}, got {rounds}")
    return tuple(range(1, rounds + 1))


class Code(NamedTuple):
    """Canonical code of N points."""

    ij: IJ
    """(N, 2) cells: column, row"""
    offsets: IJ
    """(N, R, 2) in {-1, 0, 1}: du right, dv down, one row a round"""
    clamped: NDArray[np.bool_]
    """(N,) True where the point lay outside the image and was moved to its border"""


@dataclass(frozen=True)
class Lattice:
    """n x n cells over the whole image."""

    n: int = 32

    def __post_init__(self) -> None:
        if self.n not in (16, 32, 64):
            raise ValueError(f"lattice size must be 16, 32 or 64, got {self.n}")

    def to_cells(self, xy: XY, size: Size) -> XY:
        """Pixels (N, 2) -> cell units (N, 2), where cell i covers [i, i + 1). Not clamped."""
        return as_xy(xy) * (self.n / np.asarray(size, np.float64))

    def to_pixels(self, uv: XY, size: Size) -> XY:
        """Cell units (N, 2) -> pixels (N, 2), clamped to the image."""
        return np.clip(uv, 0.0, self.n) * (np.asarray(size, np.float64) / self.n)

    def encode(self, xy: XY, size: Size, rounds: int = 0) -> Code:
        """Pixels (N, 2) -> canonical code: the cell by floor, then in each round the nearest offset, ties to zero."""
        uv = self.to_cells(xy, size)
        inside = np.clip(uv, 0.0, self.n)
        ij = np.minimum(np.floor(inside), self.n - 1).astype(np.int64)
        offsets = np.zeros((len(uv), rounds, 2), np.int64)
        rest = inside - (ij + 0.5)
        for r, k in enumerate(steps_of(rounds)):
            offsets[:, r] = nearest_offset(rest, k)
            rest = rest - offsets[:, r] * 2.0**-k
        return Code(ij, offsets, (uv != inside).any(axis=1))

    def decode(self, ij: IJ, size: Size, offsets: IJ | None = None, steps: Sequence[int] | None = None) -> XY:
        """Cells (N, 2) and offsets (N, R, 2) -> pixels (N, 2), clamped to the image. steps default to 1..R."""
        uv = np.asarray(ij, np.float64).reshape(-1, 2) + 0.5
        if offsets is not None and offsets.size:
            ks = steps_of(offsets.shape[1]) if steps is None else steps
            uv = uv + np.tensordot(2.0 ** -np.asarray(ks, np.float64), offsets, axes=(0, 1))
        return self.to_pixels(uv, size)

    def error_px(self, size: Size, rounds: int = 0) -> tuple[float, float]:
        """Largest error in x and y, in pixels, of a point inside the image after so many rounds: 2^-(R+1) cells."""
        scale = 2.0 ** -(rounds + 1) / self.n
        return size[0] * scale, size[1] * scale


def nearest_offset(rest: XY, k: int) -> IJ:
    """What is left, in cells (N, 2) -> the offset in {-1, 0, 1} nearest to it at step k, ties to zero."""
    units = np.asarray(rest, np.float64) * 2.0**k
    return (np.sign(units) * (np.abs(units) > 0.5)).astype(np.int64)
