"""What is named in a frame: obstacles, signs and lights with their boxes, colours and visible states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.scene import Light, Obstacle, Sign

from . import truth
from .canvas import FIRST, UNNAMED, Canvas
from .mood import Mood
from .signs import Board
from .vehicles import PAINTS, Body

LEAST = 0.011
"""of the image's sides: smaller boxes are not in the truth"""
MOST_OBSTACLES, MOST_SIGNS = 16, 8
OCCLUDED = 0.25
"""share hidden from which a thing counts as occluded"""
SMEARED = 0.16
"""share of a thing's shorter side by which the whole picture must be blurred to make it a blurred thing"""
COLOURED = 9.0
"""pixels of a box's shorter side below which nobody can tell a colour"""


@dataclass(frozen=True, eq=False)
class Thing:
    """One obstacle, sign or light that is in the truth of a frame."""

    ident: int
    """its visible pixels are those of Rendered.ids that hold this number"""
    track: int
    """the same for the same thing through a drive"""
    kind: str
    """obstacle, sign or light"""
    label: str
    """an obstacle's class, a sign's shape, a light's state"""
    hue: str
    """one of the names of PAINTS, "" when it has no clear colour or none can be made out"""
    box: NDArray[np.float64]
    """(4,) left, top, right, bottom, pixels"""
    distance_m: float
    """from the camera to its middle, along the ground"""
    hidden: float
    """share 0 to 1 of its pixels inside the image that something covers"""
    visible_state: str
    """clear, blurred, occluded or backlit"""


class Named(NamedTuple):
    """Something drawn under an id: what it is, its track, how far away it is, and how it comes out."""

    what: Body | Board | str
    track: int
    distance_m: float
    state: str = "clear"
    """clear, blurred or backlit"""


class Frame:
    """A canvas with the named things on it."""

    def __init__(self, canvas: Canvas, mood: Mood) -> None:
        self.canvas, self.mood = canvas, mood
        self.named: dict[int, Named] = {}

    def name(self, what: Body | Board | str, track: int, distance_m: float) -> int | None:
        """A fresh id for a thing; None when there are no more."""
        ident = FIRST + len(self.named)
        if ident >= UNNAMED:
            return None
        self.named[ident] = Named(what, track, distance_m, "backlit" if self.mood.backlit else "clear")
        return ident

    def say(self, ident: int, state: str) -> None:
        """Note that a thing came out blurred or backlit."""
        self.named[ident] = self.named[ident]._replace(state=state)


def seen(frame: Frame, shake: float) -> tuple[Thing, ...]:
    """What is visible of the named things: obstacles, then signs, then lights, each near to far by bottom edge.

    shake is the blur of the whole picture in pixels, which will blur what is small.
    """
    height, width = frame.canvas.ids.shape
    found: dict[str, list[Thing]] = {"obstacle": [], "sign": [], "light": []}
    for ident, named in frame.named.items():
        visible = truth.box(frame.canvas, ident)
        if visible is None:
            continue
        box, hidden = visible
        if box[2] - box[0] < LEAST * width or box[3] - box[1] < LEAST * height:
            continue
        thing = _thing(ident, named, box, hidden)
        if thing.visible_state == "clear" and shake > max(2.0, SMEARED * float(min(box[2] - box[0], box[3] - box[1]))):
            thing = replace(thing, visible_state="blurred")
        found[thing.kind].append(thing)
    limits = {"obstacle": MOST_OBSTACLES, "sign": MOST_SIGNS, "light": MOST_SIGNS}
    return tuple(
        thing
        for kind, things in found.items()
        for thing in sorted(things, key=lambda thing: -thing.box[3])[: limits[kind]]
    )


def _thing(ident: int, named: Named, box: NDArray[np.float64], hidden: float) -> Thing:
    what = named.what
    if isinstance(what, Body):
        kind, label, hue = "obstacle", what.label, what.hue
    elif isinstance(what, Board):
        kind, label, hue = "sign", what.shape, what.colour
    else:
        kind, label, hue = "light", what, what
    state = "occluded" if hidden > OCCLUDED else named.state
    return Thing(ident, named.track, kind, label, hue, box, named.distance_m, max(0.0, hidden), state)


def listed(frame: Frame, things: tuple[Thing, ...]) -> tuple[list[Obstacle], list[Sign], list[Light]]:
    """Things as the scene's three lists."""
    obstacles = [Obstacle(t.label, 1.0, t.box) for t in things if t.kind == "obstacle"]
    boards = [Sign(t.label, _board(frame, t).colour, t.visible_state, 1.0, t.box) for t in things if t.kind == "sign"]
    return obstacles, boards, [Light(t.label, 1.0, t.box) for t in things if t.kind == "light"]


def _board(frame: Frame, thing: Thing) -> Board:
    what = frame.named[thing.ident].what
    assert isinstance(what, Board)
    return what


def with_visible_hues(things: tuple[Thing, ...], image: NDArray[np.uint8], ids: NDArray[np.uint8]) -> tuple[Thing, ...]:
    """The things, their hue kept only where the finished picture (H, W, 3) RGB still shows it."""
    return tuple(
        thing if thing.hue in PAINTS and _shows(thing, image, ids) else replace(thing, hue="") for thing in things
    )


def _shows(thing: Thing, image: NDArray[np.uint8], ids: NDArray[np.uint8]) -> bool:
    """Whether the mean colour of the visible pixels agrees with the thing's hue."""
    if thing.kind == "light":
        return True
    left, top, right, bottom = thing.box
    if min(right - left, bottom - top) < COLOURED:
        return False
    window = slice(int(top), int(np.ceil(bottom))), slice(int(left), int(np.ceil(right)))
    mean = cv2.mean(image[window], (ids[window] == thing.ident).astype(np.uint8))[:3]
    low, middle, high = sorted(mean)
    if thing.hue in ("white", "grey", "black"):
        least, most = {"white": (105, 255), "grey": (45, 175), "black": (0, 85)}[thing.hue]
        return high - low < 40 and least <= middle <= most
    red, _, blue = mean
    return high - low > 16 and (blue > red if thing.hue == "blue" else red > blue or thing.hue == "green")
