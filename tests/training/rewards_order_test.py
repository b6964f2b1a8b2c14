"""Rewards of every kind of geometry: the order of instances plays no part, and better geometry never earns less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.grammar import write
from getok_core.refine import Draft
from getok_core.vocabulary import DELETE
from tests.training.rewarded_examples import AREA, BOX, CELL, MASK, RIGHT, STAY, TRUTH, VOCABULARY, boxed, rectangle
from training.rewards import PROPOSING, REFINING, Coarse, Proposal, Said, Truth, proposal_reward, refinement_reward
from training.rewards.matching import match, similarity
from training.rewards.overlaps import TAU, closeness, hit_ratio, overlap
from training.rewards.points import LAMBDA, RHO, W_HIT, W_SPREAD, quality
from training.rewards.refining import gain

KINDS = list(TRUTH)
shifts = st.floats(0, 60)
numbers = st.floats(0, 1)


def moved(truth: Truth, x: float, y: float) -> Truth:
    """The same thing elsewhere."""
    away = np.array([x, y])
    line = None if truth.line is None else truth.line + away
    box = truth.box + np.tile(away, 2)
    return replace(truth, line=line, box=box, mask=None if truth.mask is None else rectangle(boxed(*box)))


def said_as(truth: Truth, x: float = 0.0, y: float = 0.0) -> Said:
    """A perfect answer, moved by so many pixels."""
    there = moved(truth, x, y)
    middle = there.box.reshape(2, 2).mean(axis=0)
    points = {"box": np.zeros((0, 2)), "pt": middle[None],
              "seg": middle + CELL * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])}  # fmt: skip
    xy = points[truth.kind] if there.line is None else there.line
    return Said(truth.label, truth.kind, there.box if truth.kind in ("box", "seg") else None, xy, there.mask)


def earned(saids: list[Said], truths: list[Truth]) -> dict[str, float]:
    kind = truths[0].kind
    reward = proposal_reward(Proposal(tuple(saids), len(saids), True, 1.0, kind), truths)
    return {**reward.components, "reached": reward.reached, "total": reward.total(PROPOSING)}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(places=st.lists(st.tuples(st.integers(-8, 8), st.integers(-8, 0)), min_size=1, max_size=4, unique=True),
       random=st.randoms(use_true_random=False), jitter=st.floats(0, 20))  # fmt: skip
def test_the_order_of_instances_plays_no_part(kind: str, places: list, random, jitter: float) -> None:
    truths = [moved(TRUTH[kind], 22.0 * x, 22.0 * y) for x, y in places]
    saids = [said_as(truth, jitter) for truth in truths[:3]]
    before = earned(saids, truths)
    random.shuffle(saids)
    random.shuffle(truths)
    assert earned(saids, truths) == pytest.approx(before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_a_drafts_instances_plays_no_part(kind: str) -> None:
    """Two things, one drawn right and one that belongs to nothing, refined alike in both orders."""
    (right,) = RIGHT[kind]
    other = replace(right, parts=tuple(replace(part, ij=(part.ij + np.array([9, -9])) % 32) for part in right.parts))
    totals = []
    for instances in ((right, other), (other, right)):
        draft = Draft.of((), tuple(write(instances, VOCABULARY)), instances)
        coarse = Coarse.of(draft, [right.label] * 2, [TRUTH[kind]], 32)
        totals.append(refinement_reward(coarse, coarse.targets).total(REFINING))
    assert totals[0] == pytest.approx(totals[1])


@pytest.mark.parametrize("kind", KINDS)
@given(shifts, shifts)
@settings(max_examples=30, deadline=None)
def test_what_lies_farther_away_never_earns_more(kind: str, one: float, other: float) -> None:
    near, far = sorted([one, other])
    truth = TRUTH[kind]
    closer, farther = (earned([said_as(truth, away)], [truth]) for away in (near, far))
    for name in ("mask", "total"):  # a filled outline is drawn in pixels of 2
        assert closer[name] >= farther[name] - (0.1 if kind == "poly" else 1e-6), name
    assert closeness(said_as(truth, near), truth) >= closeness(said_as(truth, far), truth) - 1e-9


@given(numbers, numbers, numbers)
def test_gains_rise_with_what_is_reached_and_fall_with_what_was_there(before: float, one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert -1 <= gain(before, low) <= gain(before, high) <= 1
    assert gain(before, before) == 0 and gain(low, before) >= gain(high, before) - 1e-12


@given(st.integers(0, 4), st.integers(0, 4))
def test_a_truer_mask_earns_more_at_the_same_points(one: int, other: int) -> None:
    """Number, spread, hits and matching are the same; what the decoder makes of the seeds differs."""
    tight, loose = sorted([one, other])
    said = said_as(MASK)
    masks = [rectangle(boxed(*(MASK.box + 20 * grown * np.array([-1, -1, 1, 1])))) for grown in (tight, loose)]
    rewards = [earned([replace(said, mask=mask)], [MASK]) for mask in masks]
    assert rewards[0]["mask"] >= rewards[1]["mask"] and (rewards[0]["mask"] > rewards[1]["mask"]) == (tight != loose)
    assert rewards[0]["points"] == rewards[1]["points"] and rewards[0]["box"] == rewards[1]["box"]


def test_the_constants_are_the_papers() -> None:
    assert (TAU, W_HIT, W_SPREAD, LAMBDA, RHO) == (18.0, 0.6, 0.4, 0.02, 0.30)
    nine = boxed(0, 0, 90, 90)
    grid = np.stack(np.meshgrid([15.0, 45.0, 75.0], [15.0, 45.0, 75.0]), axis=-1).reshape(-1, 2)
    said = Said("car", "seg", nine.box, grid)  # neighbours 30 px apart, more than .30 of 90
    assert quality(said, replace(nine, kind="seg")) == pytest.approx((1 - np.exp(-3)) * 1.0 - 0.18)


def test_equations_6_to_9_match_boxes_and_not_masks() -> None:
    """A mask that belongs to the other thing does not change which box is which."""
    other = moved(MASK, 200, 0)
    said = replace(said_as(MASK), mask=other.mask)
    sim = 1.0 + hit_ratio(said, MASK) + 1.0
    assert similarity(said, MASK) == pytest.approx(sim) and match([said], [other, MASK]) == [(0, 1)]
    boxless = replace(said_as(MASK), box=None)
    assert similarity(boxless, MASK) == pytest.approx(overlap(boxless, MASK) + hit_ratio(boxless, MASK))
    nine_px = Said("car", "box", BOX.box + 9.0, np.zeros((0, 2)))
    assert closeness(nine_px, BOX) == pytest.approx(0.5)  # 1 - (36 / 4) / 18


@pytest.mark.parametrize("away", [(0, -1), (1, -1), (-1, -1)])
def test_what_fits_as_a_whole_is_not_deleted_for_its_vertices(away: tuple[int, int]) -> None:
    """An outline moved by a cell: hardly a vertex can reach its place in one round, and yet most of it is right."""
    (right,) = RIGHT["poly"]
    instance = replace(right, parts=tuple(replace(part, ij=part.ij + np.array(away)) for part in right.parts))
    draft = Draft.of((), tuple(write([instance], VOCABULARY)), (instance,))
    coarse = Coarse.of(draft, [AREA.label], [AREA], 32)
    stay, gone = (refinement_reward(coarse, np.full(draft.slots, said)).total(REFINING) for said in (STAY, DELETE))
    assert coarse.reachable == {0} and stay > 1.0 > gone
