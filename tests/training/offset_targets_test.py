"""Algorithm 1 over rounds: seeds end inside, boxes never get worse, and nothing within reach is deleted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tests.core.strategies  # noqa: F401, the hypothesis profile
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part
from getok_core.vocabulary import DELETE, offset_ids, offset_of
from training.offset_pools import MOST
from training.offset_targets import (
    THRESHOLD,
    corner_targets,
    draft_targets,
    propose_corners,
    propose_seeds,
    seed_targets,
)

N = 16
ZERO = int(offset_ids(np.array([0, 0])))
rounds = st.integers(1, 3)


def moved(uv: np.ndarray, ids: np.ndarray, step: int) -> np.ndarray:
    return uv + offset_of(ids) * 2.0**-step


# -- seeds ---------------------------------------------------------------------------------------------------------


def square() -> np.ndarray:
    """64 x 64 pixels, 4 a cell; the mask covers cells 4..7 each way."""
    mask = np.zeros((64, 64), bool)
    mask[16:32, 16:32] = True
    return mask


def test_seeds_by_hand():
    seeds = np.array([[5, 5], [3, 5], [3, 3], [8, 6], [2, 5]]) + 0.5
    ids = seed_targets(square(), seeds, N)
    assert offset_of(ids[:3]).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert ids[3:].tolist() == [DELETE, DELETE], "half a cell is two pixels: 34 - 2 is the first pixel outside"
    ids = seed_targets(square(), seeds, N, 1, 2)
    assert offset_of(ids[3:4]).tolist() == [[-1, 0]], "two rounds reach three quarters of a cell"
    assert ids[4] == DELETE


def test_of_several_offsets_that_hit_the_deepest_is_picked():
    mask = np.zeros((64, 64), bool)
    mask[8:14, 4:40] = True  # above the seed at pixel (14, 14): straight up and both diagonals land at the same depth
    assert offset_of(seed_targets(mask, np.array([[3.5, 3.5]]), N)).tolist() == [[0, -1]], "the nearest of the deepest"
    mask[:, :14] = False  # the left end is now near: up and to the right lies deeper
    assert offset_of(seed_targets(mask, np.array([[3.5, 3.5]]), N)).tolist() == [[1, -1]]


def sums(step: int, count: int) -> set[tuple[float, float]]:
    """All places that `count` offsets can reach, by trying them."""
    at = {(0.0, 0.0)}
    for k in range(step, step + count):
        at = {(x + du * 2.0**-k, y + dv * 2.0**-k) for x, y in at for du in (-1, 0, 1) for dv in (-1, 0, 1)}
    return at


def lies_in(mask: np.ndarray, uv: np.ndarray) -> bool:
    x, y = np.floor(uv * mask.shape[1] / N).astype(int), np.floor(uv * mask.shape[0] / N).astype(int)
    inside = 0 <= uv[0] < N and 0 <= uv[1] < N
    return bool(inside and mask[y[1], x[0]])


blobs = st.integers(0, 2**31).map(
    lambda seed: np.kron(np.random.default_rng(seed).random((12, 12)) < 0.15, np.ones((5, 5))).astype(bool)
)
places = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 63)), min_size=1, max_size=6).map(
    lambda at: np.array(at) / 4 + 0.125
)


@given(blobs, places, st.integers(0, 2), rounds)
def test_a_seed_ends_inside_or_is_deleted_because_nothing_within_reach_lies_inside(mask, uv, step, left):
    ids = seed_targets(mask, uv, N, step, left)
    for at, token in zip(uv, ids, strict=True):
        reachable = [lies_in(mask, at + np.array(move)) for move in sums(step, left)]
        assert (token == DELETE) == (not any(reachable))
        if lies_in(mask, at):
            assert token == ZERO, "an inside point always gets the zero offset"
    kept = uv[ids != DELETE]
    for done in range(left):
        ids = seed_targets(mask, kept, N, step + done, left - done)
        assert (ids != DELETE).all(), "never deleted because the step halved"
        kept = moved(kept, ids, step + done)
    assert all(lies_in(mask, at) for at in kept)


@given(blobs, st.integers(0, 2**31), rounds)
def test_proposed_seeds_are_different_cells_with_their_targets(mask, seed, left):
    ij, ids = propose_seeds(mask, N, np.random.default_rng(seed), left)
    assert 1 <= len(ij) <= MOST and len({tuple(cell) for cell in ij.tolist()}) == len(ij)
    assert ids.tolist() == seed_targets(mask, ij + 0.5, N, 1, left).tolist()


# -- boxes ---------------------------------------------------------------------------------------------------------


def iou(box: np.ndarray, goal: np.ndarray, least: float) -> float:
    """As decoding has it: inverted is nothing, a side without length is `least` long."""
    low, high = box[0].copy(), box[1].copy()
    if (high < low).any():
        return 0.0
    for axis in (0, 1):
        if low[axis] == high[axis]:
            low[axis], high[axis] = low[axis] - least / 2, high[axis] + least / 2
    both = np.maximum(np.minimum(high, goal[1]) - np.maximum(low, goal[0]), 0).prod()
    return float(both / ((high - low).prod() + (goal[1] - goal[0]).prod() - both))


def best_of(uv: np.ndarray, goal: np.ndarray, step: int, left: int) -> float:
    """Best IoU over all that `left` rounds can say, by trying all."""
    spots = np.array(sorted(sums(step, left)))
    least = 2.0 ** -(step + left - 1)
    return max(iou(np.stack([uv[0] + a, uv[1] + b]), goal, least) for a, b in product(spots, spots))


side = st.floats(0.3, 6)
boxes = st.tuples(st.floats(1, 9), st.floats(1, 9), side, side).map(
    lambda b: np.array([[b[0], b[1]], [b[0] + b[2], b[1] + b[3]]])
)
jitters = st.tuples(*[st.floats(-1.2, 1.2)] * 4).map(lambda j: np.array(j).reshape(2, 2))


@given(boxes, jitters, rounds)
def test_targets_never_lower_box_iou_in_any_round(goal, jitter, left):
    uv = np.sort(np.floor(goal + jitter), axis=0) + 0.5
    now = iou(uv, goal, 1.0)
    for done in range(left):
        ids = corner_targets(uv, goal, 1 + done, left - done)
        if DELETE in ids:
            assert (ids == DELETE).all() and done == 0, "both corners or none, and never because the step halved"
            return
        uv = moved(uv, ids, 1 + done)
        before, now = now, iou(uv, goal, 2.0 ** -(1 + done))
        assert now >= before - 1e-6


@given(boxes, jitters)
def test_one_round_is_the_best_of_all_81_pairs_or_deletes_below_the_threshold(goal, jitter):
    uv = np.sort(np.floor(goal + jitter), axis=0) + 0.5
    best, possible = best_of(uv, goal, 1, 1), best_of(np.floor(goal) + 0.5, goal, 1, 1)
    assume(abs(best - THRESHOLD * possible) > 1e-6)
    ids = corner_targets(uv, goal)
    assert (DELETE in ids) == (best < THRESHOLD * possible)
    if DELETE not in ids:
        assert iou(moved(uv, ids, 1), goal, 0.5) == pytest.approx(best, abs=1e-4)


@given(boxes, st.integers(1, 4))
def test_a_box_on_its_own_cells_is_kept_and_ends_as_well_as_its_canonical_code(goal, left):
    uv = np.floor(goal) + 0.5
    for done in range(left):
        ids = corner_targets(uv, goal, 1 + done, left - done)
        assert DELETE not in ids, "however small it is"
        uv = moved(uv, ids, 1 + done)
    assert (np.abs(uv - goal) <= 2.0**-left + 1e-6).all(), "at most a step from each side, where IoU prefers that"


def test_corners_by_hand():
    goal = np.array([[2.0, 2.0], [6.0, 5.0]])
    cells = np.array([[2, 1], [5, 5]]) + 0.5  # (2.5, 1.5) and (5.5, 5.5)
    ids = corner_targets(cells, goal)
    assert offset_of(ids).tolist() == [[-1, 1], [1, -1]]
    assert corner_targets(cells + 6, goal).tolist() == [DELETE, DELETE]
    assert corner_targets(cells, np.full((2, 2), np.nan)).tolist() == [DELETE, DELETE], "it belongs to nothing"


def test_a_large_box_outlives_a_corner_that_no_round_can_bring_home():
    goal = np.array([[2.0, 2.0], [14.0, 12.0]])
    assert DELETE not in corner_targets(np.array([[4.5, 2.5], [13.5, 11.5]]), goal), "IoU decides, not the corner"


def test_tracking_steps_follow_a_box_that_no_longer_overlaps():
    uv, goal = np.array([[4.5, 4.5], [5.5, 5.5]]), np.array([[7.4, 3.1], [8.5, 4.2]])
    steps = (-1, 0, 1, 2)
    for done, step in enumerate(steps):
        ids = corner_targets(uv, goal, step, len(steps) - done)
        assert DELETE not in ids
        uv = moved(uv, ids, step)
    assert iou(uv, goal, 0.25) > 0.7


def test_proposed_corners_are_in_order_and_sometimes_lost():
    rng, goal = np.random.default_rng(3), np.array([[10.2, 12.1], [13.9, 14.3]])
    made = [propose_corners(goal + rng.uniform(-1, 1, (2, 2)), rng, 32, 3) for _ in range(400)]
    assert all((p.ij[1] >= p.ij[0]).all() and p.ij.min() >= 0 and p.ij.max() < 32 for p in made)
    deleted = np.mean([DELETE in p.ids for p in made])
    assert 0.01 < deleted < 0.2 and len({int(token) for p in made for token in p.ids}) == 10


# -- drafts --------------------------------------------------------------------------------------------------------


def test_a_draft_gives_each_kind_its_own_rule():
    line = np.array([[1.0, 8.0], [4.2, 8.0], [9.0, 8.0]])
    box = np.array([[3.9, 3.9], [8.1, 8.2]])
    instances = (
        Instance("curb", (Part("pl", np.array([[1, 7], [4, 8], [8, 9]])),)),
        Instance("car", (Part("box", np.array([[3, 4], [8, 8]])), Part("seg", np.array([[5, 5], [3, 5], [1, 1]])))),
    )
    draft = Draft.of((), (), instances)
    ids = draft_targets(draft, [line, box], N, 1, [None, square()])
    assert offset_of(ids[:2]).tolist() == [[-1, 1], [-1, -1]]
    assert ids[2] == DELETE, "a cell and a half away from the line's end"
    assert ids[3:5].tolist() == corner_targets(draft.uv(draft.parts[1]), box).tolist()
    assert ids[5:].tolist() == [ZERO, int(offset_ids(np.array([1, 0]))), DELETE]
