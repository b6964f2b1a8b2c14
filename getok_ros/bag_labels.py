"""Labels inside a recording: our own Scene messages on a topic, each the truth of the image of its stamp."""

from __future__ import annotations

from pathlib import Path

from getok_core.errors import BagError
from getok_core.labels import Labels, Truth
from getok_core.labels.truth import checked

from .bag_reader import BagReader, messages, one_line
from .bag_scenes import SCENE
from .read_messages import scene_from_message


def read(path: Path | str, topic: str | None = None) -> Labels:
    """The truths of a bag by header stamp in nanoseconds; all standing tasks count as labelled throughout.

    Without a topic the bag must hold Scene messages on just one. Messages that are malformed, of a stamp a second time,
    or lost in a damaged bag are faults. Raises BagError in one line.
    """
    with BagReader(path) as reader:
        topic = _chosen(reader, topic)
        frames: dict[str, Truth] = {}
        faults: list[str] = []
        for number, message in enumerate(reader.messages([topic])):
            try:
                record = messages().deserialize_cdr(message.raw, SCENE)
                stamp = str(record.header.stamp.sec * 10**9 + record.header.stamp.nanosec)
                scene = checked(scene_from_message(record))
            except Exception as error:  # rosbags lets struct, assertion and Unicode errors through
                faults.append(f"{path}:{topic}[{number}]: {one_line(error)}: skipped")
                continue
            if stamp in frames:
                faults.append(f"{path}:{topic}[{number}]: stamp {stamp} a second time: its first message counts")
                continue
            frames[stamp] = Truth(scene)
        return Labels(frames, [*faults, *reader.lost])


def _chosen(reader: BagReader, topic: str | None) -> str:
    """The only topic of Scene messages, or the one named."""
    scenes = sorted(name for name, held in reader.topics.items() if held.type == SCENE)
    names = ", ".join(scenes) or f"none; its topics are {', '.join(sorted(reader.topics))}"
    if topic is not None and topic not in scenes:
        raise BagError(f"bag {reader.path} has no {SCENE} on {topic}: topics with labels are {names}")
    if not scenes:
        raise BagError(f"bag {reader.path} has no topic of {SCENE} to take labels from: {names}")
    if topic is None and len(scenes) > 1:
        raise BagError(f"bag {reader.path} has {len(scenes)} topics of {SCENE}: name one of {names}")
    return topic or scenes[0]
