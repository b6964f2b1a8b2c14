"""Sequences side by side: which share a call, and that sharing changes nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from getok_core.engines import load_engine
from getok_core.lattice import Lattice
from getok_core.protocol import Limits, Request
from getok_core.queries import STANDING, question
from getok_core.reading import MOST_PADS, MOST_TOKENS, alike
from getok_ros.share import default_model

SIZE = (512, 256)


@given(st.lists(st.integers(1, 700), max_size=40))
def test_every_sequence_has_one_call_and_no_call_is_large(lengths: list[int]) -> None:
    groups = alike(lengths)
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        tokens = [lengths[place] for place in group]
        assert len(group) == 1 or len(group) * max(tokens) <= MOST_TOKENS
        assert len(group) * max(tokens) - sum(tokens) <= MOST_PADS


@given(st.lists(st.integers(5, 10), min_size=1, max_size=9))
def test_sequences_of_like_length_share_a_call(lengths: list[int]) -> None:
    assert len(alike(lengths)) == 1


def test_a_long_question_changes_no_answer_beside_it() -> None:
    engine = load_engine(default_model())
    texts = ["Is it wet? " * 40, "What is this?", "Which of the two is nearer? " * 8]
    queries = (*STANDING, *map(question, texts))
    requests = [Request(query.prompt(engine.vocabulary, Lattice(32), SIZE), query.form) for query in queries]
    assert len(alike([len(request.prompt) for request in requests])) > 2
    image = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    with engine.open([image]) as frames:
        together = frames.propose(requests, Limits(tokens=24))
        alone = [frames.propose([request], Limits(tokens=24))[0] for request in requests]
    for one, other in zip(together, alone, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        np.testing.assert_allclose(one.logp, other.logp, atol=1e-3)
