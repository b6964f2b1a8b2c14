"""The evaluation with scripted perceivers: one that says the truth, one that says nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing: install the training extra")

from getok_core.errors import ModelError
from getok_core.lattice import Lattice
from getok_core.metrics import boundaries
from getok_core.metrics.intervals import Interval
from getok_core.metrics.tally import FALSE, OBJECTS, SECONDS, Block, Tally, median_interval
from getok_core.perceiver import Perceiver
from getok_core.queries import REFERRING_TASKS
from getok_core.scene import Answer, DrivableArea, Lane, Light, Obstacle, Scene, Sign, scaled
from getok_core.vocabulary import OFFSET_START
from tests.core.perceiver_test import IMAGE, recorded
from training import evaluate
from training.absent import BESIDE, EMPTY, OTHER
from training.scenes import Thing, render
from training.suites import control, frames, real, referred, slices, synthetic
from training.suites.frames import asked_of
from training.suites.references import Constant, ceiling
from training.suites.remembered import RememberedEngine
from training.suites.replies import MEAN
from training.suites.sheet import Sheet
from training.targets import Frame

SIZE = (320, 160)
TASKS_KNOWN = frozenset({"lanes", "drivable area", "obstacles", "signs", "lights"})
FULL = Scene(
    *SIZE,
    (
        Lane("solid white", 1.0, np.array([[60.0, 158], [140, 82]])),
        Lane("curb", 1.0, np.array([[262.0, 158], [182, 82]])),
    ),
    (DrivableArea("drivable", 1.0, np.array([[60.0, 158], [140, 82], [182, 82], [262, 158]])),),
    (Obstacle("car", 1.0, np.array([140.0, 80, 190, 120])), Obstacle("cone", 1.0, np.array([33.0, 60, 57, 110]))),
    (Sign("stop", "red", "clear", 1.0, np.array([250.0, 30, 280, 60])),),
    (Light("green", 1.0, np.array([200.0, 10, 215, 50])),),
)
THINGS = tuple(
    Thing(ident, ident, kind, label, hue, box, distance, 0.0, state)
    for ident, kind, label, hue, box, distance, state in (
        (10, "obstacle", "car", "", FULL.obstacles[0].box, 12.0, "clear"),
        (11, "obstacle", "cone", "", FULL.obstacles[1].box, 20.0, "occluded"),
        (12, "sign", "stop", "red", FULL.signs[0].box, 50.0, "clear"),
        (13, "light", "green", "green", FULL.lights[0].box, 30.0, "clear"),
    )
)
IDS = np.zeros((160, 320), np.uint8)
for thing in THINGS:
    left, top, right, bottom = thing.box.astype(int)
    IDS[top:bottom, left:right] = thing.ident
FRAMES = [
    Frame(np.full((160, 320, 3), 10, np.uint8), FULL, TASKS_KNOWN, {"surface": "wet"}, ("clear", "occluded"), THINGS,
          IDS),
    Frame(np.full((160, 320, 3), 20, np.uint8), Scene(*SIZE), TASKS_KNOWN, {"surface": "dry"}),
]  # fmt: skip
NUMBERED = list(enumerate(FRAMES))


class Scripted:
    """Says a scene for each image, known by its first pixel, and answers by a table of (first pixel, query)."""

    def __init__(self, scenes: dict[int, Scene], answers=None, tasks=REFERRING_TASKS):
        self.scenes, self.answers, self.lattice = scenes, answers or {}, Lattice(32)
        self.manifest = SimpleNamespace(title="scripted 0", tasks=tasks)

    def perceive(self, image):
        return self.look(image)[0]

    def look(self, image, queries=(), standing=()):
        key = int(image[0, 0, 0])
        scene = self.scenes.get(key, Scene(image.shape[1], image.shape[0]))
        answers = [self.answers.get((key, id_of(query)), "") for query in queries]
        return scene, [one if isinstance(one, Answer) else Answer(one, 1.0) for one in answers]


def id_of(query) -> tuple:
    return query.name, query.text, None if query.region is None else query.region.xy.tobytes()


def truthful() -> Scripted:
    answers = {}
    for seed, frame in NUMBERED:
        key = int(frame.image[0, 0, 0])
        answers |= {(key, id_of(query)): answer for query, answer in asked_of(seed, frame)}
        for one in referred.referred_of(seed, frame):
            boxes = [frame.things[index].box for index in one.meant]
            obstacles = tuple(Obstacle("other", 1.0, box) for box in boxes)
            middles = tuple(box.reshape(2, 2).mean(0, keepdims=True) for box in boxes)
            boxed, pointed = one.queries
            answers[key, id_of(boxed)] = Answer("" if boxes else "none", 1.0, (), Scene(*SIZE, obstacles=obstacles))
            answers[key, id_of(pointed)] = Answer("" if boxes else "none", 1.0, middles)
    return Scripted({10: FULL}, answers)


@pytest.fixture(scope="module")
def constant() -> Constant:
    return Constant.learned((frame, asked_of(seed, frame)) for seed, frame in NUMBERED)


def measured(model: dict[int, Scripted], constant: Constant) -> dict[str, Block]:
    """Tables by the name that synthetic gives them."""
    bench, sheet = synthetic.Bench(model, constant), Sheet()
    for seed, frame in NUMBERED:
        sheet.merge(bench.scene(seed, frame))
    sheet.merge(bench.empty(7, "no road", FRAMES[1]))
    every = (synthetic.SCENES, synthetic.SLICES, synthetic.THINGS, synthetic.REFERRED, synthetic.CONTROL)
    names = [name for name in (*every, synthetic.NOTHING, synthetic.EMPTY) if name in sheet.tables]
    taken = dict.fromkeys(model, Interval(0.1, 0.1, 0.1))
    return dict(zip([*names, "questions"], synthetic.blocks(sheet, taken), strict=True))


def test_a_model_that_says_the_truth_is_perfect(constant) -> None:
    tables = measured({0: truthful(), 1: truthful()}, constant)
    cells = tables[synthetic.SCENES].columns["model R=1"]
    perfect = [row for row in cells if row not in (FALSE, OBJECTS, SECONDS, boundaries.ROW)]
    assert len(perfect) == 9 + 1 + 6 + 1 + 3 + 1 + 3 + 1 + 6
    for row in perfect:
        assert cells[row].value == 1.0, row
    assert cells[boundaries.ROW].value == 0, "the borders are the same"
    assert cells[FALSE].value == 0 and cells[OBJECTS].value == 3.5 and cells[SECONDS].value == 0.1
    for table in (synthetic.THINGS, synthetic.REFERRED):
        assert all(cell.value == 1.0 for cell in tables[table].columns["model R=1"].values()), table
    assert {referred.REC, referred.POINTING, referred.EVERY} <= set(tables[synthetic.REFERRED].columns["model R=1"])
    answers = tables["questions"].columns["model"]
    assert MEAN in answers and all(cell.value == 1.0 for cell in answers.values())
    assert "2 of" in tables[synthetic.SCENES].title and "1 with nothing to find" in tables[synthetic.SCENES].title


def test_a_model_that_says_nothing_finds_nothing(constant) -> None:
    tables = measured({0: Scripted({})}, constant)
    cells = tables[synthetic.SCENES].columns["model R=0"]
    assert all(cells[row].value == 0 for row in cells if row.endswith(("F1", "recall", "IoU")))
    assert math.isnan(cells["lanes within 2 %: precision"].value)
    assert all(cell.value == 0 for cell in tables["questions"].columns["model"].values())
    expressions = tables[synthetic.REFERRED].columns["model R=0"]
    assert expressions[referred.REC].value == expressions[referred.POINTING].value == 0
    assert tables[synthetic.EMPTY].columns["no road"][synthetic.ABSENT_SAID].value == 0


def test_a_model_without_referring_tasks_is_not_asked_them(constant) -> None:
    tables = measured({0: Scripted({10: FULL}, tasks=())}, constant)
    assert synthetic.REFERRED not in tables and synthetic.SCENES in tables


def test_what_is_drawn_on_an_empty_frame_is_counted_per_thousand(constant) -> None:
    tables = measured({0: Scripted({10: FULL, 20: FULL})}, constant)
    cells = tables[synthetic.SCENES].columns["model R=0"]
    assert cells[FALSE].value == 7000 and cells["lanes within 4 %: precision"].value == 0.5
    empty = tables[synthetic.EMPTY].columns["no road"]
    assert empty[FALSE].value == 7000 and empty[synthetic.DRAWN].value == 1


# -- referring, control, slices --------------------------------------------------------------------------------------


def test_a_point_hits_the_mask_once_and_nothing_meant_wants_nothing() -> None:
    frame = FRAMES[0]
    both = referred.Referred("every obstacle", (0, 1))
    twice = [np.array([[150.0, 100.0]]), np.array([[160.0, 100.0]])]
    assert referred.referred_parts(frame, both, [], [], twice)[referred.POINTING] == (2, 4)
    beside = [np.array([[139.0, 100.0]]), np.array([[40.0, 100.0]])]
    assert referred.referred_parts(frame, both, [], [], beside)[referred.POINTING] == (2, 4)
    nothing = referred.Referred("the blue bus", ())
    silent = referred.referred_parts(frame, nothing, [], [], ())
    loud = referred.referred_parts(frame, nothing, [FULL.signs[0].box], [1.0], ())
    assert silent[referred.NOTHING] == (1, 1) and loud[referred.NOTHING] == (0, 1) and loud[referred.EVERY] == (0, 1)


def test_the_surest_box_counts_for_one_thing_meant() -> None:
    one, boxes = referred.Referred("the car", (0,)), [FULL.obstacles[0].box, FULL.obstacles[1].box]
    right = referred.referred_parts(FRAMES[0], one, boxes, [0.9, 0.8], ())[referred.REC]
    wrong = referred.referred_parts(FRAMES[0], one, boxes, [0.7, 0.8], ())[referred.REC]
    assert (right, wrong) == ((1, 1), (0, 1))


def test_control_takes_two_colours_and_a_place_apart() -> None:
    (red,) = FULL.signs
    blue = replace(red, colour="blue", box=np.array([20.0, 20, 50, 50]))
    assert control.control_of(0, FRAMES[0]) is None
    frame = replace(FRAMES[0], scene=replace(FULL, signs=(red, replace(red, box=red.box + 1), blue)))
    made = control.control_of(0, frame)
    assert made is not None and made.colours == ("red", "blue") and made.away is not None
    for thing in (*frame.scene.signs, *frame.scene.obstacles, *frame.scene.lights):
        low, high = made.away.xy
        assert (low >= thing.box[2:]).any() or (high <= thing.box[:2]).any()
    parts = control.control_parts(made, ["red", "blue", "none"], ["red", "red"])
    assert parts == {control.RIGHT: (2, 2), control.FOLLOWS: (1, 1), control.GREY: (1, 2), control.ELSEWHERE: (0, 1),
                     control.NOTHING: (1, 1)}  # fmt: skip
    stuck = control.control_parts(made, ["red", "red", "red"], ["red", "red"])
    assert stuck[control.FOLLOWS] == (0, 1) and stuck[control.ELSEWHERE] == (1, 1)


def test_a_model_that_always_says_none_is_found_out() -> None:
    absent = [one for seed in range(30) for one in control.absent_of(seed, FRAMES[0])]
    assert {(one.kind, one.where) for one in absent} >= {("signs", OTHER), ("lights", EMPTY), ("obstacles", BESIDE)}
    present = [(query, truth, "none") for query, truth in asked_of(0, FRAMES[0])]
    parts = control.absent_parts(absent, ["none"] * len(absent), present)
    held = parts.pop(control.SAYS_NONE_ALL_THE_SAME)
    assert all(above == below for above, below in parts.values()) and held[0] == held[1] > 0
    wrong = control.absent_parts(absent, ["red"] * len(absent), [])
    assert all(above == 0 for above, _ in wrong.values())


def test_slices_know_the_world_that_was_rendered() -> None:
    on_road = 0
    for seed in range(1_000_000, 1_000_012):
        made = render(seed, (320, 180))
        if made.attributes.get("surface") not in (None, "not visible"):
            on_road += 1
            assert slices.world_of(seed, (320, 180)).mood.surface == made.attributes["surface"]
            frame = Frame(made.image, made.scene, made.known)
            assert set(slices.conditions(seed, frame)) <= set(slices.CONDITIONS)
    assert on_road > 5


def test_empty_frames_hold_nothing() -> None:
    for seed in frames.empty_seeds(4):
        kind, frame = frames.empty(seed)
        assert kind in frames.EMPTY and synthetic.objects(frame.scene) == 0 and frame.size == frames.SIZE
    assert not set(frames.empty_seeds(200)) & set(frames.unseen_seeds(1000))


def test_a_remembering_engine_says_the_same_and_encodes_once() -> None:
    read = {"lanes": 6, "drivable area": 3, "obstacles": 4, "signs": 2}
    engine = recorded(offsets={name: [OFFSET_START + 5] * count for name, count in read.items()})
    opened = []
    counting = SimpleNamespace(manifest=engine.manifest, vocabulary=engine.vocabulary, caps=engine.caps,
                               device="recorded", close=engine.close,
                               open=lambda images: opened.append(1) or engine.open(images))  # fmt: skip
    remembering = RememberedEngine(counting)
    for rounds in (1, 0, 1):
        plain = Perceiver(engine, rounds).perceive(IMAGE).to_json()
        again = Perceiver(remembering, rounds).perceive(IMAGE).to_json()
        assert {**plain, "seconds": 0} == {**again, "seconds": 0}
    assert len(opened) == 1 and plain["lanes"] != Perceiver(remembering, 0).perceive(IMAGE).to_json()["lanes"]
    with pytest.raises(ModelError):
        Perceiver(remembering).perceive(IMAGE[::-1].copy())
    assert len(opened) == 2


# -- what stands beside ----------------------------------------------------------------------------------------------


def test_the_ceiling_rises_with_refinement() -> None:
    ious = [synthetic.scene_parts(FULL, ceiling(FRAMES[0], Lattice(32), r))["drivable area: IoU"] for r in (0, 3)]
    assert 0.8 < ious[0].iou < ious[1].iou <= 1.0
    finest = ceiling(FRAMES[0], Lattice(32), 3)
    assert [one.label for one in finest.obstacles] == ["car", "cone"] and finest.signs[0].colour == "red"
    assert len(finest.lanes[0].points) <= 12
    assert np.abs(finest.obstacles[0].box - FULL.obstacles[0].box).max() <= 320 / 32 / 16


def test_the_constant_learns_medians_and_the_usual_words(constant) -> None:
    moved = scaled(constant.unit, SIZE)
    assert (moved.width, moved.height) == SIZE
    assert (constant.colour, constant.state) == ("red", "green") and constant.obstacle in ("car", "cone")
    assert moved.signs[0].box == pytest.approx(FULL.signs[0].box) and len(moved.lights) == 1
    parts = synthetic.constant_parts(FULL, constant)
    assert parts[synthetic.COLOUR] == (1, 1) and parts[synthetic.CLASS] == (1, 2)


def test_right_words_count_only_for_what_was_found() -> None:
    (sign,) = FULL.signs
    blue = replace(FULL, signs=(replace(sign, colour="blue"),), lights=())
    parts = synthetic.scene_parts(FULL, blue)
    assert parts[synthetic.COLOUR] == (0, 1) and parts["signs at IoU 0.5: F1"] == (2, 2)
    assert parts[synthetic.STATE] == (0, 0)


def test_intervals_resample_whole_images() -> None:
    tally = Tally()
    for image in range(20):
        tally.add(image, {"row": (image % 2, 1)})
        tally.add(image, {"row": (image % 2, 1)})
    interval = tally.intervals()["row"]
    assert interval.value == 0.5 and 0.2 < interval.low < 0.35 and 0.65 < interval.high < 0.8
    assert median_interval([1.0, 2.0, 9.0]).value == 2.0 and math.isnan(median_interval([]).value)


def test_a_block_says_what_was_not_measured() -> None:
    tally = Tally()
    tally.add(0, {"seen": (1, 2), "unseen": (0, 0)})
    block = Block("title", {"model": tally.intervals(), "other": {}})
    lines = block.text().splitlines()
    assert "50.0 (50.0-50.0)" in lines[2] and lines[2].endswith("-") and lines[3].split() == ["unseen", "-", "-"]
    assert block.to_json()["columns"]["model"] == {"seen": [0.5, 0.5, 0.5], "unseen": [None, None, None]}
    json.dumps(block.to_json(), allow_nan=False)


# -- real frames, their files made here ----------------------------------------------------------------------------


SIGN = {"cls": "stop", "box": [10, 10, 60, 60], "colour": "red", "shape": "octagon", "colour_visible": True}
GREY = {**SIGN, "colour_visible": False}
LIGHT = {"cls": "trafficlight", "box": [100, 10, 120, 60], "state": "lamps_not_visible_or_off", "state_sure": True}
DIM = {**LIGHT, "state_sure": False}


def test_only_what_can_be_seen_is_asked_about() -> None:
    asked = real.sure_questions([SIGN, GREY, LIGHT, DIM])
    assert [(query.name, answer) for query, answer in asked] == [("sign colour", "red"), ("light state", "off")]
    assert asked[0][0].region.xyxy.tolist() == [10, 10, 60, 60]
    assert real.usual_answers([[SIGN], [LIGHT]]) == {"sign colour": "red", "light state": "off"}


def test_a_missing_or_changed_test_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(evaluate.DataError, match=r"road24.jpg is missing: set GETOK_DATA"):
        real.unseen_images(tmp_path, "roadsigns")
    (tmp_path / "roadsigns" / "images").mkdir(parents=True)
    (tmp_path / "roadsigns" / "images" / "road24.jpg").write_bytes(b"another")
    with pytest.raises(evaluate.DataError, match="is not the image that"):
        real.unseen_images(tmp_path, "roadsigns")


def test_street_photographs_are_scored_by_recall_and_answers(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "roadsigns" / "images"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "road1.png"), np.full((80, 160, 3), 30, np.uint8))
    entries = {"road1.png": {"objects": [SIGN, LIGHT]}, "road2.png": {"objects": [SIGN]}}
    (tmp_path / "roadsigns" / "annotations.json").write_text(json.dumps(entries))
    monkeypatch.setattr(real, "unseen_images", lambda data, group: [folder / "road1.png"])
    asked = real.sure_questions([SIGN, LIGHT])
    scene = Scene(160, 80, signs=(Sign("stop", "red", "clear", 1.0, np.array([10.0, 10, 60, 60])),))
    model = Scripted({30: scene}, {(30, id_of(query)): "red" for query, _ in asked})
    boxes, answers, nothing = real.signs({1: model}, tmp_path)
    assert {cell.value for cell in nothing.columns["model"].values()} == {0.0}, "it never says none"
    assert boxes.columns["ceiling R=1"]["signs at IoU 0.5: recall"].value == 1
    cells = boxes.columns["model R=1"]
    assert (cells["signs at IoU 0.5: recall"].value, cells["lights at IoU 0.5: recall"].value) == (1, 0)
    said = {task: cell.value for task, cell in answers.columns["model"].items()}
    assert said == {"light state": 0, "sign colour": 1, MEAN: 0.5}
    assert answers.columns["most frequent"]["sign colour"].value == 1
    assert answers.details["confusion"]["light state"] == {"off": {"red": 1}}
