"""Rewards: what cannot be gamed, what order does not change, and what only rises. Pixels of the 840 x 840 square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.geometry import Box, Mask, Seeds
from getok_core.grammar import write
from getok_core.metrics.areas import filled
from getok_core.queries import TASKS, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm, Instance, Part
from getok_core.view import RGB
from getok_core.vocabulary import CLOSE, DELETE, END_ANSWER, OPEN, offset_ids
from training.rewards import (
    PROPOSING,
    REFINING,
    Coarse,
    Proposal,
    Reward,
    Said,
    SeedMasks,
    Truth,
    proposal_reward,
    read,
    refinement_reward,
)
from training.rewards.matching import match, similarity
from training.rewards.overlaps import closeness, hit_ratio, line_overlap, overlap
from training.rewards.points import critical_points, quality, saturation, spread
from training.rewards.proposing import graded

VOCABULARY = standard_vocabulary()
CELL = 840 / 32
STAY = int(offset_ids(np.zeros(2, np.int64)))
BOTTOM = 0.12
"""share of the best total that counts as the bottom"""


def boxed(left: float, top: float, right: float, bottom: float, label: str = "car") -> Truth:
    return Truth(label, "box", np.array([left, top, right, bottom], float))


def rectangle(truth: Truth, side: int = 420) -> np.ndarray:
    corners = truth.box.reshape(2, 2)
    outline = np.array([corners[0], [corners[1, 0], corners[0, 1]], corners[1], [corners[0, 0], corners[1, 1]]])
    return filled(outline * side / 840, (side, side))


class Oracle:
    """A MaskDecoder that knows the one thing of the picture: seeds inside give it, others a small blot."""

    def __init__(self, mask: np.ndarray):
        self.mask = mask

    def masks(self, image: RGB, prompts: Sequence[Seeds | Box]) -> list[Mask]:
        drawn: list[Mask] = []
        for prompt in prompts:
            x, y = np.clip(prompt.xy[0].astype(int), 0, np.array(self.mask.shape[::-1]) - 1)
            blot = np.zeros_like(self.mask)
            blot[max(y - 6, 0) : y + 6, max(x - 6, 0) : x + 6] = True
            drawn.append(Mask(self.mask if self.mask[y, x] else blot))
        return drawn


# -- one task a kind, with its right answer ------------------------------------------------------------------------

BOX = boxed(210, 420, 315, 525)
LINE_XY = np.stack([np.linspace(400, 200, 12), np.linspace(830, 300, 12)], 1)
LINE = Truth("solid white", "pl", np.array([200, 300, 400, 830.0]), LINE_XY)
AREA_XY = np.array([[200, 830], [330, 560], [470, 560], [600, 830.0]])
AREA = Truth("drivable", "poly", np.array([200, 560, 600, 830.0]), AREA_XY)
MASK = replace(boxed(210, 420, 370, 580), kind="seg", mask=rectangle(boxed(210, 420, 370, 580)))
POINT = replace(MASK, kind="pt")
RIGHT = {
    "box": [Instance("car", (Part("box", np.array([[8, 16], [11, 19]])),))],
    "pl": [Instance("solid white", (Part("pl", (LINE_XY / CELL).astype(int)),))],
    "poly": [Instance("drivable", (Part("poly", (AREA_XY / CELL).astype(int)),))],
    "seg": [Instance("car", (Part("box", np.array([[8, 16], [13, 21]])),
                             Part("seg", np.array([[8, 16], [11, 16], [13, 16], [8, 19], [11, 19], [13, 19]]))))],
    "pt": [Instance("car", (Part("pt", np.array([[11, 19]])),))],
}  # fmt: skip
TRUTH = {"box": BOX, "pl": LINE, "poly": AREA, "seg": MASK, "pt": POINT}
FORM = {"box": TASKS["obstacles"].form, "pl": TASKS["lanes"].form, "poly": TASKS["drivable area"].form,
        "seg": replace(TASKS["referred masks"].form, labels=()), "pt": AnswerForm("pt")}  # fmt: skip


def earned(kind: str, ids: Sequence[int], truths: Sequence[Truth] | None = None) -> float:
    """Total of a reply to the task of a kind."""
    proposal = read(ids, VOCABULARY, FORM[kind], 32)
    seen = SeedMasks(Oracle(rectangle(TRUTH[kind])), np.zeros((420, 420, 3), np.uint8))
    proposal = replace(proposal, instances=tuple(seen(proposal.instances)))
    return proposal_reward(proposal, [TRUTH[kind]] if truths is None else truths).total(PROPOSING)


def spelled(label: str, kind: str, cells: Sequence[Sequence[int]]) -> list[int]:
    return [*VOCABULARY.encode_text(label), OPEN[kind], *VOCABULARY.grid_ids(np.array(cells)).tolist(), CLOSE[kind]]


def best(kind: str) -> float:
    return earned(kind, [*write(RIGHT[kind], VOCABULARY), END_ANSWER])


def hacks(kind: str) -> dict[str, list[int]]:
    label, cells = RIGHT[kind][0].label, RIGHT[kind][0].parts[-1].ij.tolist()
    every = [[i, j] for j in range(32) for i in range(32)]
    corners = [[0, 0], [31, 31]]
    zigzag = [[0 if (j // 2) % 2 else 31, j] for j in range(0, 32, 2)]
    everything = {"box": corners, "seg": every[::97], "pt": corners, "pl": zigzag,
                  "poly": [[0, 0], [31, 0], [31, 31], [0, 31]]}  # fmt: skip
    elsewhere = {"box": [[25, 2], [28, 4]], "pt": [[25, 2]], "seg": [[25, 2], [27, 3]], "pl": [[25, 2], [28, 8]],
                 "poly": [[25, 2], [28, 2], [28, 4]]}  # fmt: skip
    nothing: list[int] = []
    found = {
        "empty": [END_ANSWER],
        "not even closed": nothing,
        "none": [*VOCABULARY.encode_text("none"), END_ANSWER],
        "repeated points": [*spelled(label, kind, [cells[0]] * 12), END_ANSWER],
        "one instance again and again": [
            token for _ in range(40) for token in [*spelled(label, kind, elsewhere[kind]), VOCABULARY.newline]
        ],
        "everything covered": [*spelled(label, kind, everything[kind]), END_ANSWER],
        "thousands of points": [*spelled(label, kind, every * 3), END_ANSWER],
        "another example copied": [*spelled(label, kind, elsewhere[kind]), END_ANSWER],
        "label alone": [*VOCABULARY.encode_text(label), END_ANSWER],
        "tags alone": [OPEN[kind], CLOSE[kind]] * 20,
    }
    if kind == "box":
        found["inverted box"] = [*spelled(label, kind, cells[::-1]), END_ANSWER]
    if kind == "pt":
        del found["everything covered"]  # two points in one tag are no point: thousands of points says the same
    return found


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


# -- refinement ----------------------------------------------------------------------------------------------------


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
    from training.rewards.refining import gain

    assert gain(0.5, 0.75) == gain(0.0, 0.5) == 0.5
    assert gain(0.8, 0.4) == -0.5 and gain(0.3, 0.0) == -1.0 and gain(0.0, 0.0) == gain(1.0, 1.0) == 0.0


def test_the_picture_names_every_component(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from training.rewards.__main__ import main
    from training.rewards.picture import SAYS

    assert set(PROPOSING) | set(REFINING) == set(SAYS)
    assert main(["--picture", str(tmp_path / "rewards.png")]) == 0 and (tmp_path / "rewards.png").stat().st_size > 1000
    assert main(["--picture", str(tmp_path / "no" / "rewards.png")]) == 2
    assert capsys.readouterr().err.startswith("getok: cannot write")


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
