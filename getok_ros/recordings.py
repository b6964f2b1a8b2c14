"""What is replayed: rosbag2, rosbag1, folders of images and videos, each as frames in the order they were recorded.

No ROS install is needed. Nothing that cannot be read stops a replay: it is listed, with its reason.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from getok_core.errors import BagError, GetokError, ImageError
from getok_core.labels import FrameName
from getok_core.manifest import sha256
from getok_core.view import RGB

from .bag_reader import BagReader, is_bag
from .bags import Recorded, image_topics, recorded
from .frames import open_source
from .selection import Selection, Taken

Lost = dict[str, str]
"""{"frame": where, "why": one line}"""


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """One frame of a recording; read() decodes it and raises ImageError where it cannot be decoded."""

    frame: str
    """its name in all that a replay writes: "<source>#<topic>#<stamp, file name or number>" """
    index: int
    """number among the frames of its camera"""
    topic: str
    """"" in folders and videos"""
    stamp_ns: int
    """header.stamp, or when it was received where the header says nothing; in a folder 0"""
    read: Callable[[], RGB]
    message: Recorded | None = None
    """as it stands in a bag"""

    @property
    def label_name(self) -> FrameName:
        """How labels may call it: by file name or number in folders and videos, by stamp or number in bags."""
        return label_name(self.frame, self.topic, self.index, self.stamp_ns)


def label_name(frame: str, topic: str, index: int, stamp_ns: int) -> FrameName:
    """The same of a frame of which only the line in scenes.jsonl is known."""
    return FrameName("" if topic else frame.partition("##")[2], stamp_ns if topic else None, index)


@dataclass
class Recording:
    """A recording that was found fit to replay."""

    path: Path
    name: str
    """its last folders, as many as tell it from the others"""
    selection: Selection
    kind: str
    """bag, folder, video or image"""
    count: int
    """frames expected"""
    lost: list[Lost] = field(default_factory=list[Lost])
    """what could not be read; complete once frames() has been read to its end"""
    notes: list[str] = field(default_factory=list[str])
    """what a user should know of it, a line each"""

    def frames(self) -> Iterator[RecordedFrame]:
        """The frames wanted, in the order they were recorded."""
        self.lost.clear()
        self.notes.clear()
        return self._of_bag() if self.kind == "bag" else self._of_files()

    def names(self) -> list[FrameName]:
        """How labels may call each frame, whether it was selected or not; nothing is decoded."""
        if self.kind == "video":
            return [FrameName(str(index), None, index) for index in range(open_source(self.path).count)]
        whole = replace(self, selection=Selection(self.selection.topics), lost=[], notes=[])
        return [frame.label_name for frame in whole.frames()]

    def digest(self) -> str:
        """sha256 of the file, or of the names and sha256 of the files of a folder."""
        if self.path.is_file():
            return sha256(self.path)
        files = sorted(file for file in self.path.iterdir() if file.is_file())
        return hashlib.sha256("".join(f"{file.name}:{sha256(file)}\n" for file in files).encode()).hexdigest()

    def _of_bag(self) -> Iterator[RecordedFrame]:
        with BagReader(self.path) as reader:
            topics, clock = image_topics(reader, self.selection.topics), _Clock(self.name)
            taken = Taken(self.selection)
            span = self.selection.between(reader.start_ns) if self.selection.ranged else ()
            for message in reader.messages(topics, *span):
                if not taken.wants(message.topic):
                    if taken.full(topics):
                        break
                    continue
                index = taken.seen[message.topic] - 1
                try:
                    one = recorded(message)
                except ImageError as error:
                    self.lost.append({"frame": f"{self.name}#{message.topic}#{index}", "why": str(error)})
                    continue
                stamp, key = clock.read(one.topic, one.stamp_ns, one.received_ns, index)
                yield RecordedFrame(key, index, one.topic, stamp, one.rgb, one)
            self.lost += [{"frame": self.name, "why": line} for line in reader.lost]
            self.notes += clock.notes()

    def _of_files(self) -> Iterator[RecordedFrame]:
        source, taken = open_source(self.path), Taken(self.selection)
        video = self.kind == "video"
        for index, frame in enumerate(source):
            stamp_ns = round(index * 1e9 / source.fps) if video else 0
            key = f"{self.name}##{frame.name}"
            if frame.image is None and video:  # not a frame: what is said of a file cut off
                self.lost.append({"frame": key, "why": frame.error})
                continue
            if video and not self.selection.within(stamp_ns):
                continue
            if not taken.wants(""):
                if taken.full([""]):
                    break
                continue
            if frame.image is None:
                self.lost.append({"frame": key, "why": frame.error})
                continue
            yield RecordedFrame(key, index, "", stamp_ns, lambda image=frame.image: image)


class _Clock:
    """Stamps of a bag's frames: unset ones replaced, those that repeat or go back kept and told."""

    def __init__(self, source: str) -> None:
        self._source, self._used = source, Counter[str]()
        self._last: dict[str, int] = {}
        self._back: dict[str, list[tuple[int, int]]] = {}

    def read(self, topic: str, stamp_ns: int, received_ns: int, index: int) -> tuple[int, str]:
        """The stamp to go by and a name that no other frame has."""
        stamp = stamp_ns if stamp_ns > 0 else received_ns
        if stamp < self._last.get(topic, stamp):
            self._back.setdefault(topic, []).append((index, self._last[topic] - stamp))
        self._last[topic] = stamp
        key = f"{self._source}#{topic}#{stamp}"
        self._used[key] += 1
        return stamp, key if self._used[key] == 1 else f"{key}.{self._used[key]}"

    def notes(self) -> list[str]:
        """A line for each camera whose clock went backwards."""
        return [
            f"{self._source}: the clock of {topic} goes back {len(back)} times, first at frame {back[0][0]} by"
            f" {back[0][1] / 1e9:g} s: frames keep the order they were recorded in"
            for topic, back in self._back.items()
        ]


def open_recordings(paths: Sequence[Path | str], selection: Selection) -> list[Recording]:
    """What is at these paths, looked at without decoding it all. Raises GetokError in one line on anything unfit."""
    if selection.end_s is not None and selection.end_s <= selection.start_s:
        raise GetokError(f"the range {selection.start_s:g}..{selection.end_s:g} s is empty: give a later end")
    names = distinct_names([Path(path) for path in paths])
    return [_opened(Path(path), name, selection) for path, name in zip(paths, names, strict=True)]


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ. Raises GetokError when a path was given twice."""
    parts = [path.resolve().parts for path in paths]
    for at, path in enumerate(paths):
        if parts[at] in parts[:at]:
            raise GetokError(f"{path} was given twice: give each recording once")
    longest = max(map(len, parts), default=1)
    tails = ([tuple(part[-length:]) for part in parts] for length in range(1, longest + 1))
    return ["/".join(tail) for tail in next(tail for tail in tails if len(set(tail)) == len(parts))]


def _opened(path: Path, name: str, selection: Selection) -> Recording:
    if is_bag(path):
        with BagReader(path) as reader:
            topics = image_topics(reader, selection.topics)
            count = sum(selection.expected(topic.count, reader.seconds) for topic in topics.values())
        return Recording(path, name, selection, "bag", count)
    source = open_source(path)
    if selection.topics:
        raise BagError(f"{path} is a {source.kind} and has no topic {selection.topics[0]}: leave --topic out")
    if selection.ranged and source.kind != "video":
        raise GetokError(f"{path} is a {source.kind} without a clock: use --stride and --limit, not --start and --end")
    count = selection.expected(source.count, source.count / source.fps)
    return Recording(path, name, selection, source.kind, count)
