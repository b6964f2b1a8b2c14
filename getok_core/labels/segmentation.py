"""COCO's `segmentation`: flat polygons, or the lengths of runs down the columns, as numbers or packed into text.

Polygons are corner-based; a pixel belongs to one when its centre lies inside. Runs begin with zeros. Packed, each run
is 5 bits a character, lowest first, from the fourth on as the difference to the run before the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Union, cast

import numpy as np

from getok_core.geometry import XY
from getok_core.lattice import Size
from getok_core.metrics.areas import Area, union

from .fields import as_list, as_numbers

Segmentation = Union[list[list[float]], dict[str, Any]]
"""as JSON holds it: [[x, y, x, y, ..], ..], or {"size": [height, width], "counts": [..] or "packed"}"""
_FIRST, _MORE, _SIGN = 48, 0x20, 0x10


def area_of(said: Any, size: Size) -> Area:
    """A segmentation -> (H, W) bool of an image of size (width, height). Raises ValueError in one line."""
    if isinstance(said, dict):
        return run_lengths(cast("dict[str, Any]", said), size)
    return union(rings_of(said), size)


def rings_of(said: Any) -> list[XY]:
    """Polygons as JSON holds them -> outlines (N, 2), of three and more vertices each. Raises ValueError."""
    rings: list[XY] = []
    for ring in as_list(said, "a segmentation"):
        numbers = as_numbers(ring, "a polygon")
        if len(numbers) < 6 or len(numbers) % 2:
            raise ValueError(f"a polygon of {len(numbers)} numbers: three and more x, y pairs are needed")
        rings.append(np.array(numbers).reshape(-1, 2))
    return rings


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
