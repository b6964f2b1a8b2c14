"""The cameras of a live replay: each image topic of the recordings is one camera of the node. Needs no ROS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from getok_core.errors import BagError

from .bag_reader import BagReader
from .bags import COMPRESSED, IMAGE, image_topics
from .recordings import Recording

MOST = 32
"""cameras that one node reads"""


@dataclass(frozen=True)
class LiveCamera:
    """One camera, as the node knows it."""

    name: str
    """in the node's parameter cameras; "" of the only one"""
    type: str
    """message type of its images"""

    @property
    def transport(self) -> str:
        """As the node's parameter of that name says it."""
        return "compressed" if self.type == COMPRESSED else "raw"

    @property
    def image_topic(self) -> str:
        """Where the node reads its images, relative to the node's namespace."""
        plain = f"{self.name}/image" if self.name else "image"
        return f"{plain}/compressed" if self.type == COMPRESSED else plain

    def output_topic(self, node: str, what: str) -> str:
        """Where the node of that name publishes, such as its "scene"."""
        return "/".join(part for part in (node, self.name, what) if part)


def live_cameras(recordings: Sequence[Recording]) -> dict[str, LiveCamera]:
    """Image topic of the recordings, "" of pictures that never had one -> its camera.

    Raises BagError on more than a node reads, or on a topic whose images are raw here and compressed there.
    """
    types: dict[str, str] = {}
    for recording in recordings:
        for topic, type in _types(recording).items():
            if types.setdefault(topic, type) != type:
                raise BagError(f"some images of {topic} are compressed and others raw: live, replay them one by one")
    if len(types) > MOST:
        raise BagError(f"there are {len(types)} cameras and a node reads {MOST}: choose some with --topic")
    names = camera_names(types) if len(types) > 1 else dict.fromkeys(types, "")
    return {topic: LiveCamera(names[topic], type) for topic, type in types.items()}


def camera_names(topics: Iterable[str]) -> dict[str, str]:
    """Topic -> a name that the node takes, made of the topic's letters and digits; no two are the same."""
    names: dict[str, str] = {}
    for topic in topics:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", topic).strip("_")[:50] or "pictures"
        plain = name = plain if plain[0].isalpha() else f"camera_{plain}"
        number = 2
        while name in names.values():
            name, number = f"{plain}_{number}", number + 1
        names[topic] = name
    return names


def _types(recording: Recording) -> dict[str, str]:
    """Image topics of a recording and their message types."""
    if recording.kind != "bag":
        return {"": IMAGE}
    with BagReader(recording.path) as reader:
        return {name: topic.type for name, topic in image_topics(reader, recording.selection.topics).items()}
