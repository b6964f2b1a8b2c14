"""COCO's `segmentation`: flat polygons, or the lengths of runs down the columns, as numbers or packed into text.

Polygons are corner-based and filled by COCO's own rule, so that an area is the one that its benchmarks compare with:
outlines are drawn on a grid five times as fine, and what they enclose an odd number of times counts. Runs begin with
zeros. Packed, each run is 5 bits a character, lowest first, from the fourth on as the difference to the run before the
last. Both agree with pycocotools to the pixel and the character.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Union, cast

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.lattice import Size
from getok_core.metrics.areas import Area

from .fields import LARGEST_PX, as_list, as_numbers

Segmentation = Union[list[list[float]], dict[str, Any]]
"""as JSON holds it: [[x, y, x, y, ..], ..], or {"size": [height, width], "counts": [..] or "packed"}"""
_FIRST, _MORE, _SIGN = 48, 0x20, 0x10
_FINE = 5
"""steps of the grid that outlines are drawn on, a pixel"""


def area_of(said: Any, size: Size) -> Area:
    """A segmentation -> (H, W) bool of an image of size (width, height). Raises ValueError in one line."""
    if isinstance(said, dict):
        return run_lengths(cast("dict[str, Any]", said), size)
    area = np.zeros((size[1], size[0]), np.bool_)
    for ring in rings_of(said):
        area |= enclosed(ring, size)
    return area


def rings_of(said: Any) -> list[XY]:
    """Polygons as JSON holds them -> outlines (N, 2), of three and more vertices each. Raises ValueError."""
    rings: list[XY] = []
    for ring in as_list(said, "a segmentation"):
        numbers = as_numbers(ring, "a polygon")
        if len(numbers) < 6 or len(numbers) % 2:
            raise ValueError(f"a polygon of {len(numbers)} numbers: three and more x, y pairs are needed")
        if max(map(abs, numbers)) > LARGEST_PX:
            raise ValueError(f"a polygon reaches {max(numbers, key=abs):g}: no image is that large")
        rings.append(np.array(numbers).reshape(-1, 2))
    return rings


def enclosed(ring: XY, size: Size) -> Area:
    """Pixels (H, W) that one outline (N, 2) encloses in an image of size (width, height), by COCO's rule."""
    width, height = size
    fine = np.trunc(_FINE * ring + 0.5).astype(np.int64)
    sides = zip(fine.tolist(), np.roll(fine, -1, axis=0).tolist(), strict=True)
    along = np.concatenate([_steps(start, end) for start, end in sides])
    # Where the outline moves on to another column of the fine grid that is the middle of a pixel's, the column changes
    # between inside and outside at the pixel reached there.
    before, after = along[:-1], along[1:]
    column = (np.where(after[:, 0] < before[:, 0], after[:, 0], after[:, 0] - 1) + 0.5) / _FINE - 0.5
    row = np.ceil(np.clip((np.minimum(before[:, 1], after[:, 1]) + 0.5) / _FINE - 0.5, 0, height))
    turns = (after[:, 0] != before[:, 0]) & (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    at = (column[turns] * height + row[turns]).astype(np.int64)
    inside = np.cumsum(np.bincount(at, minlength=width * height + 1))[: width * height] % 2 == 1
    return np.transpose(inside.reshape(width, height))


def _steps(start: list[int], end: list[int]) -> NDArray[np.int64]:
    """Points (N, 2) of the fine grid from one vertex to the next, both included, one a row or column of the longer way.

    The shorter way is rounded as seen from the end with the smaller coordinate: a side is the same in both directions.
    """
    longer = 0 if abs(end[0] - start[0]) >= abs(end[1] - start[1]) else 1
    low, high = sorted((start, end), key=lambda vertex: vertex[longer])
    count = high[longer] - low[longer]
    step = np.arange(count + 1, dtype=np.int64)
    slope = (high[1 - longer] - low[1 - longer]) / max(1, count)
    points = np.empty((count + 1, 2), np.int64)
    points[:, longer] = low[longer] + step
    points[:, 1 - longer] = np.trunc(low[1 - longer] + slope * step + 0.5)
    return points if low is start else points[::-1]


def run_lengths(mask: Mapping[str, Any], size: Size) -> Area:
    """COCO's run lengths, plain or packed -> (H, W) bool. Raises ValueError."""
    counts = mask.get("counts")
    runs = np.asarray(unpacked(counts) if isinstance(counts, str) else counts, np.int64)
    if runs.ndim != 1 or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError(f"its run lengths sum to {runs.sum()}, not to {size[0]} x {size[1]} pixels")
    columns: Area = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size)
    return np.transpose(columns)


def coded(area: Area) -> dict[str, Any]:
    """(H, W) bool -> {"size": [height, width], "counts": packed text}."""
    columns = np.ravel(area, order="F")
    turns: list[int] = (np.flatnonzero(columns[1:] != columns[:-1]) + 1).tolist()
    runs = [end - start for start, end in pairwise([0, *turns, columns.size])]
    first = [0] if columns.size and columns[0] else []
    return {"size": list(area.shape), "counts": packed([*first, *runs])}


def packed(runs: list[int]) -> str:
    """Run lengths as text."""
    text: list[str] = []
    for at, run in enumerate(runs):
        left, more = run - (runs[at - 2] if at > 2 else 0), True
        while more:
            bits, left = left & 0x1F, left >> 5
            more = left != (-1 if bits & _SIGN else 0)
            text.append(chr(bits + (_MORE if more else 0) + _FIRST))
    return "".join(text)


def unpacked(text: str) -> list[int]:
    """The inverse of `packed`. Raises ValueError on what is no such text."""
    runs: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - _FIRST
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"run lengths packed into text hold {letter!r}: copy them unchanged")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & _MORE:
            value -= 1 << shift if bits & _SIGN else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError("run lengths packed into text end within a number: copy them unchanged")
    return runs
