"""The whole flow over recorded answers: what was said comes back in pixels of the user's image."""

from __future__ import annotations

import numpy as np
import pytest

from getok_core.engines.recorded_engine import RecordedEngine, Recording, key_of
from getok_core.errors import ImageError, ModelError, QueryError
from getok_core.geometry import Box
from getok_core.grammar import parse, write
from getok_core.lattice import Lattice
from getok_core.manifest import Manifest
from getok_core.perceiver import Look, Perceiver
from getok_core.queries import PROMPT_VERSION, STANDING, TASKS, question, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part
from getok_core.view import View
from getok_core.vocabulary import DELETE, END_ANSWER, OPEN, offset_ids

VOCABULARY, LATTICE, MODEL_SIZE = standard_vocabulary(), Lattice(), (512, 256)
IMAGE = np.random.default_rng(0).integers(0, 256, (540, 960, 3), dtype=np.uint8)


def manifest(**changes) -> Manifest:
    fields = {
        "name": "scripted",
        "base": "none",
        "lattice": 32,
        "vocabulary": VOCABULARY.digest,
        "prompt_version": PROMPT_VERSION,
        "view": MODEL_SIZE,
        "precision": "none",
        "refinements": 0,
        "tokens": 160,
        "files": {},
        "tasks": tuple(TASKS),
    }
    return Manifest(**{**fields, **changes})


def cells(*pairs):
    return np.asarray(pairs, np.int64)


ANSWERS = {
    "lanes": [
        Instance("solid yellow", (Part("pl", cells((20, 30), (17, 20), (16, 16))),)),
        Instance("dashed white", (Part("pl", cells((4, 30), (12, 20), (15, 16))),)),
    ],
    "drivable area": [Instance("drivable", (Part("poly", cells((2, 31), (15, 15), (30, 31))),))],
    "obstacles": [
        Instance("car", (Part("box", cells((10, 10), (12, 12))),)),
        Instance("truck", (Part("box", cells((20, 10), (20, 14))),)),
    ],
    "signs": [Instance("stop red occluded", (Part("box", cells((28, 8), (28, 8))),))],
    "lights": [],
}


def recorded(answers=None, offsets=None, image=IMAGE, extra=()) -> RecordedEngine:
    """An engine that says `answers` for the standing queries, and `offsets` ids for the first round of each."""
    recording = Recording()
    seen = View((image.shape[1], image.shape[0]), MODEL_SIZE).resize(image)
    for query in STANDING:
        prompt = query.prompt(VOCABULARY, LATTICE, MODEL_SIZE)
        said = (answers or ANSWERS)[query.name]
        ids = [*write(said, VOCABULARY), END_ANSWER] if isinstance(said, list) else list(said)
        recording.replies[key_of(seen, prompt)] = (ids, [-0.1] * len(ids))
        if offsets and query.name in offsets:
            draft = Draft.of(prompt, tuple(ids[:-1]), parse(ids, VOCABULARY, query.form).instances)
            read = list(offsets[query.name])
            recording.offsets[key_of(seen, draft.sequence(VOCABULARY)[0])] = (read, [-0.1] * len(read))
    for tokens, ids in extra:
        recording.replies[key_of(seen, tokens)] = (list(ids), [-0.1] * len(ids))
    return RecordedEngine(manifest(), recording)


def test_a_scene_in_pixels_of_the_users_image():
    scene = Perceiver(recorded()).perceive(IMAGE)
    assert [lane.label for lane in scene.lanes] == ["dashed white", "solid yellow"], "ordered by x at the lowest vertex"
    assert scene.lanes[0].points[0] == pytest.approx([4.5 * 30, 30.5 * 540 / 32])
    assert scene.drivable_areas[0].points.shape == (3, 2)
    nearest = scene.obstacles[0]
    assert (nearest.label, nearest.box.tolist()) == ("truck", [600.0, 177.1875, 630.0, 244.6875])
    sign = scene.signs[0]
    assert (sign.label, sign.colour, sign.visible_state) == ("stop", "red", "occluded")
    assert sign.box == pytest.approx([840.0, 135.0, 870.0, 151.875]), "equal corners mean the cell's extent"
    assert scene.lights == () and scene.faults == () and not scene.truncated
    assert scene.lanes[0].score == pytest.approx(np.exp(-0.1))
    assert scene.model.startswith("scripted ")


