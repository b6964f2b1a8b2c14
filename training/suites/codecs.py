"""Ways to spell a point, each as what it does to geometry and what it costs: our lattice, 1,000 bins, text coordinates.

Labels and tags cost the same whatever spells the vertices, so only vertices differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.lattice import Lattice, Size
from getok_core.syntax import distinct_vertices


class Codec(Protocol):
    """Spells points of an image of size (width, height)."""

    name: str
    reads: int
    """offsets read for each vertex, one a pass"""

    def read_back(self, xy: XY, size: Size, corners: bool = False) -> XY:
        """Points (N, 2) as they come back, in pixels; but for corners of a box, what repeats at once is said once."""
        ...

    def tokens(self, xy: XY, size: Size) -> int:
        """How many tokens read_back's points (N, 2) were written with."""
        ...

    def places(self) -> NDArray[np.float64]:
        """All that can be said of one axis, as parts 0..1 of it, ascending."""
        ...

    def least(self, size: Size) -> tuple[float, float]:
        """Width and height in pixels of a box whose corners are the same."""
        ...


@dataclass(frozen=True)
class Grid:
    """n x n cells, one token a vertex, and so many rounds of offsets."""

    n: int
    reads: int

    @property
    def name(self) -> str:
        return f"{self.n} x {self.n}, R = {self.reads}"

    def read_back(self, xy: XY, size: Size, corners: bool = False) -> XY:
        lattice = Lattice(self.n)
        code = lattice.encode(xy, size, self.reads)
        kept = np.arange(len(code.ij)) if corners else distinct_vertices(code.ij)
        return lattice.decode(code.ij[kept], size, code.offsets[kept])

    def tokens(self, xy: XY, size: Size) -> int:
        return len(xy)

    def places(self) -> NDArray[np.float64]:
        if not self.reads:
            return (np.arange(self.n) + 0.5) / self.n
        steps = self.n * 2**self.reads
        return np.arange(steps + 1) / steps

    def least(self, size: Size) -> tuple[float, float]:
        width, height = Lattice(self.n).error_px(size, self.reads)
        return 2 * width, 2 * height


@dataclass(frozen=True)
class Bins:
    """The same number of one-dimensional bins on each axis, two tokens a vertex."""

    count: int = 1000
    reads = 0

    @property
    def name(self) -> str:
        return f"{self.count} bins"

    def read_back(self, xy: XY, size: Size, corners: bool = False) -> XY:
        bins = np.clip(np.floor(xy * self.count / size), 0, self.count - 1)
        return (bins + 0.5) * size / self.count

    def tokens(self, xy: XY, size: Size) -> int:
        return 2 * len(xy)

    def places(self) -> NDArray[np.float64]:
        return (np.arange(self.count) + 0.5) / self.count

    def least(self, size: Size) -> tuple[float, float]:
        return size[0] / self.count, size[1] / self.count


@dataclass(frozen=True)
class Text:
    """Whole pixels of the picture resized to side x side, "(12,340)": a token a digit, comma and bracket."""

    side: int = 840
    reads = 0

    @property
    def name(self) -> str:
        return f"text, pixels of {self.side}"

    def read_back(self, xy: XY, size: Size, corners: bool = False) -> XY:
        return self._pixels(xy, size) * size / self.side

    def tokens(self, xy: XY, size: Size) -> int:
        return sum(len(f"({x},{y})") for x, y in self._pixels(xy, size).astype(int))

    def places(self) -> NDArray[np.float64]:
        return np.arange(self.side + 1) / self.side

    def least(self, size: Size) -> tuple[float, float]:
        return size[0] / self.side, size[1] / self.side

    def _pixels(self, xy: XY, size: Size) -> NDArray[np.float64]:
        return np.round(np.clip(xy * self.side / np.asarray(size, np.float64), 0, self.side))


CODECS: tuple[Codec, ...] = (*(Grid(n, rounds) for n in (16, 32, 64) for rounds in range(4)), Bins(), Text())
