"""The evaluation with scripted perceivers: one that says the truth, one that says nothing; and its command line."""

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

from getok_core.lattice import Lattice
from getok_core.metrics.tally import FALSE, OBJECTS, SECONDS, Block, Tally, median_interval
from getok_core.scene import Answer, DrivableArea, Lane, Light, Obstacle, Scene, Sign
from training import evaluate
from training.samples import Frame
from training.suites import real, synthetic
from training.suites.references import Constant, ceiling, scaled

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
FRAMES = [
    Frame(np.full((160, 320, 3), 10, np.uint8), FULL, TASKS_KNOWN, {"surface": "wet"}, ("clear", "occluded")),
    Frame(np.full((160, 320, 3), 20, np.uint8), Scene(*SIZE), TASKS_KNOWN, {"surface": "dry"}),
]
NUMBERED = list(enumerate(FRAMES))


class Scripted:
    """Says a scene for each image, known by its first pixel, and answers by a table of (first pixel, query)."""

    def __init__(self, scenes: dict[int, Scene], answers=None):
        self.scenes, self.answers, self.lattice = scenes, answers or {}, Lattice(32)

    def perceive(self, image):
        return self.look(image)[0]

    def look(self, image, queries=(), standing=()):
        key = int(image[0, 0, 0])
        scene = self.scenes.get(key, Scene(image.shape[1], image.shape[0]))
        return scene, [Answer(self.answers.get((key, id_of(query)), ""), 1.0) for query in queries]


def id_of(query) -> tuple:
    return query.name, None if query.region is None else query.region.xy.tobytes()


def truthful() -> Scripted:
    answers = {(f.image[0, 0, 0].item(), id_of(q)): a for seed, f in NUMBERED for q, a in synthetic.asked_of(seed, f)}
    return Scripted({10: FULL}, answers)


@pytest.fixture(scope="module")
def constant() -> Constant:
    return Constant.learned((frame, synthetic.asked_of(seed, frame)) for seed, frame in NUMBERED)


def test_a_model_that_says_the_truth_is_perfect(constant) -> None:
    scenes, answers = synthetic.measure({0: truthful(), 1: truthful()}, NUMBERED, constant)
    perfect = [row for row in scenes.columns["model R=1"] if row not in (FALSE, OBJECTS, SECONDS)]
    assert len(perfect) == 9 + 1 + 6 + 1 + 3 + 1 + 3 + 1
    for row in perfect:
        assert scenes.columns["model R=1"][row].value == 1.0, row
    assert scenes.columns["model R=0"][FALSE].value == 0 and scenes.columns["model R=0"][OBJECTS].value == 3.5
    assert answers.columns["model"] and all(cell.value == 1.0 for cell in answers.columns["model"].values())
    assert "2 of" in scenes.title and "1 of them with nothing to find" in scenes.title


def test_a_model_that_says_nothing_finds_nothing(constant) -> None:
    scenes, answers = synthetic.measure({0: Scripted({})}, NUMBERED, constant)
    cells = scenes.columns["model R=0"]
    assert all(cells[row].value == 0 for row in cells if row.endswith(("F1", "recall", "IoU")))
    assert math.isnan(cells["lanes within 2 %: precision"].value)
    assert all(cell.value == 0 for cell in answers.columns["model"].values())


def test_what_is_drawn_on_an_empty_frame_is_counted_per_thousand(constant) -> None:
    scenes, _ = synthetic.measure({0: Scripted({10: FULL, 20: FULL})}, NUMBERED, constant)
    assert scenes.columns["model R=0"][FALSE].value == 7000
    assert scenes.columns["model R=0"]["lanes within 4 %: precision"].value == 0.5


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
    boxes, answers = real.signs({1: model}, tmp_path)
    cells = boxes.columns["model R=1"]
    assert (cells["signs at IoU 0.5: recall"].value, cells["lights at IoU 0.5: recall"].value) == (1, 0)
    assert {task: cell.value for task, cell in answers.columns["model"].items()} == {"light state": 0, "sign colour": 1}
    assert answers.columns["most frequent"]["sign colour"].value == 1
    assert answers.details["confusion"]["light state"] == {"off": {"red": 1}}


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def engine(monkeypatch):
    """The command with a scripted engine and the two frames above instead of rendered ones."""
    loaded = SimpleNamespace(manifest=SimpleNamespace(title="scripted 0"))
    monkeypatch.setattr(evaluate, "load_engine", lambda model, device, threads: loaded)
    monkeypatch.setattr(evaluate, "Perceiver", lambda engine, rounds: truthful())
    monkeypatch.setattr(synthetic, "unseen_frames", lambda count: NUMBERED[:count])
    pairs = [(frame, synthetic.asked_of(seed, frame)) for seed, frame in NUMBERED]
    monkeypatch.setattr(synthetic, "training_frames", lambda count: pairs)


def test_the_command_prints_a_table_and_writes_json(engine, tmp_path: Path, capsys) -> None:
    out = tmp_path / "scores.json"
    assert evaluate.main(["--model", "m", "--suite", "synthetic", "--scenes", "2", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "scripted 0 on cpu" in printed and "ceiling R=1" in printed and "100.0 (100.0-100.0)" in printed
    written = json.loads(out.read_text())
    columns = written["suites"]["synthetic"][0]["columns"]
    assert columns["model R=0"]["obstacles at IoU 0.5: F1"][0] == 1.0 and written["missing"] == []


def test_a_suite_without_data_leaves_the_other_and_exits_2(engine, monkeypatch, capsys) -> None:
    monkeypatch.delenv("GETOK_DATA", raising=False)
    assert evaluate.main(["--model", "m", "--scenes", "2"]) == 2
    printed = capsys.readouterr()
    assert "Synthetic scenes: 2" in printed.out and "Real" not in printed.out
    assert "getok: suite real: GETOK_DATA names no folder" in printed.err


def test_an_empty_data_folder_names_each_thing_missing(engine, monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("GETOK_DATA", str(tmp_path))
    assert evaluate.main(["--model", "m", "--suite", "real"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "getok: suite real" in line]
    assert len(lines) == 3 and "no clip at" in lines[0] and "comma10k" in lines[1] and "annotations.json" in lines[2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["--suite", "moon"], "'moon': name one or more of"), (["--refinements", "0,9"], "'0,9': give numbers"),
     (["--scenes", "0"], "'0': give a number of scenes")],
)  # fmt: skip
def test_wrong_options_are_refused_in_one_line(wrong, said, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--model", "m", *wrong])
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_a_missing_model_exits_2(tmp_path: Path, capsys) -> None:
    assert evaluate.main(["--model", str(tmp_path / "none")]) == 2
    assert "getok: " in capsys.readouterr().err
