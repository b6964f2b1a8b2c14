"""Bags: what is written is read back, in both storages; every bad recording is named in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from getok_core.errors import BagError
from getok_ros.bag_reader import is_bag, messages
from getok_ros.bags import COMPRESSED, IMAGE, BagWriter, ImageBag

pytestmark = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


def smooth(seed: int, width: int = 160, height: int = 90) -> np.ndarray:
    """A picture that JPEG keeps nearly as it is."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, x + y + seed], axis=2).astype(np.uint8) // 2 + 40


def record(path: Path, storage: str, topics: dict[str, int | None], frames: int = 5) -> Path:
    """A bag with that many frames on each topic; the value is the JPEG quality or None."""
    with BagWriter(path, storage) as bag:
        for number in range(frames):
            for topic, quality in topics.items():
                bag.write(topic, smooth(number), 10**18 + number * 10**8, "front", quality)
    return path


def test_compressed_and_raw_images_come_back(tmp_path, storage):
    path = record(tmp_path / "bag", storage, {"/a": 95, "/b": None})
    assert is_bag(path)
    for topic, kind, most in (("/a", COMPRESSED, 6), ("/b", IMAGE, 0)):
        with ImageBag(path, topic) as bag:
            assert (bag.topic, bag.type, bag.count) == (topic, kind, 5) and bag.seconds == pytest.approx(0.4, abs=1e-6)
            read = list(bag)
        assert [one.stamp_ns for one in read] == [10**18 + n * 10**8 for n in range(5)]
        assert [one.received_ns for one in read] == [one.stamp_ns for one in read]
        assert {one.frame_id for one in read} == {"front"}
        for number, one in enumerate(read):
            assert np.abs(one.rgb().astype(int) - smooth(number)).max() <= most


def test_raw_bytes_are_the_message_that_ros_knows(tmp_path, storage):
    serialization = pytest.importorskip("rclpy.serialization", reason="needs rclpy")
    from sensor_msgs.msg import CompressedImage

    with ImageBag(record(tmp_path / "bag", storage, {"/a": 90}, 1)) as bag:
        one = next(iter(bag))
    message = serialization.deserialize_message(one.raw, CompressedImage)
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (10**9, 0, "front")
    assert bytes(message.data) == bytes(messages().deserialize_cdr(one.raw, COMPRESSED).data)


def test_the_only_image_topic_is_found_among_others(tmp_path, storage):
    with BagWriter(tmp_path / "bag", storage) as bag:
        bag.write_message("/speed", messages().types["std_msgs/msg/Float64"](3.0), 10**18)
        bag.write("/front", smooth(0), 10**18)
    with ImageBag(tmp_path / "bag") as bag:
        assert bag.topic == "/front" and len(list(bag)) == 1


def test_a_lone_storage_file_is_a_bag(tmp_path, storage):
    path = record(tmp_path / "bag", storage, {"/a": 90})
    lone = next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    with ImageBag(lone.rename(tmp_path / f"lone{lone.suffix}")) as bag:
        assert len(list(bag)) == 5


def test_several_topics_want_a_name_that_exists(tmp_path, storage):
    path = record(tmp_path / "bag", storage, {"/left": 90, "/right": 90})
    with pytest.raises(BagError, match="2 image topics: name one of /left, /right"):
        ImageBag(path)
    with pytest.raises(BagError, match="no images on /middle: name one of /left, /right"):
        ImageBag(path, "/middle")


def test_bags_with_nothing_to_see_are_refused(tmp_path, storage):
    with BagWriter(tmp_path / "empty", storage):
        pass
    with pytest.raises(BagError, match="is empty"):
        ImageBag(tmp_path / "empty")
    with BagWriter(tmp_path / "blind", storage) as bag:
        bag.write_message("/speed", messages().types["std_msgs/msg/Float64"](3.0), 10**18)
    with pytest.raises(BagError, match=r"no image topic, only /speed \(std_msgs/msg/Float64\)"):
        ImageBag(tmp_path / "blind")


def test_missing_bags_and_what_is_no_bag_are_refused_in_one_line_and_metadata_is_not_needed(tmp_path, storage):
    with pytest.raises(BagError, match="does not exist"):
        ImageBag(tmp_path / "missing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.mcap").write_text("not a recording")
    (tmp_path / "text.db3").write_text("not a recording")
    (tmp_path / "notes.txt").write_text("not a recording")
    for name in ("folder", "text.mcap", "text.db3", "notes.txt"):
        with pytest.raises(BagError, match="cannot be read") as refusal:
            ImageBag(tmp_path / name)
        assert "\n" not in str(refusal.value)
    broken = record(tmp_path / "broken", storage, {"/a": 90})
    (broken / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    with ImageBag(broken) as bag:
        assert len(list(bag)) == 5 and "cannot be read as a whole" in bag.reader.lost[0]


def test_of_a_bag_cut_off_what_is_whole_is_read_and_the_rest_is_counted(tmp_path, storage):
    path = record(tmp_path / "bag", storage, {"/a": None}, 40)
    whole = [one.raw for one in ImageBag(path)]
    file = next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with ImageBag(path) as bag:
        read = [one.raw for one in bag]
    assert 10 <= len(read) < 40 and read == whole[: len(read)]
    assert f"/a: {40 - len(read)} of 40 messages are lost" in bag.reader.lost
    assert all("\n" not in line for line in bag.reader.lost)


def test_a_bag_is_not_written_over(tmp_path, storage):
    record(tmp_path / "bag", storage, {"/a": 90}, 1)
    with pytest.raises(BagError, match="exists"):
        BagWriter(tmp_path / "bag", storage)
    with pytest.raises(BagError, match="unknown"):
        BagWriter(tmp_path / "other", "tape")
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="cannot be written"):
        BagWriter(tmp_path / "file" / "bag", storage)
