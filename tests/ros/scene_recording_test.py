"""A recording of what was said: images, our messages and Foxglove's, readable by any reader of bags."""

from __future__ import annotations

import numpy as np
import pytest
import replay_folder as folder
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from getok_core.errors import GetokError
from getok_core.geometry import XY
from getok_ros.bag_reader import messages
from getok_ros.read_messages import scene_from_message
from getok_ros.replayed import Replayed
from getok_ros.scene_recording import record

SHORT, LONG = "getok_nano_1a2b3c", "getok_nano_new_4d5e6f"
COUNTS = {
    "/front/image/compressed": 11,  # frame 5 cannot be read
    **{f"/{model}/{kind}": 12 for model in (SHORT, LONG, "labels") for kind in ("scene", "annotations")},
    f"/{SHORT}/answers": 1,
}


def read(path, topic: str) -> list:
    with Reader(path) as reader:
        chosen = [connection for connection in reader.connections if connection.topic == topic]
        return [(stamp, messages().deserialize_cdr(raw, c.msgtype)) for c, stamp, raw in reader.messages(chosen)]


def corners(annotation) -> XY:
    return np.array([(point.x, point.y) for point in annotation.points])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_images_scenes_answers_and_drawings_stand_beside_each_other(tmp_path, storage):
    path = record(folder.write(tmp_path), folder.frames, storage)
    with Reader(path) as reader:
        assert {connection.topic: connection.msgcount for connection in reader.connections} == COUNTS
    scenes = read(path, f"/{LONG}/scene")
    assert [stamp for stamp, _ in scenes] == [folder.BEGAN_NS + n * 10**8 for n in range(12)]
    header = scenes[3][1].header
    assert header.stamp.sec * 10**9 + header.stamp.nanosec == scenes[3][0]
    assert scene_from_message(read(path, "/labels/scene")[3][1]).to_json() == _labelled(3)
    said = Replayed(tmp_path).scene(folder.name(7), folder.MODELS[1])
    assert scene_from_message(scenes[7][1]).to_json() == said.to_json()
    ((_, answer),) = read(path, f"/{SHORT}/answers")
    assert (answer.text, answer.answer) == ("What colour is the sign?", "red & dull")


def _labelled(index: int) -> dict:
    return {**folder.truth(index).to_json(), "seconds": dict.fromkeys(("vision", "propose", "refine", "total"), 0.0)}


def test_the_drawing_is_of_the_scene(tmp_path):
    path = record(folder.write(tmp_path), folder.frames)
    drawing, scene = read(path, f"/{SHORT}/annotations")[4][1], folder.said(4, folder.MODELS[0])
    assert len(drawing.points) == 2 + 1 + 1 + 1 and len(drawing.texts) == 4 and drawing.circles == []
    lane, area, car = drawing.points[0], drawing.points[2], drawing.points[3]
    assert np.allclose(corners(lane), scene.lanes[0].points, atol=0.06) and lane.type == lane.LINE_STRIP
    assert area.type == car.type == car.LINE_LOOP and 0 < area.fill_color.a < 1
    assert np.allclose(corners(car)[[0, 2]].ravel(), scene.obstacles[0].box, atol=0.06)
    assert drawing.texts[0].text == "solid yellow 0.90" and (lane.outline_color.r, lane.outline_color.b) > (0.9, 0.0)


def test_the_bag_carries_the_definitions_that_it_needs(tmp_path):
    """As Foxglove does: nothing but the bag and the standard messages is at hand."""
    known = get_typestore(Stores.ROS2_JAZZY)
    with Reader(record(folder.write(tmp_path, 2), folder.frames)) as reader:
        for connection in reader.connections:
            known.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        kinds = {c.msgtype: known.deserialize_cdr(raw, c.msgtype) for c, _, raw in reader.messages()}
    assert kinds["foxglove_msgs/msg/ImageAnnotations"].points and kinds["getok_ros/msg/Scene"].lanes


def test_pictures_of_a_folder_have_a_clock_of_their_own(tmp_path):
    path = folder.write(tmp_path, 3, folder.MODELS[:1]) / "scenes.jsonl"
    text = path.read_text()
    for index in range(3):
        text = text.replace(f'"stamp_ns": {folder.BEGAN_NS + index * 10**8}', '"stamp_ns": 0')
    path.write_text(text.replace(folder.TOPIC, "").replace('"topic": "/front/image"', '"topic": ""'))
    bag = record(tmp_path, lambda frame: folder.image(0))
    assert [stamp for stamp, _ in read(bag, "/camera/image/compressed")] == [0, 2 * 10**8, 4 * 10**8]


def test_an_earlier_recording_is_replaced_and_nothing_else_is(tmp_path):
    folder.write(tmp_path, 2)
    assert record(tmp_path, folder.frames) == record(tmp_path, folder.frames)
    folder.write(tmp_path / "other", 2)
    (tmp_path / "other" / "scenes").mkdir()
    (tmp_path / "other" / "scenes" / "mine.txt").write_text("keep")
    with pytest.raises(GetokError, match="is no bag"):
        record(tmp_path / "other", folder.frames)
    assert (tmp_path / "other" / "scenes" / "mine.txt").is_file()
