"""Scenes written into a bag without ROS come back as they were, and are the messages that a ROS node would read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from getok_core.scene import DrivableArea, Fault, Lane, Light, Obstacle, Scene, Sign
from getok_ros.bag_reader import messages
from getok_ros.bag_scenes import SCENE, scene_to_record
from getok_ros.bags import BagWriter
from getok_ros.read_messages import scene_from_message

BOX = np.array([10.0, 20.0, 30.5, 40.25])
FULL = Scene(
    160,
    90,
    (Lane("dashed white", 0.9, np.array([[30.0, 85.0], [60.0, 50.0]])),),
    (DrivableArea("drivable", 0.8, np.array([[0.0, 89.0], [80.0, 45.0], [160.0, 89.0]])),),
    (Obstacle("car", 0.7, BOX),),
    (Sign("stop", "red", "clear", 0.6, BOX),),
    (Light("green", 0.5, BOX),),
    (Fault("unclosed", "at 3", "lanes"),),
    True,
    {"vision": 0.1, "propose": 0.2, "refine": 0.3, "total": 0.6},
    "getok-nano 1a2b3c",
)


@pytest.mark.parametrize("scene", [FULL, Scene(3, 2)], ids=["full", "empty"])
def test_a_scene_comes_back_from_a_bag(tmp_path: Path, scene: Scene):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write_message("/truth", scene_to_record(scene, 12_000_000_034, "front"), 56)
    with Reader(tmp_path / "bag") as reader:
        ((connection, received, raw),) = reader.messages()
    message = messages().deserialize_cdr(raw, connection.msgtype)
    assert (connection.topic, connection.msgtype, received) == ("/truth", SCENE, 56)
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (12, 34, "front")
    assert scene_from_message(message).to_json() == {**scene.to_json(), "seconds": _stages(scene)}


def test_ros_reads_the_same_message():
    serialization = pytest.importorskip("rclpy.serialization", reason="needs rclpy")
    msg = pytest.importorskip("getok_ros.msg", reason="needs the built messages: pip install .")
    raw = bytes(messages().serialize_cdr(scene_to_record(FULL, 10**9), SCENE))
    assert scene_from_message(serialization.deserialize_message(raw, msg.Scene)).to_json() == FULL.to_json()


def _stages(scene: Scene) -> dict[str, float]:
    return {stage: scene.seconds.get(stage, 0.0) for stage in ("vision", "propose", "refine", "total")}
