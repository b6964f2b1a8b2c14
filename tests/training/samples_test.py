"""What a model is asked: sequences that parse back to the truth, targets that line up, drafts that lead to it."""

from __future__ import annotations

import numpy as np
import pytest

from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.queries import STANDING, STANDING_TASKS, TASKS, standard_vocabulary
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign
from getok_core.vocabulary import ANSWER, DELETE, END_ANSWER, OFFSET_START
from training.absent import ASKED, OTHER, WHERE, absent_questions
from training.masks import seeds_of
from training.mirror import mirrored
from training.questions import attribute_questions, referred_targets, referring_questions
from training.samples import make_sample, pack
from training.scenes import Thing
from training.segments import (
    IGNORE,
    anchor_segments,
    draft_segment,
    list_segment,
    nearest_on,
    own_draft_segment,
)
from training.targets import Frame, dense_truth, scene_targets

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


@pytest.mark.parametrize("n", [16, 32, 64])
def test_targets_are_the_next_tokens_and_goals_lie_in_their_cells(n):
    lattice, vocabulary = Lattice(n), standard_vocabulary(n)
    targets = scene_targets(FRAME, lattice)
    segment = list_segment(STANDING[0], targets["lanes"], FRAME, lattice, vocabulary)
    asked = segment.targets != IGNORE
    assert (segment.targets[:-1][asked[:-1]] == segment.ids[1:][asked[:-1]]).all()
    assert segment.ids[np.flatnonzero(asked)[0]] == ANSWER, "the first thing asked follows the prompt"
    grid = ~np.isnan(segment.goals[:, 0])
    assert (np.floor(segment.goals[grid]).astype(int) == vocabulary.cells(segment.targets[grid])).all()
    assert all(vocabulary.is_grid(token) == has for token, has in zip(segment.targets, grid, strict=True) if token >= 0)


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


@pytest.mark.parametrize("n", [16, 64])
def test_drafts_on_other_lattices_lead_to_the_truth_too(n):
    lattice, vocabulary, rng, asked = Lattice(n), standard_vocabulary(n), np.random.default_rng(4), []
    lanes = scene_targets(FRAME, lattice)["lanes"]
    for _ in range(30):
        segment = draft_segment(STANDING[0], lanes, FRAME, lattice, vocabulary, rng)
        asked += [] if segment is None else segment.targets[segment.targets != IGNORE].tolist()
    assert len(asked) > 100 and np.mean(np.array(asked) == DELETE) < 0.25


def test_tracking_drafts_begin_two_cells_wide_and_rarely_delete():
    rng, steps, asked = np.random.default_rng(2), set(), []
    targets = scene_targets(FRAME, LATTICE)
    for _ in range(40):
        segment = draft_segment(STANDING[0], targets["lanes"], FRAME, LATTICE, VOCABULARY, rng, tracking=True)
        if segment is not None:
            steps |= {int(t) for t in segment.ids if VOCABULARY.tokens[t].startswith("<step")}
            asked += segment.targets[segment.targets != IGNORE].tolist()
    assert {VOCABULARY.tokens[step] for step in steps} == {"<step_-1>", "<step_0>", "<step_1>", "<step_2>"}
    assert np.mean(np.array(asked) == DELETE) < 0.1


def test_nearest_point_of_a_line_by_hand():
    line = np.array([[0.0, 0], [10, 0], [10, 10]])
    assert nearest_on(line, np.array([[4.0, 3], [12, 5], [-1, -1]])).tolist() == [[4, 0], [10, 5], [0, 0]]
    assert nearest_on(line, np.array([[4.0, 5]]), closed=True).tolist() == [[4.5, 4.5]]


def test_questions_agree_with_the_truth():
    asked = [pair for seed in range(40) for pair in attribute_questions(FRAME, np.random.default_rng(seed))]
    answers = {}
    for query, answer in asked:
        answers.setdefault(query.name, set()).add(answer)
    assert answers["sign colour"] == {"red"} and answers["road surface"] == {"wet"}
    assert answers["light state"] == {"green"} and answers["obstacle class"] == {"car"}


def test_a_region_said_to_hold_nothing_holds_nothing_of_that_kind():
    ids = np.zeros((256, 512), np.uint8)
    for ident, (left, top, right, bottom) in enumerate(
        ((200, 120, 240, 150), (420, 60, 450, 100), (300, 20, 310, 45)), 2
    ):
        ids[top:bottom, left:right] = ident
    ids[200:210, 100:110] = 9  # a thing too small to be listed
    frame = Frame(FRAME.image, SCENE, FRAME.known, ids=ids)
    asked = [one for seed in range(150) for one in absent_questions(frame, np.random.default_rng(seed), 3)]
    assert {(one.kind, one.where) for one in asked} == {(kind, where) for kind in ASKED for where in WHERE}
    for query, kind, where in asked:
        assert query.name in ASKED[kind]
        low, high = query.region.xy.min(0), query.region.xy.max(0)
        assert all((high < thing.box[:2]).any() or (low > thing.box[2:]).any() for thing in getattr(SCENE, kind))
        if where != OTHER:
            middle = np.clip((low + high) / 2, 0, (511, 255)).astype(int)
            assert ids[middle[1], middle[0]] == 0


def test_photographs_are_asked_about_labelled_things_alone():
    photo = Frame(FRAME.image, SCENE, frozenset({"signs", "lights"}))
    asked = [one for seed in range(60) for one in absent_questions(photo, np.random.default_rng(seed), 2)]
    assert {(one.kind, one.where) for one in asked} == {("signs", OTHER), ("lights", OTHER)}
    nothing_known = Frame(FRAME.image, SCENE, frozenset({"lanes"}))
    assert not list(absent_questions(nothing_known, np.random.default_rng(0), 5))


