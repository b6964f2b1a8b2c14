"""What labels say: the truth of each frame, found by the frame's name, stamp or number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from getok_core.geometry import Box, Polygon, Polyline
from getok_core.lattice import Size
from getok_core.queries import (
    DRIVABLE_LABELS,
    LANE_LABELS,
    LIGHT_STATES,
    OBSTACLE_LABELS,
    SIGN_COLOURS,
    SIGN_SHAPES,
    STANDING_TASKS,
    VISIBLE_STATES,
    SceneQuery,
)
from getok_core.scene import Scene, scaled

from .fields import as_size

_PICTURE = re.compile(r"\.(jpe?g|png|bmp|webp|tiff?|ppm|pgm|jp2)$", re.IGNORECASE)
_NUMBERED = re.compile(r"frame_0*(\d+)$")
"""how CVAT names the frames of a video"""


@dataclass(frozen=True)
class FrameName:
    """How a recording names one of its frames."""

    name: str = ""
    """file name or path of an image; "" where there is none"""
    stamp_ns: int | None = None
    index: int | None = None
    """number of the frame in a video or bag, from 0"""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one frame, as far as it was labelled.

    In the scene a word that the labels do not give (a lane's paint, a sign's colour or shape, a light's state) is "":
    it must not be scored. Scores are 1.
    """

    scene: Scene
    """width and height 0: the labels do not name the image's size, their pixels are those of the image itself"""
    known: frozenset[str] = frozenset(STANDING_TASKS)
    """standing tasks whose objects are all labelled; of the others nothing follows from an object's absence"""
    slices: dict[str, str] = field(default_factory=dict[str, str])
    """conditions by their name, such as "time of day": "night" """
    questions: tuple[tuple[SceneQuery, str], ...] = ()
    """questions about the frame with their true answers; regions in the scene's pixels"""
    rows: tuple[float, ...] = ()
    """y of the image rows at which lanes were labelled, where the format fixes them (TuSimple)"""

    def sized(self, size: Size) -> Truth:
        """The same truth in pixels of an image of size (width, height), stretched where it was labelled on another."""
        own = self.scene.width or size[0], self.scene.height or size[1]
        x, y = size[0] / own[0], size[1] / own[1]
        if (x, y) == (1.0, 1.0):
            return replace(self, scene=replace(self.scene, width=size[0], height=size[1]))
        questions = tuple(
            (replace(query, region=query.region and query.region.moved(query.region.xy * (x, y))), answer)
            for query, answer in self.questions
        )
        scene = replace(scaled(self.scene, (x, y)), width=size[0], height=size[1])
        return replace(self, scene=scene, questions=questions, rows=tuple(row * y for row in self.rows))


@dataclass(frozen=True, eq=False)
class Labels:
    """The truths of a label file or folder."""

    frames: dict[str, Truth]
    """by the frame's name as the labels spell it: a file name or path, a stamp in nanoseconds, or a number"""
    faults: Sequence[str] = ()
    """one line each, "file:line: what": records that were skipped, names that were taken for something else"""

    def of(self, name: str = "", stamp_ns: int | None = None, index: int | None = None) -> Truth | None:
        """The truth of a frame, or None. A name decides before a stamp, a stamp before a number.

        Of paths the shorter must be the end of the longer; the suffix of a picture does not matter. A name that
        several labelled paths end with finds none of them.
        """
        key = self._key(FrameName(name, stamp_ns, index))
        return None if key is None else self.frames[key]

    def unmatched(self, frames: Iterable[FrameName]) -> list[str]:
        """Names of labelled frames that are none of these, in the labels' order."""
        met = {self._key(frame) for frame in frames}
        return [key for key in self.frames if key not in met]

    def _key(self, frame: FrameName) -> str | None:
        parts = _parts(frame.name)
        fits = [key for key in self._by_last.get(parts[-1], ()) if _one_ends_the_other(_parts(key), parts)]
        exact = [key for key in fits if _parts(key) == parts]
        for found in (exact, fits):
            if frame.name and len(found) == 1:
                return found[0]
        if frame.stamp_ns is not None and str(frame.stamp_ns) in self.frames:
            return str(frame.stamp_ns)
        return None if frame.index is None else self._by_number.get(frame.index)

    @cached_property
    def _by_last(self) -> dict[str, list[str]]:
        keys: dict[str, list[str]] = {}
        for key in self.frames:
            keys.setdefault(_parts(key)[-1], []).append(key)
        return keys

    @cached_property
    def _by_number(self) -> dict[int, str]:
        numbered = {int(match[1]): key for key in self.frames if (match := _NUMBERED.match(_parts(key)[-1]))}
        return numbered | {int(key): key for key in self.frames if key.isdecimal()}


def checked(scene: Scene) -> Scene:
    """Returns the scene when size and shapes are possible and its words in the closed lists of queries.py, or "".

    Raises ValueError in one line.
    """
    as_size(scene.width, scene.height)
    for lane in scene.lanes:
        Polyline(lane.points)
        _listed("lane", lane.label, LANE_LABELS)
    for area in scene.drivable_areas:
        Polygon(area.points)
        _listed("drivable area", area.label, DRIVABLE_LABELS)
    for obstacle in scene.obstacles:
        _listed("obstacle", obstacle.label, OBSTACLE_LABELS)
    for sign in scene.signs:
        _listed("sign shape", sign.label, SIGN_SHAPES)
        _listed("sign colour", sign.colour, SIGN_COLOURS)
        _listed("sign visible_state", sign.visible_state, VISIBLE_STATES)
    for light in scene.lights:
        _listed("light state", light.state, LIGHT_STATES)
    for thing in (*scene.obstacles, *scene.signs, *scene.lights):
        Box.of(thing.box.tolist())
    return scene


def _listed(what: str, word: str, words: Sequence[str]) -> None:
    if word and word not in words:
        raise ValueError(f"{what} {word!r} is none of {', '.join(words)}")


def _parts(name: str) -> tuple[str, ...]:
    """Folders and file name, without the suffix of a picture."""
    return PurePosixPath(_PICTURE.sub("", name)).parts or ("",)


def _one_ends_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]
