"""One rule for a box's corners: on the device for many, as appendix C.2 writes it for one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing: install the training extra")

import torch

from getok_core.lattice import Lattice
from getok_core.queries import STANDING, standard_vocabulary
from getok_core.vocabulary import DELETE, GRID_START, OFFSET_START, OPEN
from training.corner_tokens import corner_tokens
from training.offset_targets import corner_targets
from training.pool import Pool
from training.proposals import with_own_proposals
from training.segments import ROUNDS, list_segment, own_draft_segment
from training.targets import Target, sayable

RNG = np.random.default_rng(0)


def boxes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Goals (count, 2, 2) of many sizes in a lattice of 32, and cells' centres near them, some of them far away."""
    low = RNG.uniform(0, 28, (count, 1, 2))
    sides = RNG.choice([0.1, 0.5, 1.5, 4.0], (count, 1, 1)) * RNG.uniform(0.5, 1, (count, 1, 2))
    goal = np.concatenate([low, low + sides], axis=1)
    proposed = goal + RNG.normal(0, 1, (count, 2, 2)) * RNG.choice([0.1, 0.5, 1.0, 3.0], (count, 1, 1))
    return np.floor(np.sort(proposed, axis=1)) + 0.5, goal


def test_the_device_says_what_the_rule_says():
    uv, goal = boxes(600)
    expected = np.stack([corner_targets(one, box, 1, ROUNDS) for one, box in zip(uv, goal, strict=True)])
    assert (corner_tokens(torch.from_numpy(uv), torch.from_numpy(goal)).numpy() == expected).all()
    deleted = (expected == DELETE).all(1)
    assert 0.1 < deleted.mean() < 0.9 and ((expected == DELETE).any(1) == deleted).all(), "both corners or none"
    assert len(np.unique(expected[~deleted])) == 9


def test_no_box_is_no_work():
    assert corner_tokens(torch.zeros(0, 2, 2), torch.zeros(0, 2, 2)).shape == (0, 2)


@pytest.fixture
def batch():
    """One pack: a box that belongs at (5.2, 5.4) to (6.6, 7.9), then a point; all are named a cell to the right."""
    from tests.training.pool_test import block_of

    pool, one = Pool(1, torch.device("cpu")), block_of(0, 1)
    named = [5 * 32 + 5, 7 * 32 + 6, 9 * 32 + 9]
    ids, nothing = torch.full_like(one.ids, OPEN["pt"]), torch.full_like(one.ids, -1)
    ids[..., 0], ids[..., 1], ids[..., 2], ids[..., 4] = OPEN["box"], *(GRID_START + cell for cell in named)
    links, aims = nothing.clone(), torch.full((*one.ids.shape, 4), float("nan"))
    for place, aim in ((1, (5.2, 5.4)), (2, (6.6, 7.9)), (4, (9.9, 9.9))):
        links[..., place], aims[..., place, :] = place, torch.tensor([*aim, 0.0, 0.0])
    pool.add(one._replace(ids=ids, targets=nothing, links=links, aims=aims))
    said = nothing[:1, 0].clone()
    said[0, 1], said[0, 2], said[0, 4] = (cell + 1 for cell in named)
    return pool.draw(1)._replace(said=said)


def test_own_boxes_follow_the_box_s_rule_and_points_their_own(batch):
    own = with_own_proposals(batch, 32, torch.tensor([True]))
    expected = corner_targets(np.array([[6.5, 5.5], [7.5, 7.5]]), np.array([[5.2, 5.4], [6.6, 7.9]]), 1, ROUNDS)
    assert own.targets[0, [1, 2]].tolist() == expected.tolist() and DELETE not in expected
    # From the centre (10.5, 9.5) of the named cell to (9.9, 9.9): left, and down.
    assert own.targets[0, 4] == OFFSET_START + 6
    assert (own.targets[0, [0, 3, 5]] == -1).all()


def test_a_corner_that_stays_is_judged_with_the_one_that_was_named(batch):
    said = batch.said.clone()
    said[0, 2] = 31 * 32 + 31  # too far from the truth: the true cell stays
    own = with_own_proposals(batch._replace(said=said), 32, torch.tensor([True]))
    expected = corner_targets(np.array([[6.5, 5.5], [6.5, 7.5]]), np.array([[5.2, 5.4], [6.6, 7.9]]), 1, ROUNDS)
    assert own.targets[0, [1, 2]].tolist() == expected.tolist()
    same = with_own_proposals(batch, 32, torch.tensor([False]))
    assert (same.targets == batch.targets).all() and (same.ids == batch.ids).all()


def test_a_draft_of_the_true_boxes_follows_the_same_rule():
    _, goal = boxes(40)
    frame = SimpleNamespace(size=(512, 256))
    targets = sayable([Target("car", "box", one, 32) for one in np.clip(goal, 0, 31.99)])
    lattice, vocabulary = Lattice(32), standard_vocabulary()
    query = STANDING[2]
    whole = list_segment(query, targets, frame, lattice, vocabulary)
    own = own_draft_segment(whole, query, targets, frame, lattice, vocabulary)
    uv = [np.floor(target.uv) + 0.5 for target in targets]
    expected = [corner_targets(cells, target.uv, 1, ROUNDS) for cells, target in zip(uv, targets, strict=True)]
    assert own.targets[own.targets >= 0].tolist() == np.concatenate(expected).tolist()
