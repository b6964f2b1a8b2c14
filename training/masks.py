"""Seed points of a mask: a cheap deterministic rule for the training feed; the greedy cover is getok_core.cover."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def extent(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Left, top, right, bottom (4,) in pixels of a mask (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def seeds_of(mask: NDArray[np.bool_], n: int = 32, most: int = 3, share: float = 0.35) -> NDArray[np.int64]:
    """Mask (H, W) -> cells (K, 2) of its deepest points, deepest first, each far from those before it (ours).

    A seed's cell centre lies inside the mask where any does; further seeds are taken while they are at least `share` as
    deep as the first and lie farther from it than its own depth. Empty for an empty mask.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros((0, 2), np.int64)
    height, width = mask.shape
    top, left = rows[0], columns[0]
    window = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8), 1)
    depth = cv2.distanceTransform(window, cv2.DIST_L2, 3)[1:-1, 1:-1]
    i = np.unique((np.arange(left, columns[-1] + 1) * n) // width)
    j = np.unique((np.arange(top, rows[-1] + 1) * n) // height)
    x, y = ((i + 0.5) * width / n).astype(int), ((j + 0.5) * height / n).astype(int)
    inside = ((y >= top) & (y <= rows[-1]))[:, None] & ((x >= left) & (x <= columns[-1]))[None, :]
    at_centres = np.where(
        inside, depth[np.clip(y - top, 0, len(depth) - 1)][:, np.clip(x - left, 0, depth.shape[1] - 1)], 0
    )
    if not at_centres.any():  # thinner than a cell: the cell of its deepest pixel
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        return np.array([[(column + left) * n // width, (row + top) * n // height]], np.int64)
    seeds: list[tuple[int, int]] = []
    first = float(at_centres.max())
    while len(seeds) < most and (deepest := float(at_centres.max())) >= share * first and deepest > 0:
        row, column = np.unravel_index(int(at_centres.argmax()), at_centres.shape)
        seeds.append((int(i[column]), int(j[row])))
        near = np.hypot(x[None, :] - x[column], y[:, None] - y[row]) <= max(2.5 * deepest, width / n)
        at_centres = np.where(near, 0, at_centres)
    return np.array(seeds, np.int64)
