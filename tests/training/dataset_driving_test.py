"""Driving data: our own schema, a fleet's labels, the public lane sets; the command that converts, seeds included."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from getok_core.geometry import Box, Mask, Seeds
from getok_core.labels import cvat, read_labels
from getok_core.lattice import Lattice
from tests.core.label_formats_test import OPENLANE
from tests.training.public_sets import INSTANCES, SETS, SQUARE, picture, put
from training.datasets.__main__ import main, options
from training.datasets.registry import CONVERTERS, converter
from training.datasets.sample import Sample, parse, read
from training.datasets.seeds import SeedWriter
from training.datasets.source import Source

FRAME = {
    "image": "city/000017.jpg", "size": [64, 48], "split": "train",
    "lanes": [{"style": "dashed", "colour": "white", "polyline": [[10, 47], [20, 20]]},
              {"kind": "curb", "polyline": [[60, 47], [40, 20]]}, {"polyline": [[30, 47], [30, 20]]}],
    "drivable_areas": [{"polygon": [[10, 47], [20, 20], [60, 47]]}],
    "obstacles": [{"class": "barrier", "visible_state": "occluded", "box": [20, 10, 50, 30], "point": [35, 20],
                   "mask": [[20, 10, 50, 10, 50, 30, 20, 30]]}],
    "signs": [{"shape": "triangle", "colour": "red", "visible_state": "clear", "point": [5, 5], "box": [2, 2, 8, 8]}],
    "lights": [{"state": "green", "box": [1, 1, 3, 6]}],
    "road": {"road blockage": "partly blocked", "road surface": "wet", "region": {"box": [0, 20, 64, 48]}},
    "complete": ["lanes", "drivable area", "obstacles", "signs", "lights"],
}  # fmt: skip


def driving(folder: Path, *frames: Any) -> tuple[list[Sample], list[str]]:
    source = Source(put(folder / "driving.jsonl", frames))
    return list(converter("driving")(source)), source.skipped.lines


def asked(samples: list[Sample]) -> list[tuple[str, str, Any]]:
    """Task, kind of region and answer, a list's labels."""

    def said(answer: Any) -> Any:
        return answer if isinstance(answer, str) else [one.label for one in answer]

    return [(one.query.name or one.query.text, one.query.region.kind if one.query.region else "", said(one.answer))
            for one in samples]  # fmt: skip


def test_a_frame_of_the_study_becomes_its_lists_and_its_questions(tmp_path: Path) -> None:
    samples, skipped = driving(tmp_path, FRAME)
    assert not skipped and asked(samples) == [
        ("lanes", "", ["dashed white", "unknown", "curb"]),
        ("drivable area", "", ["drivable"]),
        ("obstacles", "", ["barrier"]),
        ("signs", "", ["triangle red clear"]),
        ("lights", "", ["green"]),
        *(("obstacle class", kind, "barrier") for kind in ("pt", "box", "seg")),
        *(("obstacle visible state", kind, "occluded") for kind in ("pt", "box", "seg")),
        *(("sign colour", kind, "red") for kind in ("pt", "box")),
        *(("sign visible state", kind, "clear") for kind in ("pt", "box")),
        ("light state", "box", "green"),
        ("Segment every barrier", "", ["barrier"]),
        ("Point at every sign", "", ["sign"]),
        ("road blockage", "box", "partly blocked"),
        ("road surface", "box", "wet"),
    ]  # fmt: skip
    seeds = next(one.query.region for one in samples if one.query.region and one.query.region.kind == "seg")
    assert all(SQUARE[int(y), int(x)] for x, y in seeds.xy)


