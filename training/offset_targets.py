"""Algorithm 1: what offset, or `<delete>`, each seed of a mask and each corner of a box should get.

The paper's one round of half a cell is `step=1, rounds_left=1`. Ours is the extension to rounds with halved steps:
what one offset must reach there, all offsets of the rounds left together must reach here, so that nothing is deleted
because a step has become short. `<delete>` fires
- for a seed, when nothing that the rounds left can reach lies in the mask;
- for both corners of a box, when no box that the rounds left can reach has an IoU of THRESHOLD times what the lattice
  can express at that step (an absolute threshold would delete all that is smaller than a cell);
- for a vertex of a line, outline or point, in getok_core.refine.offset_targets: when its goal is out of reach.
Positions are in cells (column, row), a goal that is not finite belongs to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.lattice import nearest_offset
from getok_core.refine import Draft, offset_targets, reach
from getok_core.vocabulary import DELETE, OFFSETS, offset_ids

from .offset_pools import MOST, Mask, draw_cells

UV = NDArray[np.float64]
THRESHOLD = 0.5
"""tau of algorithm 1"""
JITTER = (0.15, 0.3, 0.5)
"""standard deviations, in cells, of proposed corners"""
LOST, AWAY = 0.05, (2.0, 5.0)
"""share of boxes proposed elsewhere, and how far away in cells"""
MOVES: UV = np.asarray(OFFSETS, np.float64)
"""(9, 2) the offsets in the order of their ids"""


class Proposed(NamedTuple):
    """A proposal made from the truth, with what refining it should say."""

    ij: NDArray[np.int64]
    """(M, 2) cells"""
    ids: NDArray[np.int64]
    """(M,) target ids: an offset or `<delete>`"""


def draft_targets(
    draft: Draft, goals: Sequence[UV], n: int, rounds_left: int = 1, masks: Sequence[Mask | None] = ()
) -> NDArray[np.int64]:
    """The ids of a draft's round, (slots,).

    For each instance of the proposal, goals: where the vertices (N, 2) of its first tag belong, in cells; masks: the
    pixels (H, W) that its seeds, or its point, belong to. Boxes follow corner_targets, seeds and points of a mask
    seed_targets, all else offset_targets.
    """
    ids = [np.zeros(0, np.int64)]
    for part in draft.parts:
        uv, mask = draft.uv(part), masks[part.instance] if masks else None
        if part.kind in ("seg", "pt") and mask is not None:
            ids.append(seed_targets(mask, uv, n, draft.step, rounds_left))
        elif part.kind == "box":
            ids.append(corner_targets(uv, goals[part.instance], draft.step, rounds_left))
        else:
            ids.append(offset_targets(uv, goals[part.instance][part.vertex], draft.step, rounds_left))
    return np.concatenate(ids)


# -- seeds of a mask -----------------------------------------------------------------------------------------------


def propose_seeds(mask: Mask, n: int, rng: np.random.Generator, rounds_left: int = 1, most: int = MOST) -> Proposed:
    """Seeds drawn from the pools around a mask (H, W), all different, with the targets of their first round."""
    ij = draw_cells(mask, n, rng, most)
    return Proposed(ij, seed_targets(mask, ij + 0.5, n, 1, rounds_left))


def seed_targets(mask: Mask, uv: UV, n: int, step: int = 1, rounds_left: int = 1) -> NDArray[np.int64]:
    """Seeds (M, 2) in cells and a mask (H, W) under n x n cells -> ids (M,).

    A seed inside the mask stays. Another moves towards the deepest point inside that the rounds left can reach; where
    several are as deep, the nearest, then the first in the order of rows (ours: algorithm 1 says "pick").
    """
    height, width = mask.shape
    spots = _within_reach(step, rounds_left)
    scale = np.array([width, height]) / n
    at = np.floor((uv[:, None] + spots) * scale).astype(np.int64)
    x, y = at[..., 0], at[..., 1]
    seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    depth = _depth(mask, np.where(seen, x, 0), np.where(seen, y, 0)) * seen
    # Spots are sorted by distance, so the first of the deepest is the nearest; the first of all is the seed itself.
    best = np.where(depth[:, 0] > 0, 0, depth.argmax(axis=1))
    ids = offset_ids(nearest_offset(spots[best], step))
    return np.where(depth.max(axis=1) > 0, ids, DELETE)


def _within_reach(step: int, rounds_left: int) -> UV:
    """All sums (S, 2), in cells, of an offset a round, nearest first, then row by row: nine of one round, 49 of two."""
    most = 2**rounds_left - 1
    units = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 2), axis=-1).reshape(-1, 2)
    order = np.argsort((units**2).sum(axis=1), kind="stable")
    return units[order] * 2.0 ** -(step + rounds_left - 1)


def _depth(mask: Mask, x: NDArray[np.int64], y: NDArray[np.int64]) -> UV:
    """How far inside the mask pixels lie, 0 outside. Beyond the border of the image nothing lies inside."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(x.shape)
    top, left = rows[0], columns[0]
    window = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8), 1)
    depth = cv2.distanceTransform(window, cv2.DIST_L2, 3)
    high, wide = depth.shape
    return depth[np.clip(y - top + 1, 0, high - 1), np.clip(x - left + 1, 0, wide - 1)].astype(np.float64)


