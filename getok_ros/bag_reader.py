"""Recordings of ROS messages read without a ROS install: rosbag2 (mcap, sqlite3) and rosbag1, whole or damaged.

Every message comes as CDR bytes, whichever ROS wrote it. Of a damaged file all that is whole is given, the rest listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from getok_core.errors import BagError

from .salvage import SUFFIXES, Message, salvage
from .share import share


class Topic(NamedTuple):
    """Type of a topic's messages and how many are announced."""

    type: str
    count: int


@cache
def messages() -> Any:
    """The standard message definitions, as rosbags knows them, and our own."""
    known = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((share() / "msg").glob("*.msg")):
        known.register(get_types_from_msg(file.read_text(), f"getok_ros/msg/{file.stem}"))
    return known


def is_bag(path: Path | str) -> bool:
    """Whether path looks like a recording: a .mcap, .db3 or .bag file, or a folder with one of them."""
    path = Path(path)
    return path.suffix in SUFFIXES or (path / "metadata.yaml").is_file() or (path.is_dir() and bool(_files(path)))


class BagReader(AbstractContextManager["BagReader"]):
    """An open recording."""

    def __init__(self, path: Path | str) -> None:
        """A rosbag2's folder, or a lone .mcap, .db3 or .bag file. Raises BagError in one line when nothing is left."""
        self.path = Path(path)
        self.lost: list[str] = []
        """what could not be read, a line each; complete once messages() has been read to its end"""
        if not self.path.exists():
            raise BagError(f"bag {path} does not exist: give a rosbag2's folder, or a .mcap, .db3 or .bag file")
        self._reader: Any = None
        try:
            reader = (Reader1 if self.path.suffix == ".bag" else Reader2)(self.path)
            reader.open()
            self._reader = reader
        except Exception as error:  # rosbags lets YAML, SQLite and struct errors through, each of its own kind
            self._damaged(error)
        self.topics = self._announced() if self._reader else self._found()
        """name -> type and number of messages"""

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Message]:
        """The messages of these topics received in start_ns <= t < stop_ns, in the order they were recorded."""
        given: Counter[tuple[str, int]] = Counter()
        for message in self._sound(topics, start_ns, stop_ns):
            given[message.topic, message.received_ns] += 1
            yield message
        if self.lost:
            again = Counter(given)
            for message in self._salvaged():
                at = message.topic, message.received_ns
                early, late = (start_ns or 0) > at[1], stop_ns is not None and at[1] >= stop_ns
                if at[0] not in topics or early or late:
                    continue
                if again[at]:
                    again[at] -= 1
                    continue
                given[at] += 1
                yield message
            if start_ns is None and stop_ns is None:
                self._count(topics, given)

    @property
    def start_ns(self) -> int:
        """When the first message was received."""
        if self._reader:
            return self._reader.start_time
        return min((message.received_ns for message in self._salvaged(quiet=True)), default=0)

    @property
    def seconds(self) -> float:
        """From the first message to the last, as announced; 0 where a damaged file does not say."""
        return max(self._reader.duration, 0) / 1e9 if self._reader else 0.0

    def close(self) -> None:
        """Gives the files back."""
        if self._reader:
            self._reader.close()
            self._reader = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sound(self, topics: Collection[str], start_ns: int | None, stop_ns: int | None) -> Iterator[Message]:
        """As long as rosbags reads them."""
        connections = [c for c in self._reader.connections if c.topic in topics] if self._reader else []
        if not connections:
            return
        old = isinstance(self._reader, Reader1)
        try:
            for connection, received, raw in self._reader.messages(connections, start_ns, stop_ns):
                cdr = messages().ros1_to_cdr(raw, connection.msgtype) if old else raw
                yield Message(connection.topic, connection.msgtype, received, bytes(cdr))
        except Exception as error:  # as in __init__
            self._damaged(error)

    def _salvaged(self, quiet: bool = False) -> Iterator[Message]:
        lost: list[str] = []
        for file in _files(self.path) if self.path.is_dir() else [self.path]:
            for one in salvage(file, lost):
                old = file.suffix == ".bag" and one.type in messages().types
                yield one._replace(raw=bytes(messages().ros1_to_cdr(one.raw, one.type))) if old else one
        if not quiet:
            self.lost += [line for line in lost if line not in self.lost]

    def _announced(self) -> dict[str, Topic]:
        counts = Counter[str]()
        for connection in self._reader.connections:
            counts[connection.topic] += connection.msgcount
        return {c.topic: Topic(c.msgtype, counts[c.topic]) for c in self._reader.connections}

    def _found(self) -> dict[str, Topic]:
        """Topics of a damaged recording, counted as they are announced by its metadata, or else as they are found."""
        can_be_read = self.path.is_dir() or self.path.suffix in SUFFIXES
        counts = Counter((one.topic, one.type) for one in self._salvaged(quiet=True)) if can_be_read else {}
        if not counts:
            raise BagError(f"{self.lost[0]}, and nothing in it could be read: give a whole rosbag2 or rosbag1")
        announced = _metadata_counts(self.path)
        return {topic: Topic(kind, announced.get(topic, count)) for (topic, kind), count in counts.items()}

    def _damaged(self, error: Exception) -> None:
        self.lost.append(f"bag {self.path} cannot be read as a whole ({one_line(error)})")

    def _count(self, topics: Collection[str], given: Counter[tuple[str, int]]) -> None:
        """Adds how many messages of each topic are missing."""
        read = Counter[str]()
        for (topic, _), number in given.items():
            read[topic] += number
        for topic in topics:
            announced = self.topics[topic].count
            if read[topic] < announced:
                self.lost.append(f"{topic}: {announced - read[topic]} of {announced} messages are lost")


def one_line(error: Exception) -> str:
    """What an error says, without line breaks and not too long."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)


def _metadata_counts(path: Path) -> dict[str, int]:
    """Topic -> messages that metadata.yaml announces; {} where it cannot be read."""
    try:
        described = yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        listed = described["topics_with_message_count"]
        return {topic["topic_metadata"]["name"]: int(topic["message_count"]) for topic in listed}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}