def test_lists_have_the_order_and_direction_of_a_scene(tmp_path: Path) -> None:
    far, near = {"class": "car", "box": [20, 10, 30, 20]}, {"class": "cone", "box": [1, 30, 5, 40]}
    lines = [{"kind": "curb", "polyline": [[40, 20], [60, 47]]}, {"kind": "edge", "polyline": [[10, 47], [50, 20]]}]
    area = [{"polygon": [[20, 20], [10, 47], [60, 47]]}]
    changed = {"obstacles": [far, near], "lanes": lines, "drivable_areas": area}
    lanes, areas, obstacles = driving(tmp_path, FRAME | changed)[0][:3]
    assert [one.shape.xy[0].tolist() for one in lanes.answer] == [[10, 47], [60, 47]]
    assert areas.answer[0].shape.xy.tolist() == [[10, 47], [20, 20], [60, 47]]
    assert [one.label for one in obstacles.answer] == ["cone", "car"]


def test_what_is_not_complete_is_not_asked_for_whole_and_another_split_not_at_all(tmp_path: Path) -> None:
    samples, skipped = driving(tmp_path, FRAME | {"complete": [], "road": {}}, FRAME | {"split": "test"})
    assert not skipped and {one.kind for one in samples} == {"text"} and len(samples) == 11


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"complete": ["walls"]}, "complete 'walls' is none of lanes"),
        ({"lanes": [{"kind": "wall", "polyline": [[1, 1], [2, 2]]}]}, "lanes: 'wall' is none of the words"),
        ({"lanes": [{"kind": "curb"}]}, "'polyline' is missing"),
        (
            {"obstacles": [{"class": "cone", "visible_state": "far", "box": [1, 1, 3, 3]}]},
            "visible state 'far' is none",
        ),
        (
            {"obstacles": [{"class": "cone", "box": [1, 1, 3, 3], "mask": [[90, 90, 91, 90, 91, 91]]}]},
            "a mask is empty",
        ),
        ({"road": {"road surface": "mud"}}, "road surface 'mud' is none of dry"),
        ({"lights": [{"state": "red", "box": [1, 1, 3, 3]}] * 9}, "9 lights: an answer holds at most 8"),
        ({"size": 5}, "size must be a list"),
    ],
)
def test_a_malformed_frame_is_named_and_the_next_is_read(changed: dict, reason: str, tmp_path: Path) -> None:
    samples, (line,) = driving(tmp_path, FRAME | changed, FRAME)
    assert line.startswith(f"{tmp_path}/driving.jsonl:1: ") and reason in line and len(samples) == 20


# -- labels that replay reads too ----------------------------------------------------------------------------------

