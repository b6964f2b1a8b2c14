"""Scene messages inside a recording are labels; read without ROS, with one line for each that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from getok_core.errors import BagError
from getok_core.queries import OBSTACLE_LABELS
from getok_core.scene import Lane, Obstacle, Scene
from getok_ros.bag_labels import read
from getok_ros.bag_scenes import scene_to_record
from getok_ros.bags import BagWriter

SCENE = Scene(
    160,
    90,
    (Lane("dashed white", 1.0, np.array([[30.0, 85.0], [60.0, 50.0]])),),
    obstacles=(Obstacle("car", 1.0, np.array([10.0, 20.0, 30.5, 40.25])),),
)


def bag(path: Path, *scenes: tuple[str, int, Scene]) -> Path:
    """A recording of (topic, stamp_ns, scene) and one image."""
    with BagWriter(path) as writer:
        writer.write("/camera", np.zeros((9, 16, 3), np.uint8), 5)
        for number, (topic, stamp, scene) in enumerate(scenes):
            writer.write_message(topic, scene_to_record(scene, stamp), number)
    return path


def test_every_scene_is_the_truth_of_its_stamp(tmp_path: Path) -> None:
    labels = read(bag(tmp_path / "bag", ("/truth", 12_000_000_034, SCENE), ("/truth", 7, Scene(160, 90))))
    truth = labels.of("", 12_000_000_034, 0)
    assert not labels.faults and list(labels.frames) == ["12000000034", "7"]
    assert truth and len(truth.known) == 5 and truth.scene.to_json()["lanes"] == SCENE.to_json()["lanes"]
    assert truth.scene.to_json()["obstacles"] == SCENE.to_json()["obstacles"]


def test_what_is_no_truth_is_named_by_its_place(tmp_path: Path) -> None:
    van = replace(SCENE, obstacles=(replace(SCENE.obstacles[0], label="van"),))
    stub = replace(SCENE, lanes=(replace(SCENE.lanes[0], points=np.zeros((1, 2))),))
    path = bag(tmp_path / "bag", ("/truth", 1, van), ("/truth", 2, SCENE), ("/truth", 2, SCENE), ("/truth", 3, stub))
    labels = read(path, "/truth")
    assert list(labels.frames) == ["2"]
    assert [fault.partition("/truth")[2] for fault in labels.faults] == [
        f"[0]: obstacle 'van' is none of {', '.join(OBSTACLE_LABELS)}: skipped",
        "[2]: stamp 2 a second time: its first message counts",
        "[3]: a pl needs at least 2 vertices, got 1: skipped",
    ]


def test_topics_that_hold_labels_are_named(tmp_path: Path) -> None:
    none, two = bag(tmp_path / "none"), bag(tmp_path / "two", ("/a", 1, SCENE), ("/b", 1, SCENE))
    with pytest.raises(BagError, match=r"has no topic of getok_ros/msg/Scene .* none; its topics are /camera"):
        read(none)
    with pytest.raises(BagError, match="has 2 topics of getok_ros/msg/Scene: name one of /a, /b"):
        read(two)
    with pytest.raises(BagError, match="has no getok_ros/msg/Scene on /camera: topics with labels are /a, /b"):
        read(two, "/camera")
    assert list(read(two, "/b").frames) == ["1"]
