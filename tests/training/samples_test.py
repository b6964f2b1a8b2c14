"""What a model is asked: sequences that parse back to the truth, targets that line up, drafts that lead to it."""

from __future__ import annotations

import numpy as np

from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.queries import STANDING, STANDING_TASKS, TASKS, standard_vocabulary
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign
from getok_core.vocabulary import ANSWER, DELETE, END_ANSWER, OFFSET_START
from training.samples import (
    IGNORE,
    Frame,
    anchor_segments,
    dense_truth,
    draft_segment,
    list_segment,
    make_sample,
    nearest_on,
    questions,
    scene_targets,
)

VOCABULARY, LATTICE = standard_vocabulary(), Lattice()
SCENE = Scene(
    512,
    256,
    lanes=(
        Lane("dashed white", 1.0, np.array([[40.0, 250.0], [150, 180], [240, 130]])),
        Lane("solid yellow", 1.0, np.array([[400.0, 255.0], [330, 180], [262, 131]])),
    ),
    drivable_areas=(DrivableArea("drivable", 1.0, np.array([[20.0, 254], [230, 130], [270, 130], [480, 254]])),),
    obstacles=(Obstacle("car", 1.0, np.array([200.0, 120, 240, 150])),),
    signs=(Sign("stop", "red", "clear", 1.0, np.array([420.0, 60, 450, 100])),),
    lights=(Light("green", 1.0, np.array([300.0, 20, 310, 45])),),
)
FRAME = Frame(np.zeros((256, 512, 3), np.uint8), SCENE, frozenset(STANDING_TASKS), {"surface": "wet"}, ("clear",))


def test_every_standing_answer_parses_back_to_its_truth():
    targets = scene_targets(FRAME, LATTICE)
    for query in STANDING:
        segment = list_segment(query, targets[query.name], FRAME, LATTICE, VOCABULARY)
        said = segment.targets[segment.targets != IGNORE]
        assert said[-1] == END_ANSWER
        parsed = parse(said, VOCABULARY, TASKS[query.name].form)
        assert parsed.faults == ()
        assert [one.label for one in parsed.instances] == [t.label for t in targets[query.name]]


def test_targets_are_the_next_tokens_and_goals_lie_in_their_cells():
    targets = scene_targets(FRAME, LATTICE)
    segment = list_segment(STANDING[0], targets["lanes"], FRAME, LATTICE, VOCABULARY)
    asked = segment.targets != IGNORE
    assert (segment.targets[:-1][asked[:-1]] == segment.ids[1:][asked[:-1]]).all()
    assert segment.ids[np.flatnonzero(asked)[0]] == ANSWER, "the first thing asked follows the prompt"
    grid = ~np.isnan(segment.goals[:, 0])
    assert (np.floor(segment.goals[grid]).astype(int) == VOCABULARY.cells(segment.targets[grid])).all()
    assert all(VOCABULARY.is_grid(token) == has for token, has in zip(segment.targets, grid, strict=True) if token >= 0)


def test_an_object_continued_from_its_anchor_is_asked_only_what_is_new():
    rng = np.random.default_rng(0)
    listed, continued = anchor_segments(
        STANDING[0], scene_targets(FRAME, LATTICE)["lanes"], FRAME, LATTICE, VOCABULARY, rng
    )
    anchors = parse(listed.targets[listed.targets != IGNORE], VOCABULARY, TASKS["lanes"].form.anchors())
    assert anchors.faults == () and [len(i.parts[0].ij) for i in anchors.instances] == [1, 1]
    first = int(np.flatnonzero(continued.targets != IGNORE)[0])
    assert VOCABULARY.is_grid(int(continued.ids[first])), "the anchor's own cell is given"
    assert not any(VOCABULARY.is_grid(int(token)) for token in continued.ids[:first])


def test_drafts_ask_for_offsets_at_vertices_alone():
    rng, seen = np.random.default_rng(1), set()
    targets = scene_targets(FRAME, LATTICE)
    for _ in range(60):
        segment = draft_segment(STANDING[0], targets["lanes"], FRAME, LATTICE, VOCABULARY, rng)
        if segment is None:
            continue
        asked = segment.targets[segment.targets != IGNORE]
        assert ((asked >= DELETE) & (asked < OFFSET_START + 9)).all()
        seen |= set(asked.tolist())
    assert DELETE in seen and len(seen) == 10


def test_nearest_point_of_a_line_by_hand():
    line = np.array([[0.0, 0], [10, 0], [10, 10]])
    assert nearest_on(line, np.array([[4.0, 3], [12, 5], [-1, -1]])).tolist() == [[4, 0], [10, 5], [0, 0]]
    assert nearest_on(line, np.array([[4.0, 5]]), closed=True).tolist() == [[4.5, 4.5]]


def test_questions_agree_with_the_truth():
    asked = [pair for seed in range(40) for pair in questions(FRAME, np.random.default_rng(seed))]
    answers = {}
    for query, answer in asked:
        answers.setdefault(query.name, set()).add(answer)
    assert answers["sign colour"] == {"red"} and answers["road surface"] == {"wet"}
    assert answers["light state"] == {"green"} and answers["obstacle class"] == {"car"}


def test_a_sample_fits_its_budget_and_its_dense_truth_its_picture():
    sample = make_sample(FRAME, LATTICE, VOCABULARY, np.random.default_rng(0), budget=150)
    assert 0 < sum(len(segment.ids) for segment in sample.segments) <= 150
    dense = dense_truth(FRAME, LATTICE)
    assert dense.shape == (5, 32, 32) and dense.min() >= 0 and dense.max() <= 1
    assert dense[2, 16, 13] == 1 and dense[2, 16, 20] == 0, "the car lies under cell (13, 16), not under (20, 16)"
    assert dense[1, 28, 16] == 1 and dense[1, 5, 16] == 0
