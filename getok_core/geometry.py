"""What the language can name: frozen shapes in float pixels, x right, y down, (0, 0) the image's top-left corner.

Pixel centres lie at +0.5. Nothing here knows the lattice, a model or a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np
from numpy.typing import NDArray

XY = NDArray[np.float64]
"""(N, 2) float64 pixels, columns x and y."""


def as_xy(points: Sequence[Sequence[float]] | NDArray[np.floating]) -> XY:
    """Any (N, 2) array-like -> (N, 2) float64. Raises ValueError on another shape or a value that is not finite."""
    xy = np.asarray(points, dtype=np.float64)
    if xy.size == 0:
        xy = xy.reshape(0, 2)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(f"points must have shape (N, 2), got {xy.shape}: give x, y pairs in pixels")
    if not np.isfinite(xy).all():
        raise ValueError("points hold a value that is not finite (NaN or infinite): drop it before")
    return xy


@dataclass(frozen=True, eq=False)
class Shape:
    """Vertices of one thing, (N, 2) float pixels, read-only. Two shapes are equal when kind and vertices are."""

    xy: XY

    kind = "shape"
    least = 1
    """fewest vertices a shape of this kind can have"""

    def __post_init__(self) -> None:
        xy = as_xy(self.xy)
        if len(xy) < self.least:
            raise ValueError(f"a {self.kind} needs at least {self.least} vertices, got {len(xy)}")
        xy = xy + 0.0  # a copy without negative zeros, which are equal to zero but hash differently
        xy.setflags(write=False)
        object.__setattr__(self, "xy", xy)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and other.kind == self.kind and np.array_equal(self.xy, other.xy)

    def __hash__(self) -> int:
        return hash((self.kind, self.xy.tobytes()))

    def moved(self, xy: XY) -> Shape:
        """The same kind of shape with other vertices (N, 2)."""
        return type(self)(xy)


class Point(Shape):
    """One point, (1, 2)."""

    kind = "pt"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.xy) != 1:
            raise ValueError(f"a point is one x, y pair, got {len(self.xy)}")


class Box(Shape):
    """Axis-aligned box as two vertices: top-left, bottom-right; both sides longer than zero."""

    kind = "box"
    least = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.xy) != 2 or not (self.xy[1] > self.xy[0]).all():
            raise ValueError(f"a box is top-left then bottom-right with positive sides, got {self.xy.tolist()}")

    @property
    def xyxy(self) -> NDArray[np.float64]:
        """(4,) left, top, right, bottom in pixels."""
        return self.xy.reshape(4)

    @classmethod
    def of(cls, xyxy: Sequence[float]) -> Box:
        """From left, top, right, bottom in pixels."""
        return cls(np.asarray(xyxy, np.float64).reshape(2, 2))


class Polyline(Shape):
    """An open line of two or more vertices, in order."""

    kind = "pl"
    least = 2


class Polygon(Shape):
    """A closed outline of three or more vertices; the last joins the first."""

    kind = "poly"
    least = 3


class Seeds(Shape):
    """Points inside one thing, from which a promptable segmenter makes its mask."""

    kind = "seg"


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels of one thing: (H, W) bool, row by row, in the image's own size."""

    pixels: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.bool_:
            raise ValueError(f"a mask is (H, W) bool, got {self.pixels.shape} {self.pixels.dtype}")


AnyShape = Union[Point, Box, Polyline, Polygon, Seeds]
KINDS: dict[str, type[AnyShape]] = {c.kind: c for c in (Point, Box, Polyline, Polygon, Seeds)}
"""tag of the language -> shape"""


def resample(xy: XY, count: int) -> XY:
    """An open line (N, 2) -> (count, 2) vertices at equal arc length in the image; both ends are kept."""
    xy = as_xy(xy)
    if len(xy) < 2 or count < 2:
        raise ValueError(f"resampling needs 2 or more vertices on both sides, got {len(xy)} -> {count}")
    steps: NDArray[np.float64] = np.diff(xy, axis=0)
    along = np.concatenate([np.zeros(1), np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    at: NDArray[np.float64] = np.linspace(0.0, float(along[-1]), count)
    return np.stack([np.interp(at, along, xy[:, 0]), np.interp(at, along, xy[:, 1])], axis=1)


def clockwise(xy: XY, level: float = 0.0) -> XY:
    """The outline (N, 2) turned clockwise as seen in the image, beginning at its lowest left vertex.

    Vertices within `level` pixels of the lowest count as lowest, so that the start does not jump between two corners.
    """
    following = np.roll(xy, -1, axis=0)
    if (xy[:, 0] * following[:, 1] - following[:, 0] * xy[:, 1]).sum() < 0:
        xy = xy[::-1]
    low = np.flatnonzero(xy[:, 1] >= xy[:, 1].max() - level)
    return np.roll(xy, -low[np.argmin(xy[low, 0])], axis=0)
