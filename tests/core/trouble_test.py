"""What a broken network says ends as faults or as one exception: never as geometry, never as a hang, never for long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import VOCABULARY, token_noise

from getok_core.decoding import decode
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.engines.troubled_engine import TROUBLES, EngineTrouble, TroubledEngine, picture_of, trouble_of
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Offsets, Reply, Request
from getok_core.queries import STANDING, question
from getok_core.reading import offsets_of
from getok_core.vocabulary import DELETE, PAD

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
QUERIES = (question("What is this?"), question("hello", options=("yes", "no")))


class Babbling(NoiseEngine):
    """Says any ids with any log-probabilities, and reads any offsets."""

    def __init__(self, ids: list[int], logp: float, offset: int):
        super().__init__()
        self.ids, self.logp, self.offset = np.array([i for i in ids if abs(i) < 2**63], np.int64), logp, offset

    def open(self, images):
        return _Babble(self)


class _Babble:
    seconds = 0.0

    def __init__(self, engine: Babbling):
        self.engine = engine

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        pass

    def propose(self, requests, limits):
        logp = np.full(len(self.engine.ids), self.engine.logp)
        return [Reply(self.engine.ids, logp, logp, logp, "end") for _ in requests]

    def refine(self, drafts, limits):
        return [Offsets(np.full(draft.slots, self.engine.offset), np.zeros(draft.slots)) for draft in drafts]


@given(
    ids=token_noise(VOCABULARY),
    logp=st.floats() | st.just(-0.1),
    offset=st.integers(-(2**62), 2**62) | st.integers(0, 60),
)
def test_any_words_of_a_network_give_a_scene_inside_the_image(ids, logp, offset):
    scene, answers = Perceiver(Babbling(ids, logp, offset)).look(IMAGE, QUERIES)
    assert len(answers) == len(QUERIES)
    for thing in (*scene.lanes, *scene.drivable_areas):
        assert np.isfinite(thing.points).all() and (thing.points >= 0).all() and (thing.points <= (160, 90)).all()
    for thing in (*scene.obstacles, *scene.signs, *scene.lights):
        assert np.isfinite(thing.box).all() and (thing.box[:2] <= thing.box[2:]).all()
    for thing in (*scene.lanes, *scene.drivable_areas, *scene.obstacles, *scene.signs, *scene.lights):
        assert 0 <= thing.score <= 1.001
    assert all(0 <= answer.score <= 1.001 for answer in answers)


class Spoilt:
    """A network whose logits are spoilt from some step on."""

    def __init__(self, value: float, at: int, where: str):
        self.value, self.left, self.where = value, at, where
        self.rng = np.random.default_rng(0)

    def start(self, prompts):
        return self.step(prompts, None)

    def step(self, rows, tokens):
        logits = self.rng.standard_normal((len(rows), VOCABULARY.size)).astype(np.float32)
        self.left -= 1
        if self.left < 0:
            logits[:, {"all": slice(None), "grid": slice(60, 900), "one": slice(5, 6)}[self.where]] = self.value
        return logits


@settings(max_examples=40)
@given(
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    at=st.integers(0, 6),
    where=st.sampled_from(["all", "grid", "one"]),
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_logits_that_are_no_numbers_still_give_legal_answers(value, at, where):
    requests = [Request(query.prompt(VOCABULARY, Lattice(), (512, 256)), query.form) for query in STANDING]
    for request, reply in zip(
        requests, decode(Spoilt(value, at, where), requests, VOCABULARY, Limits(40)), strict=True
    ):
        assert parse(reply.ids, VOCABULARY, request.form).faults == ()
        assert len(reply.ids) <= 40


@pytest.mark.filterwarnings("ignore:invalid value")
def test_offsets_that_are_no_numbers_move_nothing():
    logits = np.zeros((3, VOCABULARY.size), np.float32)
    logits[0, DELETE + 3] = 5.0
    logits[1, DELETE + 4] = np.nan
    logits[2, DELETE] = np.inf
    assert offsets_of(logits).ids.tolist() == [DELETE + 3, PAD, PAD]


def troubled(trouble: str):
    return Perceiver(TroubledEngine(NoiseEngine(), hang_s=0.01)).look(picture_of(trouble), QUERIES)


def test_every_trouble_is_read_from_its_picture_and_no_other():
    assert [trouble_of(picture_of(trouble, (7, 5))) for trouble in TROUBLES] == list(TROUBLES)
    assert trouble_of(IMAGE) == "" and trouble_of(np.full((4, 4, 3), (251, 0, 99), np.uint8)) == ""
    spotted = picture_of("raise")
    spotted[3, 3] = 0
    assert trouble_of(spotted) == ""


@pytest.mark.parametrize("trouble", ["garbage", "not a number"])
def test_broken_words_are_faults_and_nothing_else(trouble):
    scene, answers = troubled(trouble)
    assert {fault.query for fault in scene.faults} == {query.name for query in STANDING}
    assert not (scene.lanes or scene.drivable_areas or scene.obstacles or scene.signs or scene.lights)
    assert all(answer.scene.faults and not answer.answer for answer in answers)


def test_a_hanging_engine_comes_back_and_others_raise():
    assert troubled("hang")[0].width == 64
    with pytest.raises(EngineTrouble):
        troubled("raise")
    with pytest.raises(ValueError, match="shorter"):
        troubled("too few")
