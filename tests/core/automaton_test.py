"""The automaton: whatever it allows closes within its budget and parses without a fault; what is written is allowed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.automaton import Automaton, OffsetAutomaton
from getok_core.grammar import parse, write
from getok_core.queries import LANE_LABELS, OBSTACLE_LABELS, TASKS
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm, Instance, Part
from getok_core.vocabulary import CLOSE, DELETE, END_ANSWER, END_OFFSET, GRID_START, OPEN, Vocabulary
from tests.core.strategies import (
    BARE,
    VOCABULARY,
    answers,
    as_data,
    drafts,
    forms,
    made_forms,
    offset_tokens,
    vocabularies,
)

choices = st.lists(st.integers(0, 2**16), min_size=60, max_size=60)
NAMES = VOCABULARY.tokens


def legal_ids(automaton: Automaton | OffsetAutomaton) -> list[int]:
    return np.flatnonzero(automaton.legal()).tolist()


def legal_names(automaton: Automaton) -> set[str]:
    return {NAMES[t] for t in legal_ids(automaton)}


def pick(ids: list[int], choice: int, last: int, vocabulary: Vocabulary) -> int:
    """One of the legal ids; structure, close cells and text are all taken often, however many cells there are."""
    groups = [
        [t for t in ids if t < GRID_START],
        [t for t in ids if GRID_START <= t < GRID_START + 3 or (vocabulary.is_grid(t) and abs(t - last) < 3)],
        [t for t in ids if vocabulary.is_grid(t)],
        [t for t in ids if vocabulary.is_text(t)],
        [t for t in ids if t in vocabulary.encode_text(" no\n")],
    ]
    groups = [group for group in groups if group]
    group = groups[choice % len(groups)]
    return group[choice // len(groups) % len(group)]


def walk(form: AnswerForm, vocabulary: Vocabulary, budget: int, chosen: list[int]) -> list[int]:
    automaton, ids = Automaton(form, vocabulary, budget), []
    while not automaton.done:
        allowed = legal_ids(automaton)
        assert allowed, "a dead end"
        ids.append(pick(allowed, chosen[len(ids)], ids[-1] if ids else -9, vocabulary))
        automaton.advance(ids[-1])
    assert not automaton.legal().any()
    return ids


budgets = st.integers(1, 12) | st.integers(1, 60)
"""small ones are where room to close runs out"""


@given(forms, vocabularies, budgets, choices)
def test_whatever_is_allowed_closes_in_budget_and_parses_without_a_fault(form, vocabulary, budget, chosen):
    ids = walk(form, vocabulary, budget, chosen)
    assert len(ids) <= budget
    parsed = parse(ids, vocabulary, form)
    assert parsed.closed
    assert not parsed.faults
    for one in parsed.instances:
        assert all(len(part.ij) <= max(form.vertices, 3) for part in one.parts)


@pytest.mark.parametrize("kind", ["text", "any", "seg", "poly"])
@given(instances=st.integers(1, 3), vertices=st.integers(1, 4), budget=st.integers(1, 14), chosen=choices)
def test_forms_without_labels_close_when_room_is_short(kind, instances, vertices, budget, chosen):
    form = AnswerForm(kind, (), instances, vertices)
    parsed = parse(walk(form, BARE, budget, chosen), BARE, form)
    assert parsed.closed
    assert not parsed.faults


@pytest.mark.parametrize("name", [*TASKS, "any", "anchors of lanes", "options"])
@settings(max_examples=max(12, settings().max_examples // 5))
@given(budget=budgets, chosen=choices)
def test_every_task_closes_and_parses_at_any_budget(name, budget, chosen):
    special = {"any": AnswerForm("any"), "anchors of lanes": TASKS["lanes"].form.anchors(),
               "options": AnswerForm("text", ("yes", "yes it is", "no", "none"), 1, may_be_none=False)}  # fmt: skip
    form = special[name] if name in special else TASKS[name].form
    parsed = parse(walk(form, VOCABULARY, budget, chosen), VOCABULARY, form)
    assert parsed.closed
    assert not parsed.faults


@given(st.data(), made_forms, vocabularies)
def test_every_written_answer_is_allowed_by_a_budget_of_its_own_length(data, form, vocabulary):
    some = data.draw(answers(form, vocabulary))
    ids = [*write(some, vocabulary), END_ANSWER]
    automaton = Automaton(form, vocabulary, len(ids))
    for token in ids:
        automaton.advance(token)
    assert automaton.done
    assert as_data(parse(ids, vocabulary, form).instances) == as_data(some)


@given(st.data(), forms, st.integers(0, 200))
def test_a_larger_budget_never_forbids(data, form, spare):
    ids = [*write(data.draw(answers(form, VOCABULARY)), VOCABULARY), END_ANSWER]
    tight, wide = Automaton(form, VOCABULARY, len(ids)), Automaton(form, VOCABULARY, len(ids) + spare)
    for token in ids:
        assert not (tight.legal() & ~wide.legal()).any()
        tight.advance(token)
        wide.advance(token)


@given(forms, st.integers(1, 60), choices, st.integers() | st.sampled_from([-1, 10**6, VOCABULARY.size]))
def test_an_illegal_token_raises_and_changes_nothing(form, budget, chosen, intruder):
    automaton = Automaton(form, VOCABULARY, budget)
    for choice in chosen:
        before = automaton.legal()
        if not 0 <= intruder < VOCABULARY.size or not before[intruder]:
            with pytest.raises(ValueError, match="not legal here"):
                automaton.advance(intruder)
            np.testing.assert_array_equal(automaton.legal(), before)
        if automaton.done:
            break
        automaton.advance(pick(legal_ids(automaton), choice, -9, VOCABULARY))


def follow(form: AnswerForm, budget: int, *steps: int) -> Automaton:
    automaton = Automaton(form, VOCABULARY, budget)
    for token in steps:
        automaton.advance(token)
    return automaton


def cell(i: int, j: int) -> int:
    return GRID_START + j * VOCABULARY.n + i


def test_lanes_by_hand():
    form = TASKS["lanes"].form
    solid = VOCABULARY.encode_text("solid white")[0]
    assert legal_names(follow(form, 99)) == {*LANE_LABELS, "none"}
    assert legal_names(follow(form, 99, solid)) == {"<pl>"}
    opened = follow(form, 99, solid, OPEN["pl"])
    assert len(legal_ids(opened)) == VOCABULARY.n**2
    opened.advance(cell(3, 4))
    assert len(legal_ids(opened)) == VOCABULARY.n**2 - 1, "not the same cell twice in a row"
    opened.advance(cell(3, 5))
    assert {"</pl>", "<grid_3_4>"} <= legal_names(opened)
    opened.advance(CLOSE["pl"])
    assert legal_ids(opened) == [END_ANSWER, VOCABULARY.newline]


def test_the_last_tokens_are_kept_for_closing():
    form, label = TASKS["lanes"].form, VOCABULARY.encode_text("curb")[0]
    assert legal_names(Automaton(form, VOCABULARY, 6)) == {*LANE_LABELS, "none"}, "label <pl> a b </pl> </answer>"
    assert legal_names(Automaton(form, VOCABULARY, 5)) == {"none"}
    assert legal_names(Automaton(form, VOCABULARY, 2)) == {"none"}
    assert legal_names(Automaton(form, VOCABULARY, 1)) == {"</answer>"}
    assert legal_names(Automaton(form, VOCABULARY, 0)) == {"</answer>"}
    full = follow(form, 6, label, OPEN["pl"], cell(1, 1), cell(2, 2))
    assert legal_names(full) == {"</pl>"}


def test_a_second_corner_never_lies_above_or_left_of_the_first():
    form = TASKS["obstacles"].form
    automaton = follow(form, 99, VOCABULARY.encode_text(OBSTACLE_LABELS[0])[0], OPEN["box"], cell(30, 29))
    assert legal_names(automaton) == {f"<grid_{i}_{j}>" for i in (30, 31) for j in (29, 30, 31)}


def test_labels_that_begin_alike_are_told_apart():
    form = AnswerForm("pt", ("stop", "stop sign", "none"))
    stop, sign = VOCABULARY.encode_text("stop"), VOCABULARY.encode_text("stop sign")
    assert legal_names(follow(form, 99, *stop)) == {"<pt>", NAMES[sign[1]]}
    assert legal_names(follow(form, 99, *sign)) == {"<pt>"}
    assert legal_names(follow(form, 99, *VOCABULARY.encode_text("none"))) == {"<pt>", "</answer>"}


def test_a_free_answer_is_more_than_spaces():
    space = VOCABULARY.encode_text(" ")[0]
    for kind in ("text", "any"):
        assert END_ANSWER not in legal_ids(follow(AnswerForm(kind), 9, space))
        assert END_ANSWER in legal_ids(follow(AnswerForm(kind), 9, space, *VOCABULARY.encode_text("red")))


def test_box_and_seeds_are_one_instance():
    form = AnswerForm("seg", instances=2, may_be_none=False)
    seeds = Part("seg", np.array([[1, 1]]))
    some = [Instance("", (Part("box", np.array([[1, 1], [2, k]])), seeds)) for k in (2, 3)]
    ids = [*write(some, VOCABULARY), END_ANSWER]
    assert follow(form, len(ids), *ids).done
    after_two = follow(form, 99, *ids[:-1])
    assert legal_ids(after_two) == [END_ANSWER]
    assert legal_ids(follow(form, 99, *ids[:4])) == [OPEN["seg"]], "a box of this form is never alone"


def test_seeds_follow_a_box_only_when_there_is_room_for_them():
    box = [OPEN["box"], cell(1, 1), cell(2, 2), CLOSE["box"]]
    assert OPEN["seg"] not in legal_ids(follow(AnswerForm("any"), 4 + 3, *box))
    assert OPEN["seg"] in legal_ids(follow(AnswerForm("any"), 4 + 4, *box)), "<seg> a </seg> </answer>"


def test_a_vertex_comes_back_only_when_the_missing_ones_still_have_a_place():
    two = [OPEN["poly"], cell(1, 1), cell(2, 2)]
    assert cell(1, 1) not in legal_ids(follow(AnswerForm("poly", vertices=3), 99, *two))
    assert cell(1, 1) in legal_ids(follow(AnswerForm("poly", vertices=4), 99, *two))


def test_words_are_not_needed():
    form = AnswerForm("pt", ("a", "ab"))
    automaton = Automaton(form, BARE, 20)
    assert [BARE.spell([t]) for t in legal_ids(automaton)] == ["a", "n"]


# -- offsets, one after another ------------------------------------------------------------------------------------


@given(st.data(), drafts())
def test_sequential_offsets_follow_the_draft(data, draft):
    tokens = data.draw(offset_tokens(draft.slots))
    automaton, taken, rest = OffsetAutomaton(draft, VOCABULARY), [], iter(tokens.tolist())
    while not automaton.done:
        allowed = legal_ids(automaton)
        is_slot = len(allowed) > 1
        assert allowed == list(range(DELETE, DELETE + 10)) if is_slot else len(allowed) == 1
        for illegal in (-1, VOCABULARY.size, GRID_START):
            with pytest.raises(ValueError, match="not legal here"):
                automaton.advance(illegal)
        taken.append(next(rest) if is_slot else allowed[0])
        automaton.advance(taken[-1])
    assert next(rest, None) is None
    assert taken[-1] == END_OFFSET
    assert [t for t in taken if DELETE <= t < DELETE + 10] == tokens.tolist()
    assert taken.count(OPEN["box"]) == sum(part.kind == "box" for part in draft.parts)
    assert not automaton.legal().any()
    with pytest.raises(ValueError, match="not legal here"):
        automaton.advance(END_OFFSET)


def test_a_draft_of_nothing_closes_at_once():
    assert legal_ids(OffsetAutomaton(Draft.of((), (), ()), VOCABULARY)) == [END_OFFSET]
