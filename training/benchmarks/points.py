"""Points against masks or boxes: F1 over a set, and HumanRef's way of averaging.

F1          hits of all samples over points drawn and things meant: paired one to one so that most are hit.
per sample  HumanRef's: a sample's precision and recall are averaged over samples first. A sample in which nothing is
            meant counts as right when nothing is drawn and is left out of the averages, as HumanRef's rejections are.

A point hits a thing on whose pixels it lies; without a mask, inside whose box. HumanRef (IDEA-Research/RexSeek at
f5c1169) takes the first point for each mask in turn, which can miss a pairing: there ours may be higher, never lower.
Its points are centre-based and rounded; ours are corner-based and cut off, which is the same pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.metrics.areas import Area
from getok_core.metrics.assignment import best_pairs
from getok_core.metrics.tally import Part

F1, PRECISION, RECALL = "pointing: F1", "pointing: precision, per sample", "pointing: recall, per sample"
SILENT = "pointing: nothing meant, nothing drawn"


def inside(points: Sequence[XY], area: Area) -> NDArray[np.bool_]:
    """(P,) whether each of points (1, 2) lies on a pixel of the area (H, W)."""
    height, width = area.shape
    at = np.floor(np.asarray(points, np.float64).reshape(-1, 2)).astype(np.int64)
    seen = ((at >= 0) & (at < (width, height))).all(1)
    clipped = np.clip(at, 0, (width - 1, height - 1))
    return seen & area[clipped[:, 1], clipped[:, 0]]


def pointing_parts(areas: Sequence[Area], points: Sequence[XY]) -> dict[str, Part]:
    """What one sample adds: areas (H, W) of the things meant, points (1, 2) drawn."""
    if not areas:
        return {SILENT: (float(not points), 1.0), F1: (0.0, float(len(points)))}
    hits = np.asarray([inside(points, area) for area in areas], np.float64).reshape(len(areas), len(points))
    found = sum(hits[pair] > 0 for pair in best_pairs(hits))
    return {
        F1: (2.0 * found, float(len(areas) + len(points))),
        PRECISION: (found / len(points) if points else 0.0, 1.0),
        RECALL: (found / len(areas), 1.0),
    }
