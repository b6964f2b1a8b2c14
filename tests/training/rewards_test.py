"""Rewards of proposals: what cannot be gamed, what order does not change, and what only rises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.grammar import write
from getok_core.vocabulary import END_ANSWER, END_THINK
from tests.training.rewarded_examples import (
    AREA,
    BOX,
    FORM,
    LINE,
    LINE_XY,
    MASK,
    RIGHT,
    TRUTH,
    VOCABULARY,
    best,
    boxed,
    earned,
    hacks,
)
from training.rewards import PROPOSING, REFINING, Proposal, Said, Truth, proposal_reward, read
from training.rewards.matching import match, similarity
from training.rewards.overlaps import closeness, hit_ratio, line_overlap, overlap
from training.rewards.points import critical_points, quality, saturation, spread
from training.rewards.proposing import graded

BOTTOM = 0.12
"""share of the best total that counts as the bottom"""


@pytest.mark.parametrize("kind", list(TRUTH))
def test_a_hack_scores_at_the_bottom(kind: str) -> None:
    top = best(kind)
    scores = {name: earned(kind, ids) / top for name, ids in hacks(kind).items()}
    assert max(scores.values()) < BOTTOM, scores


@pytest.mark.parametrize("kind", list(TRUTH))
def test_the_right_answer_nearly_earns_everything(kind: str) -> None:
    said = read([*write(RIGHT[kind], VOCABULARY), END_ANSWER], VOCABULARY, FORM[kind], 32)
    assert said.formed and said.distinct == 1.0 and said.lines == 1
    assert best(kind) > 0.55 * (5.0 + (kind != "box") + (kind in ("box", "seg")))


@pytest.mark.parametrize("kind", list(TRUTH))
def test_none_is_right_when_there_is_no_target(kind: str) -> None:
    none = earned(kind, [*VOCABULARY.encode_text("none"), END_ANSWER], [])
    assert none >= best(kind) - 1e-9
    for name, ids in hacks(kind).items():
        if name not in ("none", "empty"):
            assert earned(kind, ids, []) < none - 0.9, name


@pytest.mark.parametrize("kind", list(TRUTH))
def test_saying_more_around_the_right_answer_never_pays(kind: str) -> None:
    """What hides instances from the count, or repeats them, earns less than the answer alone."""
    right, newline = write(RIGHT[kind], VOCABULARY), VOCABULARY.newline
    none = VOCABULARY.encode_text("none")
    around = {
        "none first": [*none, newline, *right, END_ANSWER],
        "none last": [*right, newline, *none, END_ANSWER],
        "after the end": [END_ANSWER, *right, END_ANSWER],
        "before the end of thinking": [*right, END_THINK, *none, END_ANSWER],
        "twice": [*right, newline, *right, END_ANSWER],
        "never closed": [*right],
    }
    for name, ids in around.items():
        assert earned(kind, ids) < 0.9 * best(kind), name


def test_points_outside_the_image_hit_nothing() -> None:
    outside = np.array([[-5.0, 400.0], [900.0, 400.0], [300.0, -1.0], [300.0, 841.0]])
    for truth in (MASK, BOX, LINE, AREA):
        assert hit_ratio(Said("car", truth.kind, None, outside), truth) == 0.0
    away = Said("car", "seg", np.array([900.0, 900.0, 990.0, 990.0]), outside)
    assert proposal_reward(Proposal((away,), 1, True, 1.0, "seg"), [MASK]).total(PROPOSING) == 0.0


def test_an_inverted_box_has_no_overlap_and_no_closeness() -> None:
    (said,) = (Said("car", "box", None, np.zeros((0, 2))),)
    assert overlap(said, BOX) == closeness(said, BOX) == 0.0
    assert match([said], [BOX]) == []


# -- order, and what only rises ------------------------------------------------------------------------------------

side = st.floats(20, 200)
place = st.floats(0, 600)


@st.composite
def boxes(draw: st.DrawFn, most: int = 5) -> list[np.ndarray]:
    found = draw(st.lists(st.tuples(place, place, side, side), min_size=1, max_size=most, unique=True))
    return [np.array([x, y, x + w, y + h]) for x, y, w, h in found]


@given(boxes(), boxes(), st.randoms())
def test_permuting_instances_changes_nothing(said: list, true: list, random) -> None:
    saids = [Said("car", "box", box, np.zeros((0, 2))) for box in said]
    truths = [Truth("car", "box", box) for box in true]
    one = proposal_reward(Proposal(tuple(saids), len(saids), True, 1.0), truths)
    random.shuffle(saids)
    random.shuffle(truths)
    other = proposal_reward(Proposal(tuple(saids), len(saids), True, 1.0), truths)
    assert one.components == pytest.approx(other.components) and one.reached == pytest.approx(other.reached)


@given(st.integers(1, 12), st.data())
def test_points_reward_rises_with_the_hit_ratio(m: int, data: st.DataObject) -> None:
    # Number and spread fixed: the same pattern is slid out of the mask, sideways.
    pattern = np.stack([np.full(m, 300.0), np.linspace(430, 570, m)], 1)
    inside = data.draw(st.lists(st.booleans(), min_size=m, max_size=m))
    more = [a or b for a, b in zip(inside, data.draw(st.lists(st.booleans(), min_size=m, max_size=m)), strict=True)]

    def worth(kept: list[bool]) -> float:
        hit = sum(kept) / m
        return saturation(m) * (0.6 * hit + 0.4 * spread(pattern, MASK)) - 0.02 * m

    assert worth(more) >= worth(inside)
    whole, gone = (Said("car", "seg", None, pattern + np.array([shift, 0.0])) for shift in (0.0, 400.0))
    assert quality(whole, MASK) == pytest.approx(worth([True] * m))
    assert quality(gone, MASK) == pytest.approx(worth([False] * m))


@given(st.floats(0, 1), st.floats(0, 1))
def test_graded_mask_reward_is_monotone_and_ends_at_two(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert graded(low) <= graded(high) and graded(0.0) == 0.0 and graded(1.0) == 2.0


@given(st.floats(0, 60), st.floats(0, 60))
def test_a_box_farther_away_earns_less(one: float, other: float) -> None:
    near, far = sorted([one, other])
    rewards = [
        proposal_reward(Proposal((Said("car", "box", BOX.box + away, np.zeros((0, 2))),), 1, True, 1.0), [BOX])
        for away in (near, far)
    ]
    for name in ("mask", "box"):
        assert rewards[0].components[name] >= rewards[1].components[name] - 1e-9
    assert rewards[0].total(PROPOSING) >= rewards[1].total(PROPOSING) - 1e-9


@given(st.floats(0, 40), st.floats(0, 40))
def test_a_line_farther_away_earns_less(one: float, other: float) -> None:
    near, far = sorted([one, other])
    assert (
        line_overlap(LINE_XY + np.array([near, 0.0]), LINE_XY)
        >= line_overlap(LINE_XY + np.array([far, 0.0]), LINE_XY) - 1e-9
    )


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(0, 6))
def test_extra_instances_never_help(good: int, extra: int) -> None:
    truths = [boxed(100 * k, 100, 100 * k + 80, 200) for k in range(good)]
    saids = [Said("car", "box", truth.box, np.zeros((0, 2))) for truth in truths]
    more = [Said("car", "box", np.array([50.0 + k, 600, 90 + k, 640]), np.zeros((0, 2))) for k in range(extra)]
    whole = proposal_reward(Proposal(tuple(saids), good, True, 1.0), truths).total(PROPOSING)
    assert proposal_reward(Proposal((*saids, *more), good + extra, True, 1.0), truths).total(PROPOSING) <= whole + 1e-9


def test_a_matching_is_the_best_sum_and_leaves_strangers_alone() -> None:
    saids = [Said("car", "box", box, np.zeros((0, 2))) for box in (BOX.box + 10, BOX.box, BOX.box + 500)]
    truths = [BOX, replace(BOX, box=BOX.box + 12)]
    assert match(saids, truths) == [(0, 1), (1, 0)]
    assert similarity(saids[1], truths[0]) == pytest.approx(2.0)  # IoU and closeness; a box has no points to hit


def test_nothing_predicted() -> None:
    assert critical_points([], [], [], 0) == 1.0
    assert critical_points([], [MASK], [], 0) == 0.0


def test_the_picture_names_every_component(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from training.rewards.__main__ import main
    from training.rewards.picture import SAYS

    assert set(PROPOSING) | set(REFINING) == set(SAYS)
    assert main(["--picture", str(tmp_path / "rewards.png")]) == 0 and (tmp_path / "rewards.png").stat().st_size > 1000
    assert main(["--picture", str(tmp_path / "no" / "rewards.png")]) == 2
    assert capsys.readouterr().err.startswith("getok: cannot write")
