"""rosbag2 recordings (mcap, sqlite3) of camera images, written and read without a ROS install.

Messages stay raw CDR bytes, which `publisher.publish(bytes)` sends as they are; decoding to RGB happens when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from getok_core.errors import BagError
from getok_core.view import RGB

from .images import compressed_to_rgb, image_to_rgb
from .share import share

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


@cache
def messages() -> Any:
    """The standard message definitions, as rosbags knows them, and our own."""
    known = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((share() / "msg").glob("*.msg")):
        known.register(get_types_from_msg(file.read_text(), f"getok_ros/msg/{file.stem}"))
    return known


@dataclass(frozen=True, eq=False)
class Recorded:
    """One image message of a bag."""

    topic: str
    type: str
    """sensor_msgs/msg/Image or sensor_msgs/msg/CompressedImage"""
    received_ns: int
    """when it was recorded; the pace of a replay"""
    stamp_ns: int
    """header.stamp, when the picture was taken"""
    frame_id: str
    raw: bytes
    """the message in CDR"""

    def rgb(self) -> RGB:
        """(H, W, 3) uint8. Raises ImageError when the message contradicts itself."""
        message = messages().deserialize_cdr(self.raw, self.type)
        return image_to_rgb(message) if self.type == IMAGE else compressed_to_rgb(message)


class ImageBag(AbstractContextManager["ImageBag"]):
    """An open recording and the one image topic read from it."""

    def __init__(self, path: Path | str, topic: str | None = None) -> None:
        """Opens a bag's folder, or a lone .mcap or .db3 file. Without a topic it must hold images on just one.

        Raises BagError in one line: missing, corrupt, empty, no image topic, several, or not the one named.
        """
        self.path = Path(path)
        if not self.path.exists():
            raise BagError(f"bag {path} does not exist: give the folder of a rosbag2, or its .mcap or .db3 file")
        try:
            self._reader = Reader(self.path)
            self._reader.open()
        except Exception as error:  # rosbags lets YAML, SQLite and struct errors through, each of its own kind
            raise BagError(f"bag {path} cannot be read ({_one_line(error)}): give a whole rosbag2") from None
        try:
            self._connections = _choose(self._reader.connections, topic, self.path)
        except BagError:
            self._reader.close()
            raise
        self.topic, self.type = self._connections[0].topic, self._connections[0].msgtype
        self.count = sum(connection.msgcount for connection in self._connections)
        self.seconds = max(self._reader.duration, 0) / 1e9

    def __iter__(self) -> Iterator[Recorded]:
        """The images in the order they were recorded. Raises BagError where the recording breaks off."""
        number = 0
        try:
            for connection, received, raw in self._reader.messages(self._connections):
                stamp, frame_id = _header(raw, connection.msgtype)
                yield Recorded(connection.topic, connection.msgtype, received, stamp, frame_id, bytes(raw))
                number += 1
        except GeneratorExit:
            raise
        except Exception as error:  # as in __init__
            where = f"after {number} of {self.count} images"
            raise BagError(f"bag {self.path} is corrupt {where} ({_one_line(error)}): record it again") from None

    def __exit__(self, *_: object) -> None:
        self._reader.close()


class BagWriter(AbstractContextManager["BagWriter"]):
    """A new recording of camera images."""

    def __init__(self, path: Path | str, storage: str = "mcap") -> None:
        """path: a folder that does not exist yet; storage: mcap or sqlite3. Raises BagError."""
        path = Path(path)
        if storage not in STORAGES:
            raise BagError(f"bag storage {storage!r} is unknown: use mcap or sqlite3")
        if path.exists():
            raise BagError(f"{path} exists: remove it or choose another folder for the bag")
        try:
            self._writer = Writer(path, version=8, storage_plugin=STORAGES[storage])
            self._writer.open()
        except Exception as error:  # as in ImageBag
            raise BagError(f"bag {path} cannot be written ({_one_line(error)}): choose another place") from None
        self._topics: dict[tuple[str, str], Connection] = {}

    def write(
        self, topic: str, rgb: RGB, stamp_ns: int, frame_id: str = "camera", jpeg_quality: int | None = 92
    ) -> None:
        """Appends (H, W, 3) RGB as a CompressedImage, or as an Image of rgb8 where jpeg_quality is None."""
        types = messages().types
        stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)
        if jpeg_quality is None:
            height, width = rgb.shape[:2]
            message = types[IMAGE](header, height, width, "rgb8", 0, 3 * width, np.ascontiguousarray(rgb).reshape(-1))
        else:
            bgr, options = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
            message = types[COMPRESSED](header, "rgb8; jpeg compressed bgr8", cv2.imencode(".jpg", bgr, options)[1])
        self.write_message(topic, message, stamp_ns)

    def write_message(self, topic: str, message: Any, received_ns: int) -> None:
        """Appends any message made by `messages().types`."""
        name = message.__msgtype__
        if (topic, name) not in self._topics:
            self._topics[topic, name] = self._writer.add_connection(topic, name, typestore=messages())
        self._writer.write(self._topics[topic, name], received_ns, messages().serialize_cdr(message, name))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()


def is_bag(path: Path | str) -> bool:
    """Whether path looks like a rosbag2: a folder with metadata.yaml, or a .mcap or .db3 file."""
    path = Path(path)
    return path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").is_file()


def _choose(connections: list[Connection], topic: str | None, path: Path) -> list[Connection]:
    """The connections of the only image topic, or of the one named."""
    if not any(connection.msgcount for connection in connections):
        raise BagError(f"bag {path} is empty: it holds no message on any of its {len(connections)} topics")
    images = [c for c in connections if c.msgtype in (IMAGE, COMPRESSED) and c.msgcount]
    names = sorted({connection.topic for connection in images})
    if not names:
        held = ", ".join(sorted({f"{c.topic} ({c.msgtype})" for c in connections}))
        raise BagError(
            f"bag {path} has no image topic, only {held}: give one with sensor_msgs/Image or CompressedImage"
        )
    if topic is not None and topic not in names:
        raise BagError(f"bag {path} has no images on {topic}: name one of {', '.join(names)}")
    if topic is None and len(names) > 1:
        raise BagError(f"bag {path} has {len(names)} image topics: name one of {', '.join(names)}")
    of_one = [connection for connection in images if connection.topic == (topic or names[0])]
    return [connection for connection in of_one if connection.msgtype == of_one[0].msgtype]


def _header(raw: bytes | memoryview, kind: str) -> tuple[int, str]:
    """Stamp in nanoseconds and frame_id; both image messages begin with the header, so nothing else is decoded."""
    order = "little" if raw[1] & 1 else "big"
    sec = int.from_bytes(raw[4:8], order, signed=True)
    nanosec, length = int.from_bytes(raw[8:12], order), int.from_bytes(raw[12:16], order)
    if len(raw) < 16 + length:
        raise ValueError(f"a {kind} of {len(raw)} bytes is too short for its header")
    return sec * 10**9 + nanosec, bytes(raw[16 : 16 + max(length - 1, 0)]).decode(errors="replace")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
