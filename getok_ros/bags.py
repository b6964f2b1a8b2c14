"""Recordings of camera images, written and read without a ROS install.

Messages stay raw CDR bytes, which `publisher.publish(bytes)` sends as they are; decoding to RGB happens when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from getok_core.errors import BagError, ImageError
from getok_core.view import RGB

from .bag_reader import BagReader, Topic, messages, one_line
from .images import compressed_to_rgb, image_to_rgb
from .salvage import Message

IMAGE, COMPRESSED = IMAGES = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


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
        try:
            message = messages().deserialize_cdr(self.raw, self.type)
        except Exception as error:  # whatever bytes that are no message make NumPy and struct say
            raise ImageError(f"a {self.type} of {len(self.raw)} bytes cannot be decoded ({error})") from None
        return image_to_rgb(message) if self.type == IMAGE else compressed_to_rgb(message)


class ImageBag(AbstractContextManager["ImageBag"]):
    """An open recording and the one image topic read from it."""

    def __init__(self, path: Path | str, topic: str | None = None) -> None:
        """Opens a bag's folder, or a lone .mcap, .db3 or .bag file. Without a topic it must hold images on just one.

        Raises BagError in one line: missing, unreadable, empty, no image topic, several, or not the one named.
        """
        self.reader = BagReader(path)
        try:
            topics = image_topics(self.reader, [topic] if topic else [])
            if len(topics) > 1:
                raise BagError(f"bag {path} has {len(topics)} image topics: name one of {', '.join(topics)}")
        except BagError:
            self.reader.close()
            raise
        ((self.topic, (self.type, self.count)),) = topics.items()
        self.seconds = self.reader.seconds

    def __iter__(self) -> Iterator[Recorded]:
        """The images in the order they were recorded; those that are damaged are left out, and in reader.lost."""
        for message in self.reader.messages([self.topic]):
            yield recorded(message)

    def __exit__(self, *_: object) -> None:
        self.reader.close()


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
            why = one_line(error)
            raise BagError(f"bag {path} cannot be written ({why}): choose another place") from None
        self._topics: dict[tuple[str, str], Connection] = {}

    def write(
        self,
        topic: str,
        rgb: RGB,
        stamp_ns: int,
        frame_id: str = "camera",
        jpeg_quality: int | None = 92,
        received_ns: int | None = None,
    ) -> None:
        """Appends (H, W, 3) RGB as a CompressedImage, or as an Image of rgb8 where jpeg_quality is None.

        received_ns: when it was received; None for when it was taken.
        """
        message = image_message(rgb, stamp_ns, frame_id, jpeg_quality)
        self.write_message(topic, message, stamp_ns if received_ns is None else received_ns)

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


def image_message(rgb: RGB, stamp_ns: int, frame_id: str = "camera", jpeg_quality: int | None = None) -> Any:
    """(H, W, 3) RGB as a CompressedImage, or as an Image of rgb8 where jpeg_quality is None."""
    types = messages().types
    stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)
    if jpeg_quality is None:
        height, width = rgb.shape[:2]
        return types[IMAGE](header, height, width, "rgb8", 0, 3 * width, np.ascontiguousarray(rgb).reshape(-1))
    bgr, options = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    return types[COMPRESSED](header, "rgb8; jpeg compressed bgr8", cv2.imencode(".jpg", bgr, options)[1])


def image_topics(reader: BagReader, named: Sequence[str]) -> dict[str, Topic]:
    """The image topics that were named, else all of them, by name. Raises BagError when there are none such."""
    if not any(topic.count for topic in reader.topics.values()):
        raise BagError(f"bag {reader.path} is empty: it holds no message on any of its {len(reader.topics)} topics")
    images = {name: topic for name, topic in sorted(reader.topics.items()) if topic.type in IMAGES and topic.count}
    if not images:
        held = ", ".join(f"{name} ({topic.type})" for name, topic in sorted(reader.topics.items()))
        remedy = "give one with sensor_msgs/Image or CompressedImage"
        raise BagError(f"bag {reader.path} has no image topic, only {held}: {remedy}")
    for name in named:
        if name not in images:
            raise BagError(f"bag {reader.path} has no images on {name}: name one of {', '.join(images)}")
    return {name: images[name] for name in named or images}


def recorded(message: Message) -> Recorded:
    """An image message with its stamp and frame_id; both image types begin with the header, nothing else is decoded.

    Raises ImageError when the message is too short for its header.
    """
    raw = message.raw
    order = "little" if len(raw) > 1 and raw[1] & 1 else "big"
    length = int.from_bytes(raw[12:16], order)
    if len(raw) < 16 + length:
        raise ImageError(f"a {message.type} of {len(raw)} bytes is too short for its header: record it again")
    stamp = int.from_bytes(raw[4:8], order, signed=True) * 10**9 + int.from_bytes(raw[8:12], order)
    frame_id = bytes(raw[16 : 16 + max(length - 1, 0)]).decode(errors="replace")
    return Recorded(message.topic, message.type, message.received_ns, stamp, frame_id, raw)
