"""Recordings of every kind give the frames that were recorded; what is damaged is listed and stops nothing."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.typesys import Stores, get_typestore

from getok_core.errors import GetokError
from getok_ros.bags import BagWriter
from getok_ros.recordings import distinct_names, open_recordings
from getok_ros.selection import Selection

START = 10**18
STEP = 10**8


def picture(number: int, size: tuple[int, int] = (64, 36)) -> np.ndarray:
    return np.full((size[1], size[0], 3), 40 + 4 * number, np.uint8)


def rosbag2(path: Path, storage: str = "mcap", topics: tuple[str, ...] = ("/front",), frames: int = 12) -> Path:
    with BagWriter(path, storage) as bag:
        for number in range(frames):
            for topic in topics:
                bag.write(topic, picture(number), START + number * STEP, jpeg_quality=None)
    return path


def rosbag1(path: Path, frames: int = 12, size: tuple[int, int] = (64, 36)) -> Path:
    """Raw and compressed images as ROS 1 wrote them, a sequence number in every header; about a MB a chunk."""
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    bag = Writer1(path)
    bag.set_compression(Writer1.CompressionFormat.BZ2)
    with bag:
        raw = bag.add_connection("/raw", "sensor_msgs/msg/Image", typestore=store)
        packed = bag.add_connection("/packed", "sensor_msgs/msg/CompressedImage", typestore=store)
        for number in range(frames):
            at, image = START + number * STEP, picture(number, size)
            stamp = types["builtin_interfaces/msg/Time"](sec=at // 10**9, nanosec=at % 10**9)
            header = types["std_msgs/msg/Header"](seq=7, stamp=stamp, frame_id="front")
            whole = types["sensor_msgs/msg/Image"](header, size[1], size[0], "rgb8", 0, 3 * size[0], image.reshape(-1))
            jpeg = types["sensor_msgs/msg/CompressedImage"](header, "jpeg", cv2.imencode(".jpg", image)[1].reshape(-1))
            bag.write(raw, at, store.serialize_ros1(whole, whole.__msgtype__))
            bag.write(packed, at, store.serialize_ros1(jpeg, jpeg.__msgtype__))
    return path


def folder(path: Path, frames: int = 12) -> Path:
    path.mkdir()
    for number in range(frames):
        cv2.imwrite(str(path / f"{number:03}.png"), picture(number))
        cv2.imwrite(str(path / f"{number:03}.mask.png"), picture(number))
    return path


def video(path: Path, frames: int = 12) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 36))
    for number in range(frames):
        writer.write(picture(number))
    writer.release()
    return path


def numbers(path: Path, selection: Selection = Selection()) -> list[int]:  # noqa: B008 - frozen
    """Which pictures the frames show."""
    (recording,) = open_recordings([path], selection)
    return [round((float(frame.read().mean()) - 40) / 4) for frame in recording.frames()]


MAKERS = {
    "bag": rosbag2,
    "lone.bag": rosbag1,
    "folder": folder,
    "video.avi": video,
    "sqlite3": lambda path: rosbag2(path, "sqlite3"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_frames_come_as_recorded_and_as_selected(tmp_path, name):
    path = MAKERS[name](tmp_path / name)
    topics = ("/raw",) if name == "lone.bag" else ()
    everything = Selection(topics=topics)
    assert numbers(path, everything) == list(range(12))
    assert numbers(path, Selection(topics, stride=5)) == [0, 5, 10]
    assert numbers(path, Selection(topics, stride=2, limit=2)) == [0, 2]
    (recording,) = open_recordings([path], Selection(topics, stride=5))
    frames = list(recording.frames())
    assert recording.count == 3 and [frame.index for frame in frames] == [0, 5, 10]
    assert len({frame.frame for frame in frames}) == 3 and not recording.lost and not recording.notes
    if name != "folder":
        assert numbers(path, Selection(topics, start_s=0.25, end_s=0.75)) == [3, 4, 5, 6, 7]


def test_several_cameras_are_counted_each_for_itself(tmp_path):
    path = rosbag2(tmp_path / "bag", topics=("/front", "/rear"), frames=4)
    (recording,) = open_recordings([path], Selection(limit=2, stride=2))
    frames = list(recording.frames())
    assert [(frame.topic, frame.index) for frame in frames] == [
        ("/front", 0),
        ("/rear", 0),
        ("/front", 2),
        ("/rear", 2),
    ]
    assert frames[2].frame == f"bag#/front#{START + 2 * STEP}" and recording.count == 4


def test_compressed_images_of_ros1_are_read_too(tmp_path):
    assert numbers(rosbag1(tmp_path / "lone.bag"), Selection(("/packed",))) == list(range(12))


def test_a_rosbag1_without_its_end_gives_what_is_whole(tmp_path):
    path = rosbag1(tmp_path / "lone.bag")
    path.write_bytes(path.read_bytes()[:-300])
    (recording,) = open_recordings([path], Selection(("/raw",)))
    assert len(list(recording.frames())) == 12 and "cannot be read as a whole" in recording.lost[0]["why"]


def test_a_corrupt_chunk_costs_its_own_frames_only(tmp_path):
    path = rosbag1(tmp_path / "lone.bag", 6, (640, 400))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"BZh")
    raw[at + 40 : at + 60] = bytes(20)
    path.write_bytes(raw)
    (recording,) = open_recordings([path], Selection(("/raw",)))
    assert 2 <= len(list(recording.frames())) < 6
    why = [lost["why"] for lost in recording.lost]
    assert "cannot be read as a whole" in why[0] and "is corrupt" in why[1] and "of 6 messages are lost" in why[2]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_an_image_that_cannot_be_decoded_names_its_frame(tmp_path, storage):
    with BagWriter(tmp_path / "bag", storage) as bag:
        for number in range(3):
            bag.write("/front", picture(number), START + number * STEP)
    file = next(file for file in (tmp_path / "bag").iterdir() if file.suffix in (".mcap", ".db3"))
    raw = bytearray(file.read_bytes())
    raw[raw.index(b"\xff\xd8\xff")] = 0
    file.write_bytes(raw)
    (recording,) = open_recordings([tmp_path / "bag"], Selection())
    failed = []
    for frame in recording.frames():
        try:
            frame.read()
        except GetokError as error:
            failed.append((frame.index, str(error)))
    assert len(failed) == 1 and "\n" not in failed[0][1]


def test_a_clock_that_goes_back_is_told_and_every_frame_keeps_a_name(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        for number, stamp in enumerate((5, 6, 6, 3, 0)):
            bag.write("/front", picture(number), stamp * 10**9, received_ns=(8 + number) * 10**9)
    (recording,) = open_recordings([tmp_path / "bag"], Selection())
    frames = list(recording.frames())
    assert len({frame.frame for frame in frames}) == 5
    (note,) = recording.notes
    assert "goes back 1 times, first at frame 3 by 3 s" in note and frames[4].stamp_ns == 12 * 10**9


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (Selection(("/rear",)), r"no images on /rear: name one of /front"),
        (Selection(start_s=3, end_s=3), "range 3..3 s is empty"),
    ],
)
def test_what_is_not_there_is_named_before_anything_runs(tmp_path, selection, says):
    with pytest.raises(GetokError, match=says) as refusal:
        open_recordings([rosbag2(tmp_path / "bag")], selection)
    assert "\n" not in str(refusal.value)


def test_folders_have_no_clock_and_no_topics(tmp_path):
    path = folder(tmp_path / "folder", 2)
    for selection, says in ((Selection(start_s=1), "without a clock"), (Selection(("/a",)), "has no topic")):
        with pytest.raises(GetokError, match=says):
            open_recordings([path], selection)


def test_recordings_are_told_apart_by_the_shortest_names(tmp_path):
    paths = [Path("/a/one/bag"), Path("/b/one/bag"), Path("/b/two/bag")]
    assert distinct_names(paths[1:]) == ["one/bag", "two/bag"] and distinct_names(paths[:1]) == ["bag"]
    assert distinct_names(paths) == ["a/one/bag", "b/one/bag", "b/two/bag"]
    with pytest.raises(GetokError, match="given twice"):
        distinct_names([paths[0], paths[0]])


def test_the_digest_follows_the_bytes(tmp_path):
    path = folder(tmp_path / "folder", 2)
    (recording,) = open_recordings([path], Selection())
    before = recording.digest()
    assert re.fullmatch("[0-9a-f]{64}", before) and recording.digest() == before
    cv2.imwrite(str(path / "001.png"), picture(9))
    assert recording.digest() != before
