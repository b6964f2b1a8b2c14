"""A tiny Qwen-VL behind a chat server says what it says in this process: questions, regions, options, refinements."""

from __future__ import annotations

import base64
from dataclasses import replace
from threading import Lock

import cv2
import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is missing: install the training extra")

from getok_core.engines import load_engine
from getok_core.engines.answer_regex import answer_regex
from getok_core.engines.sequential_engine import SequentialEngine
from getok_core.engines.spelled import ids_of
from getok_core.geometry import Box
from getok_core.grammar import parse
from getok_core.manifest import read_manifest
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Request
from getok_core.queries import STANDING, TASKS, question, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import ANSWER, END_ANSWER, OFFSET
from tests.core.chat_server import choice, serving, words_of
from tests.training.base_data import one_thread  # noqa: F401 (a fixture)
from training.tiny_base import tiny_base

IMAGE = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
QUERIES = [
    question("what colour is the sign?", Box([[10, 10], [90, 80]])),
    question("is it naïve?", None, ("yes, it is", "no")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Short answers: random weights know no end."""
    made = tiny_base(tmp_path_factory.mktemp("tiny"), 16)
    replace(read_manifest(made), tokens=20, refinements=1).write(made)
    return made


@pytest.fixture(scope="module")
def here(folder):
    return load_engine(folder)


def answering(engine):
    """A server's part: a body -> the engine's own answer, held to the form whose regular expression was sent."""
    vocabulary = engine.vocabulary
    asked = [*(task.form for task in TASKS.values()), *(query.form for query in QUERIES), AnswerForm("any")]
    one_at_a_time = Lock()
    forms = {answer_regex(form, standard_vocabulary(16)): form for form in asked}

    def say(body):
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
        ids = ids_of(words_of(body) + body["messages"][1]["content"], vocabulary)
        draft = None
        if OFFSET in ids:
            start, end = ids.index(ANSWER) + 1, ids.index(END_ANSWER)
            instances = parse(ids[start:end], vocabulary).instances
            draft = Draft.of(tuple(ids[:start]), tuple(ids[start:end]), instances)
            assert ids == draft.sequential_prompt(vocabulary)
        form = forms.get(body["structured_outputs"]["regex"], AnswerForm("any"))
        with one_at_a_time, engine.open([pixels[..., ::-1].copy()]) as frames:
            (reply,) = frames.propose([Request(tuple(ids), form, draft=draft)], Limits(body["max_tokens"]))
        return choice(vocabulary.spell(reply.ids))

    return say


def without_scores(said: dict) -> dict:
    return {
        name: [{key: value for key, value in thing.items() if key != "score"} for thing in things]
        for name, things in said.items()
        if isinstance(things, list) and name not in ("faults", "points")
    } | {name: said[name] for name in ("answer", "points", "faults") if name in said}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("rounds", [0, 1])
def test_what_is_served_is_what_is_said_here(folder, here, rounds) -> None:
    with serving(answering(here), models=("tiny",)) as chat:
        served = Perceiver(load_engine(folder, chat.address), rounds).look(IMAGE, QUERIES, STANDING[:3])
    own = Perceiver(SequentialEngine(here), rounds).look(IMAGE, QUERIES, STANDING[:3])
    assert without_scores(served[0].to_json()) == without_scores(own[0].to_json())
    for one, other in zip(served[1], own[1], strict=True):
        assert without_scores(one.to_json()) == without_scores(other.to_json())
    assert served[1][1].answer in ("yes, it is", "no") and served[0].obstacles
    assert (len(chat.asked) > 5) == bool(rounds)
