"""Rewards of refinements: equation 13, what deleting earns and where, what offsets cannot game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.grammar import write
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part
from getok_core.vocabulary import DELETE, offset_ids
from tests.training.rewarded_examples import BOX, CELL, MASK, RIGHT, STAY, TRUTH, VOCABULARY, boxed, rectangle
from training.rewards import REFINING, Coarse, Reward, Truth, refinement_reward
from training.rewards.refining import gain


def coarse_of(kind: str, shift: Sequence[int] = (0, 0), truths: Sequence[Truth] | None = None) -> Coarse:
    """A draft of the right answer, moved by so many cells."""
    instances = tuple(
        replace(one, parts=tuple(replace(part, ij=np.clip(part.ij + np.array(shift), 0, 31)) for part in one.parts))
        for one in RIGHT[kind]
    )
    draft = Draft.of((), tuple(write(instances, VOCABULARY)), instances)
    return Coarse.of(draft, [one.label for one in instances], [TRUTH[kind]] if truths is None else truths, 32)


def refined(coarse: Coarse, ids: Sequence[int] | np.ndarray) -> Reward:
    return refinement_reward(coarse, np.asarray(ids))


@pytest.mark.parametrize("kind", list(TRUTH))
def test_deleting_what_is_within_reach_scores_at_the_bottom(kind: str) -> None:
    coarse = coarse_of(kind)
    right, gone = refined(coarse, coarse.targets), refined(coarse, [DELETE] * coarse.draft.slots)
    assert coarse.reachable == {0}
    assert gone.total(REFINING) <= 0.0 < right.total(REFINING)


@pytest.mark.parametrize("kind", list(TRUTH))
def test_deleting_everything_is_right_when_nothing_is_within_reach(kind: str) -> None:
    coarse = coarse_of(kind, (12, -14))
    rewards = [refined(coarse, ids).total(REFINING) for ids in
               ([DELETE] * coarse.draft.slots, coarse.targets, [STAY] * coarse.draft.slots)]  # fmt: skip
    assert coarse.reachable == set()
    assert rewards[0] == rewards[1] == pytest.approx(4.0)  # format 1, mask 2, points 1
    assert rewards[2] <= 0.0


@pytest.mark.parametrize("kind", ["box", "pl", "seg"])
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_no_random_offsets_beat_those_of_algorithm_1_by_much(kind: str, seed: int) -> None:
    coarse = coarse_of(kind)
    said = np.random.default_rng(seed).integers(DELETE, DELETE + 10, coarse.draft.slots)
    assert refined(coarse, said).total(REFINING) <= refined(coarse, coarse.targets).total(REFINING) + 0.25


@pytest.mark.parametrize("kind", list(TRUTH))
@pytest.mark.parametrize("shift", [(0, 0), (1, 0)])
def test_a_proposal_copied_unchanged_gains_nothing(kind: str, shift: tuple[int, int]) -> None:
    coarse = coarse_of(kind, shift)
    copied, right = refined(coarse, [STAY] * coarse.draft.slots), refined(coarse, coarse.targets)
    assert all(value == 0.0 for name, value in copied.components.items() if name.endswith("gain"))
    assert copied.total(REFINING) <= right.total(REFINING) + 0.1


def test_a_box_that_offsets_invert_or_empty_scores_at_the_bottom() -> None:
    out, back = (int(offset_ids(np.array([k, k]))) for k in (1, -1))
    for corners in ([[8, 16], [8, 16]], [[8, 16], [9, 17]]):
        instance = Instance("car", (Part("box", np.array(corners)),))
        draft = Draft.of((), tuple(write([instance], VOCABULARY)), (instance,))
        coarse = Coarse.of(draft, ["car"], [boxed(8 * CELL, 16 * CELL, 9 * CELL, 17 * CELL)], 32)
        assert coarse.reachable == {0} and refined(coarse, coarse.targets).total(REFINING) > 3.9
        assert refined(coarse, [out, back]).total(REFINING) < 0.0


def test_equation_13() -> None:
    """Seeds: one leaves, one enters, one stays inside, one is rightly deleted, one wrongly, one stays outside."""
    cells = np.array([[8, 17], [14, 18], [10, 18], [26, 3], [14, 19], [7, 20]])
    mask = replace(MASK, mask=rectangle(boxed(216, 420, 370, 580)))
    instance = Instance("car", (Part("seg", cells),))
    draft = Draft.of((), tuple(write([instance], VOCABULARY)), (instance,))
    coarse = Coarse.of(draft, ["car"], [mask], 32)
    left = int(offset_ids(np.array([-1, 0])))
    said = np.array([left, left, STAY, DELETE, DELETE, STAY])
    assert refined(coarse, said).components["points"] == pytest.approx((-1 + 1 + 1 + 1 + 0 + 0) / 6)


def test_gains_are_of_what_was_missing_or_there() -> None:
    assert gain(0.5, 0.75) == gain(0.0, 0.5) == 0.5
    assert gain(0.8, 0.4) == -0.5 and gain(0.3, 0.0) == -1.0 and gain(0.0, 0.0) == gain(1.0, 1.0) == 0.0


@pytest.mark.parametrize(("kept", "better"), [(0, True), (1, False)])
def test_deleting_pays_where_it_raises_f1_and_not_elsewhere(kept: int, better: bool) -> None:
    """Two boxes are drawn, one right and one false: to drop the false one pays, to drop the right one does not."""
    false = Instance("car", (Part("box", np.array([[25, 2], [28, 4]])),))
    instances = (*RIGHT["box"], false)
    draft = Draft.of((), tuple(write(instances, VOCABULARY)), instances)
    coarse = Coarse.of(draft, ["car", "car"], [BOX], 32)
    stay = np.full(4, STAY)
    gone = stay.copy()
    gone[2:] = DELETE if kept == 0 else STAY
    gone[:2] = DELETE if kept == 1 else STAY
    assert (refined(coarse, gone).total(REFINING) > refined(coarse, stay).total(REFINING)) == better