def test_none_is_a_sensible_part_of_what_is_answered_about_regions():
    said = []
    for seed in range(60):
        pack_ = make_sample(FRAME, LATTICE, VOCABULARY, np.random.default_rng(seed), length=900).packs[0]
        for number in range(int(pack_.segment.max()) + 1):
            mine = pack_.segment == number
            words = VOCABULARY.decode_text(pack_.ids[mine].tolist())
            if words.startswith(("What colour is the sign?At", "What is the obstacle?At")):
                said.append(VOCABULARY.decode_text([t for t in pack_.targets[mine].tolist() if t != IGNORE]))
    assert 0.1 < np.mean([word == "none" for word in said]) < 0.5, said


def test_a_referring_question_means_what_the_frame_shows():
    ids = np.zeros((256, 512), np.uint8)
    ids[120:150, 200:240] = 9
    thing = Thing(9, 1, "obstacle", "car", "red", np.array([200.0, 120, 240, 150]), 20.0, 0.0, "clear")
    frame = Frame(FRAME.image, SCENE, FRAME.known, things=(thing,), ids=ids)
    asked = [
        (query, referred_targets(query, frame, meant, LATTICE))
        for seed in range(60)
        for query, meant in referring_questions(frame, np.random.default_rng(seed), 3)
    ]
    assert {query.name for query, _ in asked} == {"referred boxes", "referred points", "referred masks"}
    meant = {query.text: [t.label for t in targets] for query, targets in asked}
    assert meant["the red car"] == ["car"] and [] in meant.values()
    for query, targets in asked:
        segment = list_segment(query, targets, frame, LATTICE, VOCABULARY)
        parsed = parse(segment.targets[segment.targets != IGNORE], VOCABULARY, TASKS[query.name].form)
        assert parsed.faults == () and len(parsed.instances) == len(targets)
        for target in targets:
            if target.kind == "pt":
                x, y = (target.uv[0] * (512, 256) / 32).astype(int)
                assert ids[y, x] == 9, "the point lies on the car"


def test_seeds_lie_deep_inside_a_mask():
    mask = np.zeros((256, 512), bool)
    mask[40:120, 100:400] = True
    seeds = seeds_of(mask)
    centres = ((seeds + 0.5) * (16, 8)).astype(int)
    assert 2 <= len(seeds) <= 3 and mask[centres[:, 1], centres[:, 0]].all()
    thin = np.zeros((256, 512), bool)
    thin[33, 65:68] = True
    assert seeds_of(thin).tolist() == [[4, 4]] and len(seeds_of(np.zeros((8, 8), bool))) == 0


def test_a_pack_keeps_requests_apart_and_leaves_out_what_does_not_fit():
    sample = make_sample(FRAME, LATTICE, VOCABULARY, np.random.default_rng(0), packs=2, length=150)
    assert len(sample.packs) == 2
    for one in sample.packs:
        used = one.segment >= 0
        assert 0 < used.sum() <= 150 and (one.targets[~used] == IGNORE).all() and (one.ids[~used] == 0).all()
        starts = np.flatnonzero(np.diff(one.segment[used], prepend=-1))
        assert (one.position[starts] == 0).all() and len(starts) > 3


def test_a_linked_draft_points_at_the_places_that_name_its_cells():
    targets = scene_targets(FRAME, LATTICE)
    around = (FRAME, LATTICE, VOCABULARY)
    first = list_segment(STANDING[1], targets["drivable area"], *around)
    whole = list_segment(STANDING[0], targets["lanes"], *around)
    packed = pack([first, whole, own_draft_segment(whole, STANDING[0], targets["lanes"], *around)], 300)
    linked = np.flatnonzero(packed.links >= 0)
    assert len(linked) == 2 * sum(len(t.written()) for t in targets["lanes"])
    assert (packed.targets[packed.links[linked]] == packed.ids[linked]).all()
    reads = np.flatnonzero(~np.isnan(packed.aims[:, 0]))
    assert (packed.targets[reads] >= DELETE).all() and (packed.targets[reads] < OFFSET_START + 9).all()
    alone = pack([own_draft_segment(whole, STANDING[0], targets["lanes"], *around)], 300)
    assert (alone.links == -1).all(), "its list is not there"


def test_dense_truth_lies_where_things_lie():
    dense = dense_truth(FRAME, LATTICE)
    assert dense.shape == (5, 32, 32) and dense.min() >= 0 and dense.max() <= 1
    assert dense[2, 16, 13] == 1 and dense[2, 16, 20] == 0, "the car lies under cell (13, 16), not under (20, 16)"
    assert dense[1, 28, 16] == 1 and dense[1, 5, 16] == 0


def test_a_mirrored_frame_twice_is_the_frame_and_its_truth_follows():
    there = mirrored(FRAME)
    assert there.scene.lanes[0].label == "solid yellow", "the order of lanes is by x again"
    assert there.scene.obstacles[0].box.tolist() == [272, 120, 312, 150]
    outline = there.scene.drivable_areas[0].points
    assert outline[0].tolist() == [32, 254], "an outline still begins at its lowest left vertex"
    back = mirrored(there)
    for name in ("lanes", "drivable_areas"):
        for one, other in zip(getattr(back.scene, name), getattr(SCENE, name), strict=True):
            np.testing.assert_allclose(one.points, other.points)
