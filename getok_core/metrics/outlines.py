"""Pixels become outlines again, exactly: the inverse of `areas.union`."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY

from .areas import Area

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""x, y of a pixel's side: right along its top, down its right side, left along its bottom, up its left side"""


def outlined(area: Area) -> list[XY]:
    """Outlines (N, 2) along pixel sides of an area (H, W), one for each part whose pixels share sides.

    Their union is the area. An outline with holes visits each hole along a bridge there and back, which encloses
    nothing.
    """
    _, parts = cv2.connectedComponents(area.astype(np.uint8), connectivity=4)
    rings: dict[int, tuple[list[XY], list[XY]]] = {}
    for part, ring in _rings(area, np.asarray(parts, np.int64)):
        following = np.roll(ring, -1, axis=0)
        hole = (ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum() < 0
        rings.setdefault(part, ([], []))[int(hole)].append(ring)
    return [_bridged(outer, holes) for (outer,), holes in rings.values()]


def _rings(area: Area, parts: NDArray[np.int64]) -> Iterator[tuple[int, XY]]:
    """(part, closed ring (N, 2) with the part on its right hand), corners only."""
    left = _sides(area)
    while left:
        corner, ways = next(iter(left.items()))
        start = corner, min(ways)
        way, ring = start[1], list[tuple[int, int]]()
        while True:
            corner = corner[0] + _STEPS[way][0], corner[1] + _STEPS[way][1]
            # Where two pixels touch at a corner, the right turn stays with the same one.
            turn = next(turn for turn in ((way + 1) % 4, way, (way + 3) % 4) if turn in left[corner])
            if turn != way:
                ring.append(corner)
            way = turn
            left[corner].remove(way)
            if not left[corner]:
                del left[corner]
            if (corner, way) == start:
                break
        yield int(parts[_pixel(*start)]), np.asarray(ring, np.float64)


def _sides(area: Area) -> dict[tuple[int, int], set[int]]:
    """Corner (x, y) -> directions in which a side between the area and the rest leaves it."""
    inside = np.pad(area, 1)
    beyond = (inside[:-2, 1:-1], inside[1:-1, 2:], inside[2:, 1:-1], inside[1:-1, :-2])
    starts = ((0, 0), (1, 0), (1, 1), (0, 1))
    sides: dict[tuple[int, int], set[int]] = {}
    for way, (outside, (dx, dy)) in enumerate(zip(beyond, starts, strict=True)):
        pixels: list[list[int]] = np.argwhere(area & ~outside).tolist()
        for y, x in pixels:
            sides.setdefault((x + dx, y + dy), set()).add(way)
    return sides


def _pixel(corner: tuple[int, int], way: int) -> tuple[int, int]:
    """Row and column of the pixel on the right hand of a side that leaves a corner."""
    x, y = corner
    return ((y, x), (y, x - 1), (y - 1, x - 1), (y - 1, x))[way]


def _bridged(outer: XY, holes: list[XY]) -> XY:
    """One closed outline; bridges run along rows and columns, where both ways cross the same pixels exactly."""
    start, outline = outer[:1], [outer]
    for hole in holes:
        bend = np.column_stack([hole[:1, 0], start[:, 1]])
        outline += [start, bend, hole, hole[:1], bend, start]
    return np.concatenate(outline)
