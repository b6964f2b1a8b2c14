"""The paper's form of a refinement through any engine: the draft's tags, an offset a vertex, as one pass would read."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.decoding import decode_frames
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.engines.sequential_engine import SequentialEngine
from getok_core.perceiver import Perceiver
from getok_core.protocol import Caps, Limits
from getok_core.reading import offsets_of
from getok_core.vocabulary import CLOSE, DELETE, END_OFFSET, OFFSET_START, OPEN, offset_ids
from tests.core.strategies import VOCABULARY, drafts

STAY = int(offset_ids(np.array([0, 0])))
LIMITS = Limits(tokens=4)
"""what an answer may take says nothing about a refinement"""


class Told:
    """A network whose logits depend on the frame and on how far a sequence is, whatever stands in the batch."""

    def __init__(self, frame: int, pause_s: float = 0.0):
        self.frame, self.pause_s, self.lengths = frame, pause_s, np.zeros(0, int)

    def start(self, prompts):
        self.lengths = np.array([len(prompt) for prompt in prompts])
        return self._logits()

    def step(self, rows, tokens):
        time.sleep(self.pause_s)
        self.lengths = self.lengths[rows] + 1
        return self._logits()

    def _logits(self):
        return np.stack([logits_at(self.frame, length) for length in self.lengths])


def logits_at(frame: int, length: int) -> np.ndarray:
    return np.random.default_rng([frame, length]).normal(0, 2, VOCABULARY.size).astype(np.float32)


class ToldEngine(NoiseEngine):
    """An engine of two frames over that network."""

    pause_s = 0.0

    def open(self, images):
        return ToldFrames(len(images), self.pause_s)


class ToldFrames:
    seconds = 0.0

    def __init__(self, count: int, pause_s: float):
        self.steppers = [Told(frame, pause_s) for frame in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.steppers = []

    def propose(self, requests, limits):
        return decode_frames(self.steppers, requests, VOCABULARY, limits)


def refine(some, limits=LIMITS, pause_s=0.0):
    engine = ToldEngine()
    engine.pause_s = pause_s
    with SequentialEngine(engine).open([np.zeros((1, 1, 3), np.uint8)] * 2) as frames:
        return frames.refine(some, limits)


@settings(max_examples=30)
@given(st.lists(st.tuples(drafts(), st.integers(0, 1)), min_size=1, max_size=3))
def test_every_slot_is_read_as_one_pass_would_read_the_same_logits(asked):
    some = [type(d)(d.prompt, d.proposal, d.parts, d.steps, d.step, frame) for d, frame in asked]
    for draft, offsets in zip(some, refine(some), strict=True):
        start = len(draft.sequential_prompt(VOCABULARY))
        gaps = [at for at, token in enumerate(draft.sequential_script(VOCABULARY)) if token is None]
        told = [logits_at(draft.frame, start + at) for at in gaps]
        expected = offsets_of(np.reshape(told, (len(gaps), VOCABULARY.size)))
        assert offsets.ids.tolist() == expected.ids.tolist()
        np.testing.assert_allclose(offsets.logp, expected.logp, atol=1e-5)


@given(drafts())
def test_it_says_the_tags_of_the_draft_and_can_be_applied(draft):
    (offsets,) = refine([draft])
    assert ((offsets.ids >= DELETE) & (offsets.ids < OFFSET_START + 9)).all() and (offsets.logp <= 1e-9).all()
    said = draft.sequential_answer(offsets.ids, VOCABULARY)
    tags = [token for token in said if token in {*OPEN.values(), *CLOSE.values()}]
    assert tags == [token for part in draft.parts for token in (OPEN[part.kind], CLOSE[part.kind])]
    assert said[-1] == END_OFFSET and draft.apply(offsets.ids).steps == (1,)


@settings(max_examples=5)
@given(drafts())
def test_a_vertex_cut_off_by_a_deadline_stays(draft):
    (offsets,) = refine([draft], Limits(deadline_s=0.0), pause_s=0.002)
    assert offsets.ids.shape == (draft.slots,) and (offsets.ids == STAY).all(), "the first token opens a tag"
    np.testing.assert_allclose(offsets.logp, -np.log(10))


def test_a_whole_look_through_the_wrapper():
    engine = SequentialEngine(NoiseEngine())
    assert engine.caps == Caps(one_pass_refine=False) and engine.manifest.name == "noise" and engine.device == "cpu"
    engine.load()
    image = np.random.default_rng(0).integers(0, 255, (256, 512, 3), np.uint8)
    proposed = Perceiver(NoiseEngine(), refinements=0).perceive(image)
    unrefined = Perceiver(engine, refinements=0).perceive(image)
    assert [area.points.tolist() for area in unrefined.drivable_areas] == [
        area.points.tolist() for area in proposed.drivable_areas
    ], "proposals are the engine's own"
    assert Perceiver(engine, refinements=2).perceive(image).seconds["refine"] > 0
    engine.close()