def test_one_round_moves_vertices_by_half_a_cell_and_deletes():
    right, still = int(offset_ids(np.array([1, 0]))), int(offset_ids(np.array([0, 0])))
    engine = recorded(
        offsets={
            "lanes": [right, right, DELETE, still, DELETE, DELETE],
            "drivable area": [still] * 3,
            "obstacles": [still, DELETE, still, still],
            "signs": [still, still],
        }
    )
    seen = Perceiver(engine, refinements=1).look_at([Look(IMAGE)])[0]
    scene = seen.scene
    assert len(scene.lanes) == 1, "a lane left with one vertex is dropped"
    assert scene.lanes[0].points == pytest.approx(np.array([[21.0 * 30, 30.5 * 16.875], [18.0 * 30, 20.5 * 16.875]]))
    assert [o.label for o in scene.obstacles] == ["truck"], "a box with a deleted corner is dropped"
    assert scene.signs[0].box == pytest.approx([847.5, 139.21875, 862.5, 147.65625]), "half the extent after a round"
    assert scene.seconds["refine"] > 0
    assert [move.kind for move in seen.moves] == ["pl", "pl", "poly", "box", "box", "box"], "one a tag"
    first = seen.moves[0]
    np.testing.assert_allclose(first.refined[:2] - first.proposed[:2], [[15, 0], [15, 0]])
    assert np.isnan(first.refined[2]).all(), "deleted"
    assert np.isnan(seen.moves[1].refined).all(), "dropped with its lane"
    assert Perceiver(recorded(), refinements=0).look_at([Look(IMAGE)])[0].moves == []


def test_wrong_output_is_data():
    wrong = (OPEN["box"], 5, 5, 9999, -4, END_ANSWER)
    scene = Perceiver(recorded({**ANSWERS, "obstacles": wrong})).perceive(IMAGE)
    assert scene.obstacles == () and len(scene.lanes) == 2
    assert {fault.query for fault in scene.faults} == {"obstacles"}


def test_inverted_after_refinement_is_a_fault():
    left, right = int(offset_ids(np.array([-1, 0]))), int(offset_ids(np.array([1, 0])))
    still = int(offset_ids(np.array([0, 0])))
    rest = {"lanes": [still] * 6, "drivable area": [still] * 3, "obstacles": [still] * 4}
    scene = Perceiver(recorded(offsets={**rest, "signs": [right, left]}), refinements=1).perceive(IMAGE)
    assert scene.signs == () and [fault.kind for fault in scene.faults] == ["inverted box"]


def test_a_question_about_a_region():
    query = question("What colour is the sign?", Box.of((830, 130, 880, 155)))
    tokens = query.prompt(VOCABULARY, LATTICE, (960, 540))
    engine = recorded(extra=[(tokens, [*VOCABULARY.encode_text("red"), END_ANSWER])])
    answer = Perceiver(engine).ask(IMAGE, query)
    assert answer.answer == "red" and answer.score == pytest.approx(np.exp(-0.1)) and answer.scene.faults == ()
    assert answer.to_json()["obstacles"] == []


def test_an_absent_thing_answers_none():
    query = question("What does the traffic light show?")
    tokens = query.prompt(VOCABULARY, LATTICE, (960, 540))
    engine = recorded(extra=[(tokens, [*VOCABULARY.encode_text("none"), END_ANSWER])])
    assert Perceiver(engine).ask(IMAGE, query).answer == "none"


def test_bad_input_is_refused_in_one_line():
    perceiver = Perceiver(recorded())
    with pytest.raises(ImageError, match="uint8"):
        perceiver.perceive(IMAGE.astype(np.float32))
    with pytest.raises(QueryError, match="outside the image of 960 x 540"):
        perceiver.ask(IMAGE, question("What colour is the sign?", Box.of((2000, 10, 2100, 60))))
    with pytest.raises(QueryError, match=r"0\.\.4"):
        Perceiver(recorded(), refinements=5)
    with pytest.raises(ModelError, match="nothing was recorded"):
        perceiver.perceive(IMAGE[::-1].copy())


def test_several_images_are_seen_at_once_each_in_its_own_pixels():
    small = IMAGE[:270, :480].copy()
    engine, other = recorded(), recorded({**ANSWERS, "lanes": []}, image=small)
    engine.recording.replies.update(other.recording.replies)
    tokens = question("What colour is the sign?").prompt(VOCABULARY, LATTICE, MODEL_SIZE)
    seen = View((480, 270), MODEL_SIZE).resize(small)
    red = [*VOCABULARY.encode_text("red"), END_ANSWER]
    engine.recording.replies[key_of(seen, tokens)] = (red, [-0.1] * len(red))
    first, second = Perceiver(engine).look_at([Look(IMAGE), Look(small, [question("What colour is the sign?")])])
    assert (first.scene.width, len(first.scene.lanes), first.answers) == (960, 2, [])
    assert (second.scene.width, len(second.scene.lanes), second.answers[0].answer) == (480, 0, "red")
    assert second.scene.obstacles[0].box == pytest.approx(first.scene.obstacles[0].box / 2)


def test_the_rounds_of_one_look_are_as_many_as_asked_for_and_the_deadline_allows():
    still = int(offset_ids(np.array([0, 0])))
    counts = {"lanes": 6, "drivable area": 3, "obstacles": 4, "signs": 2}
    perceiver = Perceiver(recorded(offsets={name: [still] * count for name, count in counts.items()}), refinements=1)
    assert perceiver.look_at([Look(IMAGE)])[0].refinements == 1
    assert perceiver.look_at([Look(IMAGE)], refinements=0)[0].refinements == 0
    assert perceiver.look_at([Look(IMAGE)], deadline_s=60.0)[0].refinements == 1
    past = perceiver.look_at([Look(IMAGE)], deadline_s=0.0)[0]
    assert past.refinements == 0 and len(past.scene.lanes) == 2
