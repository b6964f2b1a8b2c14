"""Constrained decoding: the grammar holds whatever the network says, limits hold, both log-probabilities are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.decoding import decode, near_logp
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.protocol import Limits, Request, Sampling
from getok_core.queries import STANDING, TASKS, standard_vocabulary
from getok_core.vocabulary import END_ANSWER, GRID_START, OPEN

VOCABULARY = standard_vocabulary()


class Noise:
    """A network that says something random, the same for the same seed."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.batch_sizes: list[int] = []

    def start(self, prompts):
        return self._logits(len(prompts))

    def step(self, rows, tokens):
        assert len(rows) == len(tokens)
        return self._logits(len(rows))

    def _logits(self, rows):
        self.batch_sizes.append(rows)
        return self.rng.normal(0, 4, (rows, VOCABULARY.size)).astype(np.float32)


def standing_requests(**options):
    return [Request(q.prompt(VOCABULARY, Lattice(), (512, 256)), q.form, **options) for q in STANDING]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), tokens=st.integers(1, 80))
def test_any_network_within_any_budget_gives_answers_without_faults(seed, tokens):
    for request, reply in zip(standing_requests(), decode(Noise(seed), standing_requests(), VOCABULARY, Limits(tokens)),
                              strict=True):  # fmt: skip
        parsed = parse(reply.ids, VOCABULARY, request.form)
        assert parsed.faults == () and parsed.closed
        assert len(reply.ids) <= tokens and reply.ids[-1] == END_ANSWER
        assert reply.stop == ("cap" if len(reply.ids) == tokens else "end")


def test_the_masked_probability_is_never_below_the_unmasked_one_and_neighbours_add_mass():
    for reply in decode(Noise(3), standing_requests(), VOCABULARY, Limits(60)):
        assert (reply.logp_legal >= reply.logp - 1e-9).all()
        assert (reply.logp_near >= reply.logp - 1e-9).all()
        assert (reply.logp_legal <= 1e-9).all()


def test_finished_requests_leave_the_batch():
    network = Noise(5)
    replies = decode(network, standing_requests(), VOCABULARY, Limits(80))
    assert network.batch_sizes[0] == len(STANDING)
    assert network.batch_sizes == sorted(network.batch_sizes, reverse=True)
    assert sum(network.batch_sizes) == sum(len(reply.ids) for reply in replies)


def test_a_deadline_stops_every_open_answer():
    for reply in decode(Noise(1), standing_requests(), VOCABULARY, Limits(80, deadline_s=0.0)):
        assert len(reply.ids) == 1
        assert reply.stop == ("end" if reply.ids[0] == END_ANSWER else "deadline")


def test_sampling_is_repeatable_and_differs_between_seeds():
    def ids(seed):
        requests = standing_requests(sampling=Sampling(temperature=1.0, seed=seed))
        return [reply.ids.tolist() for reply in decode(Noise(9), requests, VOCABULARY, Limits(40))]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


def test_an_answer_can_begin_with_an_anchor():
    cell = int(VOCABULARY.grid_ids(np.array([[4, 30]]))[0])
    anchor = (*VOCABULARY.encode_text("solid white"), OPEN["pl"], cell)
    query = STANDING[0]
    request = Request(query.prompt(VOCABULARY, Lattice(), (512, 256)), TASKS["lanes"].form.one(), begun=anchor)
    reply = decode(Noise(2), [request], VOCABULARY, Limits(30))[0]
    parsed = parse([*anchor, *reply.ids], VOCABULARY, request.form)
    assert parsed.faults == () and len(parsed.instances) == 1
    assert parsed.instances[0].parts[0].ij[0].tolist() == [4, 30]


@pytest.mark.parametrize(("cell", "neighbours"), [((0, 0), 4), ((5, 0), 6), ((31, 31), 4), ((9, 9), 9)])
def test_neighbour_mass_stops_at_the_border(cell, neighbours):
    flat = np.full(VOCABULARY.size, -np.log(VOCABULARY.size))
    token = GRID_START + cell[1] * 32 + cell[0]
    assert near_logp(flat, token, VOCABULARY) == pytest.approx(np.log(neighbours / VOCABULARY.size))