CULANE = "100 589 200 300 \n700.5 300 600 589\n"
TUSIMPLE = {"raw_file": "clips/1/20.jpg", "h_samples": [240, 250], "lanes": [[300, 290], [-2, -2]]}
BDD = {"name": "0001.jpg", "labels": [{"category": "car", "box2d": {"x1": 10, "y1": 20, "x2": 29, "y2": 39}},
       {"category": "traffic sign", "attributes": {}, "box2d": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "said", "expected"),
    [
        ("culane", "driver/00000.lines.txt", CULANE, [("driver/00000.jpg", (1640, 590), "lanes", ["unknown"] * 2)]),
        ("tusimple", "label_data.json", TUSIMPLE, [("clips/1/20.jpg", (1280, 720), "lanes", ["unknown"])]),
        ("openlane", "segment/150.json", OPENLANE,
         [("training/segment-1/150.jpg", (1920, 1280), "lanes", ["dashed yellow", "curb"])]),
        ("bdd100k", "train.json", [BDD], [("0001.jpg", (1280, 720), "obstacles", ["car"]),
                                          ("0001.jpg", (1280, 720), "signs", ["other other clear"])]),
    ],
)  # fmt: skip
def test_public_driving_sets_become_standing_tasks(
    name: str, file: str, said: Any, expected: list, tmp_path: Path
) -> None:
    path = put(tmp_path / file, said)
    source = Source(tmp_path if name in ("culane", "openlane") else path)
    samples = list(converter(name)(source))
    found = [(one.image, one.size, one.query.name, [each.label for each in one.answer]) for one in samples]
    assert found == expected and not source.skipped.lines


def test_a_fleets_labels_are_recognised_and_their_faults_kept(tmp_path: Path) -> None:
    line = {"frame": "a.jpg", "image": {"width": 64, "height": 48},
            "obstacles": [{"label": "car", "box": [1, 2, 9, 8]}],
            "questions": [{"task": "sign colour", "region": "point:5,5", "answer": "red"}]}  # fmt: skip
    numbered = line | {"frame": 12}
    source = Source(put(tmp_path / "labels.jsonl", [line, "{", numbered]))
    samples = list(converter("labels")(source))
    assert asked(samples) == [("obstacles", "", ["car"]), ("sign colour", "pt", "red")]
    assert len(source.skipped.lines) == 2
    assert "labels.jsonl:2: no JSON" in source.skipped.lines[0] and "names no image file" in source.skipped.lines[1]
    cvat.write(tmp_path / "annotations.xml", read_labels(tmp_path / "labels.jsonl").frames)
    again = list(converter("cvat")(Source(tmp_path / "annotations.xml")))
    assert ("obstacles", "", ["car"]) in asked(again) and ("sign colour", "pt", "red") in asked(again)


def test_images_of_many_sets_lie_in_one_folder_of_folders(tmp_path: Path) -> None:
    picture(tmp_path / "all" / "mine" / "a.png")
    file = put(tmp_path / "labels.jsonl", [{"frame": "a.jpg", "lanes": []}])
    arguments = ["labels", str(file), "--images", str(tmp_path / "all"), "--prefix", "mine"]
    assert main([*arguments, "--out", str(tmp_path / "out.jsonl")]) == 0
    assert [(one.image, one.size) for one in read(tmp_path / "out.jsonl")] == [("mine/a.png", (64, 48))]


def test_an_image_whose_labels_have_no_size_is_measured(tmp_path: Path) -> None:
    line = {"frame": "a.png", "lanes": [{"label": "curb", "points": [[1, 40], [9, 8]]}]}
    file = put(tmp_path / "labels.jsonl", [line])
    picture(tmp_path / "a.png")
    assert [one.size for one in converter("labels")(Source(file, tmp_path))] == [(64, 48)]
    lost = Source(file)
    assert not list(converter("labels")(lost)) and "give --images" in lost.skipped.lines[0]


# -- seeds and the command -----------------------------------------------------------------------------------------


class Blocks:
    """A MaskDecoder whose every point yields the 10 x 10 block it lies in; it counts the images it saw."""

    def __init__(self) -> None:
        self.calls = 0

    def masks(self, image: np.ndarray, prompts: list[Seeds | Box]) -> list[Mask]:
        self.calls += 1
        found = []
        for prompt in prompts:
            x, y = (prompt.xy[0] // 10 * 10).astype(int)
            area = np.zeros(image.shape[:2], bool)
            area[y : y + 10, x : x + 10] = True
            found.append(Mask(area))
        return found


def test_seeds_by_a_segmenter_cover_the_mask_and_an_image_is_looked_at_once(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    drawn = {"label": "bus", "mask": [[20, 10, 50, 10, 50, 30, 20, 30]]}
    line = {"image": "a.png", "size": [64, 48], "query": {"text": "q"}, "kind": "seg", "answer": [drawn, drawn]}
    decoder = Blocks()
    seeded = SeedWriter(Lattice(16), decoder, tmp_path).write(parse(line))
    assert decoder.calls == 1
    blocks = {(int(x) // 10, int(y) // 10) for x, y in seeded.answer[0].seeds.xy}
    assert blocks == {(i, j) for i in (2, 3, 4) for j in (1, 2)} and len(seeded.answer[1].seeds.xy) == 6


def test_the_command_converts_counts_and_leaves_out_test_images(tmp_path: Path, capsys: Any) -> None:
    one = SETS["refcoco"][1](tmp_path / "refcoco")
    out = tmp_path / "out" / "refcoco.jsonl"
    assert main(["refcoco", str(one.source), "--out", str(out), "--seeds", "--limit", "2"]) == 0
    first, second = read(out)
    assert (first.kind, second.kind) == ("seg", "box") and len(first.answer[0].seeds.xy)
    assert not out.with_suffix(".skipped.txt").exists() or out.with_suffix(".skipped.txt").read_text()
    assert f"{out}: 2 samples" in capsys.readouterr().out
    evaluation = tmp_path / "evaluation.jsonl"
    assert main(["samples", str(out), "--out", str(evaluation), "--limit", "1"]) == 0
    capsys.readouterr()
    assert main(["refcoco", str(one.source), "--out", str(out), "--without", str(evaluation)]) == 2
    error = capsys.readouterr().err
    assert "nothing was converted" in error and error.count("\n") == 1 and len(list(read(out))) == 2


def test_frames_that_this_repository_tests_on_are_left_out(tmp_path: Path, capsys: Any) -> None:
    tested = "0002_e8e95b54ed6116a6_2018-09-05--22-04-33_2_608.png"
    lines = [{"frame": name, "image": {"width": 64, "height": 48}, "lanes": []} for name in (f"imgs/{tested}", "b.png")]
    picture(tmp_path / "b.jpg")
    out = tmp_path / "out.jsonl"
    arguments = ["labels", str(put(tmp_path / "labels.jsonl", lines)), "--images", str(tmp_path), "--out", str(out)]
    assert main(arguments) == 0
    assert [sample.image for sample in read(out)] == ["b.jpg"]  # the suffix under which it lies
    assert "its image is test only" in out.with_suffix(".skipped.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["llava", "gone.json"], "gone.json cannot be read: No such file"),
        (["refcoco", "gone.json"], "instances.json is missing: what each ref means"),
        (["refcoco", "refs.p"], "is a pickle"),
        (["ade20k", "."], "objectInfo150.txt is missing"),
        (["labels", "gone"], "labels gone do not exist"),
        (["samples", "gone.jsonl", "--segmenter", "broken"], "names no segmenter"),
    ],
)
def test_what_cannot_be_begun_is_one_line(arguments: list[str], reason: str, tmp_path: Path, monkeypatch: Any,
                                          capsys: Any) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "broken" / "manifest.json", {})
    assert main([*arguments, "--out", "out.jsonl"]) == 2
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1 and not list(tmp_path.glob("out*"))


def test_a_mask_in_a_sample_file_gets_seeds_later(tmp_path: Path) -> None:
    lines = [{"image": "a", "size": [64, 48], "query": {"text": "q"}, "kind": "seg", "answer": [{"mask": mask}]}
             for mask in (INSTANCES["annotations"][1]["segmentation"], [[70, 50, 71, 50, 71, 51]])]  # fmt: skip
    file = put(tmp_path / "samples.jsonl", lines)
    assert main(["samples", str(file), "--out", str(tmp_path / "seeded.jsonl"), "--seeds", "--lattice", "16"]) == 0
    (sample,) = read(tmp_path / "seeded.jsonl")
    cells = Lattice(16).encode(sample.answer[0].seeds.xy, sample.size).ij
    assert all(SQUARE[int((j + 0.5) * 3), int((i + 0.5) * 4)] for i, j in cells)
    assert "no seed says the mask" in (tmp_path / "seeded.skipped.txt").read_text()
    assert json.loads((tmp_path / "seeded.jsonl").read_text())["answer"][0]["mask"]["counts"]


def test_the_commands_of_the_pages_are_commands() -> None:
    root = Path(__file__).parents[2]
    pages = (root / "docs" / "FLEET.md", root / "training" / "recipes" / "mixtures" / "README.md")
    lines = [
        line.partition("python -m training.datasets ")[2] for page in pages for line in page.read_text().splitlines()
    ]
    commands = [line.partition("`")[0].partition("; done")[0] for line in lines if line and not line.startswith("CONV")]
    assert len(commands) > 20
    for command in commands:
        given = options().parse_args([word for word in shlex.split(command, comments=True) if word != "$W"])
        assert given.converter in CONVERTERS and given.out.suffix == ".jsonl"
