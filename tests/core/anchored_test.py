"""Lists drawn in parallel: anchors first, then every object from its anchor, put together as one answer of the list."""

import numpy as np
import pytest

from getok_core.engines.anchored_engine import AnchoredEngine
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Request
from getok_core.queries import STANDING, TASKS, SceneQuery, anchored

IMAGES = [np.random.default_rng(seed).integers(0, 256, (256, 512, 3), dtype=np.uint8) for seed in range(4)]
PLAIN = NoiseEngine()
ENGINE = AnchoredEngine(PLAIN)


def asked(query: SceneQuery, frame: int = 0) -> Request:
    return Request(query.prompt(PLAIN.vocabulary, Lattice(), PLAIN.manifest.view), query.form, frame)


def anchors_of(reply):
    return [(one.label, one.parts[0].ij[0].tolist()) for one in parse(reply.ids, PLAIN.vocabulary).instances]


@pytest.mark.parametrize("name", [task.name for task in TASKS.values() if task.anchors_prompt])
def test_a_list_holds_its_anchors_and_parses_without_a_fault(name):
    query = SceneQuery(name, TASKS[name].prompt)
    drawn = 0
    for image in IMAGES:
        with ENGINE.open([image]) as frames:
            reply = frames.propose([asked(query)], Limits(120))[0]
        with PLAIN.open([image]) as frames:
            listed = frames.propose([asked(anchored(query))], Limits(120))[0]
        parsed = parse(reply.ids, PLAIN.vocabulary, query.form)
        assert not parsed.faults and parsed.closed
        assert anchors_of(reply) == anchors_of(listed)
        assert len(reply.ids) == len(reply.logp) == len(reply.logp_legal) == len(reply.logp_near)
        drawn += len(parsed.instances)
    assert drawn > 3


def test_probabilities_are_those_of_the_anchor_and_of_the_object():
    with ENGINE.open(IMAGES[:1]) as frames:
        reply = frames.propose([asked(STANDING[0])], Limits(120))[0]
    with PLAIN.open(IMAGES[:1]) as frames:
        listed = frames.propose([asked(anchored(STANDING[0]))], Limits(120))[0]
    first = parse(reply.ids, PLAIN.vocabulary).instances[0]
    said = parse(listed.ids, PLAIN.vocabulary).instances[0]
    assert reply.logp[list(first.label_at)].tolist() == listed.logp[list(said.label_at)].tolist()
    assert reply.logp_near[first.parts[0].at[0]] == listed.logp_near[said.parts[0].at[0]]


def test_what_has_no_anchors_is_asked_as_it_is():
    with ENGINE.open(IMAGES[:1]) as one, PLAIN.open(IMAGES[:1]) as other:
        np.testing.assert_array_equal(
            one.propose([asked(STANDING[1])], Limits(60))[0].ids, other.propose([asked(STANDING[1])], Limits(60))[0].ids
        )


def test_a_deadline_leaves_no_object_half_drawn():
    with ENGINE.open(IMAGES[:1]) as frames:
        reply = frames.propose([asked(STANDING[0])], Limits(120, deadline_s=0.0))[0]
    assert reply.stop == "deadline"
    assert not parse(reply.ids, PLAIN.vocabulary, STANDING[0].form).instances


def test_a_perceiver_takes_it_for_any_engine():
    scene = Perceiver(ENGINE, refinements=1).perceive(IMAGES[0])
    assert scene.lanes and not scene.faults
