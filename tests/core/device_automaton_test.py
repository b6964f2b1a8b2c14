"""The automaton in tensors allows what the automaton allows, for a batch of any forms at any budget, token by token."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.automaton import Automaton
from getok_core.engines.device_automaton import DeviceAutomaton
from getok_core.form_tables import form_tables
from getok_core.queries import TASKS
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import CLOSE, END_ANSWER, GRID_START, OPEN, PAD
from tests.core.automaton_test import budgets, choices, legal_ids, pick
from tests.core.strategies import BARE, VOCABULARY, forms, vocabularies

CPU = torch.device("cpu")


def holding(forms: list[AnswerForm], vocabulary) -> DeviceAutomaton:
    device = DeviceAutomaton(vocabulary, CPU)
    assert device.hold(form_tables(forms, vocabulary)), "there was no room yet"
    return device


def follow(asked: list[tuple[AnswerForm, int]], vocabulary, chosen: list[int], most: int = 60):
    """Walks both automata side by side; yields the host's, the device's state and its masks before every token."""
    hosts = [Automaton(form, vocabulary, budget) for form, budget in asked]
    device = holding([form for form, _ in asked], vocabulary)
    state = device.start(torch.arange(len(asked)), torch.tensor([budget for _, budget in asked]))
    last = [-9] * len(asked)
    for choice in chosen[:most]:
        masks = device.legal(state)
        yield hosts, device, state, masks
        going = torch.tensor([not host.done for host in hosts])
        if not going.any():
            return
        for row, host in enumerate(hosts):
            if not host.done:
                last[row] = pick(legal_ids(host), choice + row, last[row], vocabulary)
                host.advance(last[row])
        state = device.advance(state, torch.tensor(last), going)


FEWER = max(15, settings().max_examples // 3)
"""examples of whole walks: each is dozens of comparisons"""


@settings(max_examples=FEWER)
@given(st.lists(st.tuples(forms, budgets), min_size=1, max_size=5), vocabularies, choices)
def test_both_allow_the_same_tokens(asked, vocabulary, chosen):
    for hosts, _, _, masks in follow(asked, vocabulary, chosen):
        for row, host in enumerate(hosts):
            np.testing.assert_array_equal(masks[row].numpy(), host.legal(), err_msg=f"row {row} of {asked}")


@settings(max_examples=max(4, settings().max_examples // 15))
@given(st.integers(3, 90), choices)
def test_the_tasks_side_by_side(budget, chosen):
    asked = [(task.form, budget) for task in TASKS.values()]
    for hosts, _, _, masks in follow(asked, VOCABULARY, chosen):
        np.testing.assert_array_equal(masks.numpy(), np.stack([host.legal() for host in hosts]))


@settings(max_examples=FEWER)
@given(st.lists(st.tuples(forms, budgets), min_size=1, max_size=3), choices)
def test_a_guess_is_legal_and_the_only_one_wherever_there_is_only_one(asked, chosen):
    for hosts, device, state, masks in follow(asked, BARE, chosen):
        for host, guess in zip(hosts, device.guess(state, masks).tolist(), strict=True):
            allowed = legal_ids(host) or [PAD]
            assert guess in (*allowed, PAD)
            assert guess == allowed[0] or len(allowed) != 1


def test_what_mostly_follows_is_guessed():
    """The second word of the first label that fits, the closing tag after two vertices, a newline after that."""
    form = AnswerForm("pl", ("solid red", "solid blue"), 4)
    solid, red = VOCABULARY.encode_text("solid red")
    said = [solid, red, OPEN["pl"], GRID_START + 5, GRID_START + 9, CLOSE["pl"]]
    guesses = [red, OPEN["pl"], PAD, PAD, CLOSE["pl"], VOCABULARY.newline]
    device = holding([form], VOCABULARY)
    state = device.start(torch.tensor([0]), torch.tensor([80]))
    for token, expected in zip(said, guesses, strict=True):
        state = device.advance(state, torch.tensor([token]), torch.tensor([True]))
        assert device.guess(state, device.legal(state)).item() == expected


def test_rows_that_are_not_taken_stay_as_they_are():
    form = TASKS["obstacles"].form
    device = holding([form], VOCABULARY)
    state = device.start(torch.tensor([0, 0]), torch.tensor([40, 40]))
    tokens = torch.tensor([VOCABULARY.encode_text("car")[0], END_ANSWER])
    after = device.advance(state, tokens, torch.tensor([True, False]))
    assert after.left.tolist() == [39, 40]
    assert torch.equal(device.legal(after)[1], device.legal(state)[1])
    assert not torch.equal(device.legal(after)[0], device.legal(state)[0])


def test_every_box_from_the_last_cell_is_said_once():
    """The last cell is the first corner of one box only: once that was said, no other begins there."""
    form, n = AnswerForm("box", (), 4, may_be_none=False), BARE.n
    last = GRID_START + n * n - 1
    said = [OPEN["box"], last, last, CLOSE["box"], BARE.newline, OPEN["box"]]
    host = Automaton(form, BARE, 40)
    device = holding([form], BARE)
    state = device.start(torch.tensor([0]), torch.tensor([40]))
    for token in said:
        host.advance(token)
        state = device.advance(state, torch.tensor([token]), torch.tensor([True]))
    assert not host.legal()[last]
    np.testing.assert_array_equal(device.legal(state)[0].numpy(), host.legal())


def test_other_forms_take_the_room_of_those_before():
    """A graph keeps the tensors it was captured with: smaller forms must not move them, and leave nothing behind."""
    large, small = TASKS["signs"].form, AnswerForm("text", ("yes", "no"), 1, may_be_none=False)
    device = holding([large], VOCABULARY)
    kept = device.tables["token"]
    assert not device.hold(form_tables([small], VOCABULARY))
    assert device.tables["token"] is kept
    legal = device.legal(device.start(torch.tensor([0]), torch.tensor([9])))
    np.testing.assert_array_equal(legal[0].numpy(), Automaton(small, VOCABULARY, 9).legal())
