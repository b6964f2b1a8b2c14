"""Where proposed seeds come from: pools of cells around a mask (equations 2-5), and which of them are drawn.

The paper builds them once, at half a cell; here a pool belongs to a lattice of n x n cells. Morphology looks at whole
pixels and at the vertical step alone, as the paper has it. Ours, where the paper is silent:
- equation 2: k_e is even at the paper's own size (840 / 64 = 13.1 -> 14); the kernel's anchor is k // 2, so an even one
  reaches a pixel further up and left than down and right. Beyond the border a mask goes on as it was: an object cut by
  the image is not eroded there.
- equation 3: the gradient is that of a 3 x 3 kernel, and b = 2 floor(s_y / 4) + 1, about half a step.
- equation 5: a cell inside the mask but outside E is Far although its offset is zero, so a thing thinner than a step
  has no Inside at all. The rule is kept, but such a cell is drawn as if it were Inside; targets come from the mask.
- pi_K is uniform over 1..MOST, but for one more than there are cells that are not Far; SHARES say how likely each pool
  is while it still has cells.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.lattice import Lattice, Size
from getok_core.refine import hit

Mask = NDArray[np.bool_]
HARD, INSIDE, RING, FAR = range(4)
"""pools, in the order in which the rule asks"""
SHARES = (0.10, 0.45, 0.35, 0.10)
"""how likely a cell comes from each pool: Inside and Ring are preferred, none is left out"""
MOST = 12
"""most seeds of one mask, as many as an answer may write"""


class Bands(NamedTuple):
    """(H, W) each: what lies a step inside the mask, what lies up to a step around it, and the ribbon on its edge."""

    eroded: Mask
    dilated: Mask
    boundary: Mask


def bands(mask: Mask, step_px: float) -> Bands:
    """Equations 2 and 3: mask (H, W) and vertical step s_y in pixels -> E, D and B."""
    step = int(step_px)
    inked = mask.astype(np.uint8)
    gradient = cv2.morphologyEx(inked, cv2.MORPH_GRADIENT, _square(3))
    return Bands(
        cv2.erode(inked, _square(step + 1)).astype(np.bool_),
        cv2.dilate(inked, _square(2 * step + 1)).astype(np.bool_),
        cv2.dilate(gradient, _square(2 * int(step_px / 4) + 1)).astype(np.bool_),
    )


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def centres(n: int, size: Size) -> NDArray[np.float64]:
    """Centres (n * n, 2) of all cells in pixels of an image of size (width, height), row by row."""
    ij = np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2)
    return Lattice(n).decode(ij, size)


def pools_of(mask: Mask, n: int) -> NDArray[np.int64]:
    """Equation 5: mask (H, W) -> (n, n) pool of each cell, row by row: HARD, INSIDE, RING or FAR."""
    height, width = mask.shape
    step = (width / (2 * n), height / (2 * n))
    xy = centres(n, (width, height))
    x, y = xy.astype(np.int64).T
    eroded, dilated, boundary = bands(mask, step[1])
    outside = ~mask[y, x]
    rules = [boundary[y, x] & outside & ~hit(mask, xy, step), eroded[y, x], dilated[y, x] & outside]
    return np.select(rules, [HARD, INSIDE, RING], FAR).reshape(n, n)


def draw_cells(mask: Mask, n: int, rng: np.random.Generator, most: int = MOST) -> NDArray[np.int64]:
    """K ~ pi_K different cells around a mask (H, W) -> (K, 2) as column, row, in the order they were drawn."""
    x, y = centres(n, (mask.shape[1], mask.shape[0])).astype(np.int64).T
    pools = pools_of(mask, n).reshape(-1)
    pools[(pools == FAR) & mask[y, x]] = INSIDE
    counts = np.bincount(pools, minlength=len(SHARES))
    weight = (np.asarray(SHARES) / np.maximum(counts, 1))[pools]
    count = min(int(rng.integers(1, most + 1)), 1 + int(counts[:FAR].sum()))
    drawn = rng.choice(n * n, count, replace=False, p=weight / weight.sum())
    return np.stack([drawn % n, drawn // n], axis=1)