# -- corners of a box ----------------------------------------------------------------------------------------------


def propose_corners(box: UV, rng: np.random.Generator, n: int = 32, rounds_left: int = 1) -> Proposed:
    """A true box (2, 2) in cells, jittered to the cells of two corners, with the targets of its first round."""
    corners = box + rng.normal(0.0, rng.choice(JITTER), (2, 2))
    if rng.random() < LOST:
        angle = rng.uniform(0, 2 * np.pi)
        corners = corners + rng.uniform(*AWAY) * np.array([np.cos(angle), np.sin(angle)])
    ij = np.clip(np.floor(np.sort(corners, axis=0)), 0, n - 1).astype(np.int64)
    return Proposed(ij, corner_targets(ij + 0.5, box, 1, rounds_left))


def corner_targets(uv: UV, goal: UV, step: int = 1, rounds_left: int = 1) -> NDArray[np.int64]:
    """Corners (2, 2) as they are and as they belong, in cells -> ids (2,).

    The best box that the rounds left can say is known; of the 81 pairs of offsets that leave it within reach the one
    with the best IoU is taken now, of equal ones the pair that comes nearest. In the last round that is the best pair.
    """
    if not np.isfinite(goal).all():
        return np.full(2, DELETE)
    best, reached, possible = _best_within(uv, goal, reach(step, rounds_left), 2.0 ** -(step + rounds_left - 1))
    if reached < THRESHOLD * possible:
        return np.full(2, DELETE)
    moved = uv[:, None] + MOVES * 2.0**-step
    ious = _ious(moved[0], moved[1], goal, 2.0**-step)
    within = (np.abs(moved - best[:, None]) <= reach(step + 1, rounds_left - 1) + 1e-9).all(axis=-1)
    away = ((moved - goal[:, None]) ** 2).sum(axis=-1)
    merit = np.where(within[0][:, None] & within[1], ious - 1e-6 * (away[0][:, None] + away[1]), -np.inf)
    return DELETE + 1 + np.array(divmod(int(merit.argmax()), len(OFFSETS)))


def _best_within(uv: UV, goal: UV, far: float, last: float) -> tuple[UV, float, float]:
    """The best box (2, 2) whose corners lie so far from uv at most, in steps of `last`; its IoU; that without a limit.

    IoU rises as a side comes nearer to its goal from either direction, so only the two nearest places matter.
    """
    units = (goal - uv) / last
    nearest = uv + np.stack([np.floor(units), np.ceil(units)]) * last
    reached, possible = (_best_of(places, goal, last) for places in (np.clip(nearest, uv - far, uv + far), nearest))
    return *reached, possible[1]


def _best_of(places: UV, goal: UV, least: float) -> tuple[UV, float]:
    """places (2, 2, 2), two for each corner's x and y -> the box (2, 2) with the best IoU of the sixteen, and that."""
    choose = np.stack(np.meshgrid([0, 1], [0, 1]), axis=-1).reshape(-1, 2)
    first, second = (places[choose, corner, [0, 1]] for corner in (0, 1))
    ious = _ious(first, second, goal, least)
    one, other = divmod(int(ious.argmax()), len(second))
    return np.stack([first[one], second[other]]), float(ious[one, other])


def _ious(first: UV, second: UV, goal: UV, least: float) -> UV:
    """IoU with the goal of every top-left (A, 2) with every bottom-right (B, 2) -> (A, B), 0 of inverted ones.

    A side without length is `least` long, as in decoding.
    """
    low, high = np.broadcast_arrays(first[:, None], second[None])
    pad = np.where(low == high, least / 2, 0.0)
    low, high = low - pad, high + pad
    both = np.maximum(np.minimum(high, goal[1]) - np.maximum(low, goal[0]), 0.0).prod(axis=-1)
    either = (high - low).prod(axis=-1) + (goal[1] - goal[0]).prod() - both
    return np.where((high > low).all(axis=-1), both / np.maximum(either, 1e-12), 0.0)
