"""Labels: our own JSON Lines, whose frames they belong to, how a format is recognised, and what is said of bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.errors import DataError
from getok_core.geometry import Box
from getok_core.labels import FORMATS, FrameName, Labels, Truth, jsonl, read_labels
from getok_core.labels.categories import DRIVABLE, LANES, LIGHTS, NOT_OURS, OBSTACLES, SIGNS, Meaning, meaning
from getok_core.queries import LANE_LABELS, OBSTACLE_LABELS, SceneQuery
from getok_core.scene import Lane, Obstacle, Scene
from tests.core.truths import as_data, names, truths

LANE = {"label": "solid white", "points": [[30, 85], [60, 50]]}
CAR = {"label": "car", "box": [10, 20, 30, 40]}


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


# -- our own -------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.dictionaries(names, truths, min_size=1, max_size=3))
def test_our_own_labels_come_back_as_they_were(tmp_path_factory, held) -> None:
    path = tmp_path_factory.mktemp("labels") / "truth.jsonl"
    jsonl.write(path, held)
    labels = read_labels(path)
    assert not labels.faults and list(labels.frames) == list(held)
    assert [as_data(truth) for truth in labels.frames.values()] == [as_data(truth) for truth in held.values()]


def test_what_perceive_writes_is_a_label(tmp_path: Path) -> None:
    scene = Scene(160, 90, (Lane("curb", 0.8, np.array([[30.0, 85.0], [60.0, 50.0]])),), model="nano", truncated=True)
    labels = read_labels(written(tmp_path / "said.jsonl", {"frame": "a.jpg", **scene.to_json()}))
    truth = labels.of("a.jpg")
    assert truth and truth.scene.to_json() == scene.to_json() and len(truth.known) == 5


def test_what_is_known_is_said_or_follows_from_the_lists(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.jsonl",
        {"frame": 0, "lanes": [LANE], "obstacles": []},
        {"frame": 1, "lanes": [LANE], "obstacles": [CAR], "known": ["obstacles"]},
        {"frame": 2, "slices": {"weather": "rain"}, "questions": [{"task": "road surface", "answer": "wet"}]},
    )
    first, second, third = read_labels(path).frames.values()
    assert first.known == {"lanes", "obstacles"} and second.known == {"obstacles"} and third.known == set()
    assert third.slices == {"weather": "rain"}
    assert [(query.name, query.text, answer) for query, answer in third.questions] == [
        ("road surface", "What is the road surface like?", "wet")
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"frame": 1,', "no JSON"),
        ("[]", "a label must be an object, got []"),
        ({"lanes": []}, "frame must be a name or number, got None"),
        ({"frame": 1, "lanes": [{"label": "curb", "points": [[1, 2]]}]}, "a pl needs at least 2 vertices, got 1"),
        ({"frame": 1, "lanes": [{"label": "curb", "points": [[1, 2], [3, "a"]]}]}, "could not convert"),
        ({"frame": 1, "obstacles": [{"label": "van", "box": [1, 2, 3, 4]}]}, "obstacle 'van' is none of car, truck"),
        ({"frame": 1, "obstacles": [{"label": "car", "box": [1, 2, 1, 4]}]}, "positive sides, got [[1.0, 2.0]"),
        ({"frame": 1, "known": ["cars"]}, "known 'cars' is no task: use lanes"),
        ({"frame": 1, "slices": ["night"]}, "slices must be an object, got ['night']"),
        ({"frame": 1, "questions": [{"task": "mood", "answer": "x"}]}, "question of task 'mood'"),
        ({"frame": 1, "questions": [{"task": "sign colour"}]}, "a question has its answer beside it"),
        ({"frame": 1, "questions": [{"text": "who?", "region": "1,2,3", "answer": "x"}]}, "3 numbers"),
        ({"frame": "whole"}, "frame 'whole' a second time"),
    ],
)
def test_a_malformed_line_is_named_and_skipped(tmp_path: Path, line: object, says: str) -> None:
    path = written(tmp_path / "a.jsonl", {"frame": "whole", "lanes": [LANE]}, "", line, {"frame": "last", "lanes": []})
    labels = read_labels(path)
    assert list(labels.frames) == ["whole", "last"] and len(labels.frames["whole"].scene.lanes) == 1
    (fault,) = labels.faults
    assert fault.startswith(f"{path}:3: ") and says in fault and fault.endswith("skipped") and "\n" not in fault


# -- whose frames --------------------------------------------------------------------------------------------------


def holding(*keys: str) -> Labels:
    """Truths that tell their frame by the slice "key"."""
    return Labels({key: Truth(Scene(0, 0), slices={"key": key}) for key in keys})


@pytest.mark.parametrize(
    ("keys", "frame", "found"),
    [
        (("a.jpg",), FrameName("a.jpg"), "a.jpg"),
        (("a.jpg",), FrameName("drive/a.png"), "a.jpg"),
        (("clips/7/20.jpg", "clips/8/20.jpg"), FrameName("8/20.jpg"), "clips/8/20.jpg"),
        (("clips/7/20.jpg", "clips/8/20.jpg"), FrameName("20.jpg"), None),
        (("20.jpg", "clips/8/20.jpg"), FrameName("20.jpg"), "20.jpg"),
        (("7/20.jpg",), FrameName("8/20.jpg"), None),
        (("12000000034",), FrameName("", 12000000034, 5), "12000000034"),
        (("5", "12000000034"), FrameName("", 12000000034, 5), "12000000034"),
        (("5",), FrameName("", 99, 5), "5"),
        (("frame_000005.PNG",), FrameName("", 99, 5), "frame_000005.PNG"),
        (("a.b.c",), FrameName("a.b"), None),
        (("a.jpg",), FrameName("", None, None), None),
        (("0",), FrameName(), None),
    ],
)
def test_a_frame_finds_its_truth(keys: tuple[str, ...], frame: FrameName, found: str | None) -> None:
    truth = holding(*keys).of(frame.name, frame.stamp_ns, frame.index)
    assert (truth and truth.slices["key"]) == found
    assert holding(*keys).unmatched([frame]) == [key for key in keys if key != found]


def test_labels_of_other_frames_are_counted_or_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"frame": "a.jpg", "lanes": []}, {"frame": "b.jpg", "lanes": []})
    assert not read_labels(path, [FrameName("b.jpg"), FrameName("a.jpg"), FrameName("c.jpg")]).faults
    (fault,) = read_labels(path, [FrameName("b.jpg")]).faults
    assert fault.endswith("1 of 2 labelled frames are not in the recording, such as 'a.jpg'")
    with pytest.raises(DataError, match=r"belong to other frames: they name 'a.jpg' and the like, the recording '17'"):
        read_labels(path, [FrameName("", None, 17)])


def test_a_truth_moves_to_the_size_of_the_image() -> None:
    query = SceneQuery("sign colour", "?", Box.of([10, 20, 30, 40]))
    truth = Truth(Scene(100, 50, obstacles=(Obstacle("car", 1.0, np.array([10.0, 20, 30, 40])),)), rows=(5.0,),
                  questions=((query, "red"),))  # fmt: skip
    twice = truth.sized((200, 150))
    assert (twice.scene.width, twice.scene.height) == (200, 150)
    assert twice.scene.obstacles[0].box.tolist() == [20, 60, 60, 120] and twice.rows == (15.0,)
    assert twice.questions[0][0].region == Box.of([20, 60, 60, 120]) and twice.questions[0][1] == "red"
    unsized = Truth(Scene(0, 0, obstacles=truth.scene.obstacles)).sized((64, 48))
    assert (unsized.scene.width, unsized.scene.height) == (64, 48)
    assert unsized.scene.obstacles[0].box.tolist() == [10, 20, 30, 40]


# -- recognition ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder").mkdir()
    for path, says in (
        (tmp_path / "none.json", "do not exist"),
        (tmp_path / "empty.jsonl", "is empty: give labels"),
        (tmp_path / "folder", "has no format known here: name it, one of jsonl, coco"),
        (written(tmp_path / "a.txt", "what is this"), "has no format known here"),
        (written(tmp_path / "b.jsonl", "{}", {"frame": 1, "lanes": 3}), "b.jsonl:1: frame must be a name or number"),
        (written(tmp_path / "c.json", "[]"), "has no format known here"),
        (written(tmp_path / "d.json", {"images": [], "annotations": []}), "hold no label of any frame"),
    ):
        with pytest.raises(DataError) as error:
            read_labels(path)
        assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_can_be_forced_and_a_wrong_one_fails_in_one_line(tmp_path: Path, format: str) -> None:
    path = written(tmp_path / "a.jsonl", {"frame": "a.jpg", "lanes": [LANE]})
    if format == "jsonl":
        assert read_labels(path, format=format).of("a.jpg")
    elif format == "culane":
        assert read_labels(path, format=format).faults
    else:
        with pytest.raises(DataError) as error:
            read_labels(path, format=format)
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="label format 'csv' is unknown: use one of jsonl"):
        read_labels(path, format="csv")


def test_a_few_bad_lines_do_not_hide_the_format(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path / "a.txt", "{", "{", {"frame": "a.jpg", "lanes": []}))
    assert list(labels.frames) == ["a.jpg"] and len(labels.faults) == 2


# -- categories ----------------------------------------------------------------------------------------------------


def test_our_own_words_mean_themselves() -> None:
    assert [meaning(label) for label in OBSTACLE_LABELS] == [Meaning("obstacles", label) for label in OBSTACLE_LABELS]
    assert [meaning(label) for label in LANE_LABELS] == [Meaning("lanes", label) for label in LANE_LABELS]
    assert set(OBSTACLES.values()) <= set(OBSTACLE_LABELS)


def test_no_name_has_two_meanings() -> None:
    tables = [set(OBSTACLES), DRIVABLE, set(SIGNS), LIGHTS, LANES, NOT_OURS]
    assert sum(map(len, tables)) == len(set[str]().union(*tables))
    assert all(meaning(name) is not None for table in tables for name in table)


@pytest.mark.parametrize(
    ("name", "attributes", "found"),
    [
        ("Person", {}, Meaning("obstacles", "pedestrian")),
        ("traffic_cone", {}, Meaning("obstacles", "cone")),
        ("vehicle", {"class": "Bus"}, Meaning("obstacles", "bus")),
        ("stop sign", {}, Meaning("signs", "stop")),
        ("traffic sign", {"shape": "circle", "color": "RED"}, Meaning("signs", "circle", "red")),
        ("sign", {"shape": "heart", "visible_state": "blurred"}, Meaning("signs", "", "", "blurred")),
        ("traffic light", {"trafficLightColor": "G"}, Meaning("lights", "green")),
        ("traffic light", {"trafficLightColor": "none"}, Meaning("lights", "")),
        ("lane", {"paint": "dashed yellow"}, Meaning("lanes", "dashed yellow")),
        ("lane", {"laneStyle": "solid", "laneTypes": "double white"}, Meaning("lanes", "double white")),
        ("lane/single white", {"style": "dashed"}, Meaning("lanes", "dashed white")),
        ("lane", {"laneTypes": "road curb"}, Meaning("lanes", "curb")),
        ("lane", {}, Meaning("lanes", "")),
        ("single white", {"laneDirection": "vertical"}, Meaning("")),
        ("area/alternative", {}, Meaning("drivable area", "drivable")),
        ("sky", {}, Meaning("")),
        ("banana", {}, None),
    ],
)
def test_names_and_attributes_become_our_words(name: str, attributes: dict, found: Meaning | None) -> None:
    assert meaning(name, attributes) == found
