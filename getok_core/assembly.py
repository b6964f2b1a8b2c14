"""Instances the model named, with their vertices in pixels -> the lanes, areas and objects of a Scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .geometry import XY, Seeds
from .masked import Named
from .queries import SIGN_COLOURS, VISIBLE_STATES
from .scene import Answer, DrivableArea, Fault, Lane, Light, Obstacle, Scene, Sign


@dataclass(frozen=True, eq=False)
class Found:
    """One instance in pixels of the user's image."""

    label: str
    score: float
    shapes: tuple[tuple[str, XY], ...]
    """(kind, vertices (N, 2)), at most two"""
    id: int = 0
    """of a thing that was carried over from the frame before"""


@dataclass
class Heard:
    """All that one query brought."""

    name: str
    found: list[Found] = field(default_factory=list[Found])
    faults: list[Fault] = field(default_factory=list[Fault])
    truncated: bool = False
    none_score: float = 0.0
    """score of the answer none, when that was it"""


def box_of(corners: XY, least: tuple[float, float]) -> NDArray[np.float64] | None:
    """Two corners (2, 2) -> (4,) box; None when inverted. A side without length means one resolved step: `least`."""
    low, high = corners[0].copy(), corners[1].copy()
    if (high < low).any():
        return None
    for axis in (0, 1):
        if high[axis] - low[axis] < 1e-9:
            low[axis], high[axis] = low[axis] - least[axis] / 2, high[axis] + least[axis] / 2
    return np.concatenate([low, high])


def near_to_far(xy: XY) -> XY:
    """The line (N, 2) with its lower end first."""
    return xy if xy[0, 1] >= xy[-1, 1] else xy[::-1]


def _lanes(heard: Heard) -> list[Lane]:
    lanes = [
        Lane(f.label or "unknown", f.score, near_to_far(xy), f.id)
        for f in heard.found
        for kind, xy in f.shapes
        if kind == "pl"
    ]
    return sorted(lanes, key=lambda lane: float(lane.points[lane.points[:, 1].argmax(), 0]))


def _boxes(heard: Heard) -> list[tuple[Found, NDArray[np.float64]]]:
    """Boxes near to far by their bottom edge."""
    boxes = [(f, xy.reshape(4)) for f in heard.found for kind, xy in f.shapes if kind == "box"]
    return sorted(boxes, key=lambda pair: -float(pair[1][3]))


def _sign(found: Found, box: NDArray[np.float64]) -> Sign:
    words = found.label.split()
    colour = next((word for word in words[1:] if word in SIGN_COLOURS), "other")
    state = next((word for word in words[1:] if word in VISIBLE_STATES), "clear")
    return Sign(words[0] if words else "other", colour, state, found.score, box, found.id)


def assemble(heard: list[Heard], size: tuple[int, int], seconds: dict[str, float], model: str) -> Scene:
    """The standing queries' results -> one Scene of an image of size (width, height)."""
    by_name = {one.name: one for one in heard}

    def of(name: str) -> Heard:
        return by_name.get(name, Heard(name))

    areas = [f for f in of("drivable area").found]
    return Scene(
        *size,
        lanes=tuple(_lanes(of("lanes"))),
        drivable_areas=tuple(
            DrivableArea(f.label or "drivable", f.score, xy, f.id) for f in areas for _, xy in f.shapes
        ),
        obstacles=tuple(Obstacle(f.label or "other", f.score, box, f.id) for f, box in _boxes(of("obstacles"))),
        signs=tuple(_sign(f, box) for f, box in _boxes(of("signs"))),
        lights=tuple(Light(f.label or "unknown", f.score, box, f.id) for f, box in _boxes(of("lights"))),
        faults=tuple(fault for one in heard for fault in one.faults),
        truncated=any(one.truncated for one in heard),
        seconds=seconds,
        model=model,
    )


def seeds_of(heard: Heard) -> list[Named]:
    """The instances of one result that are named by seeds."""
    return [(f.label, f.score, Seeds(xy)) for f in heard.found for kind, xy in f.shapes if kind == "seg"]


def answer_of(heard: Heard, size: tuple[int, int], seconds: dict[str, float], model: str) -> Answer:
    """One text query's result. A task of geometry answers with its objects and says how many in words."""
    known = heard.name in ("lanes", "drivable area", "obstacles", "signs", "lights")
    others = Heard("obstacles", heard.found, heard.faults, heard.truncated) if not known else heard
    scene = assemble([others], size, seconds, model)
    points = tuple(xy for f in heard.found for kind, xy in f.shapes if kind in ("pt", "seg"))
    said = [f for f in heard.found if not f.shapes]
    shaped = [f for f in heard.found if f.shapes]
    if said:
        return Answer(said[0].label, said[0].score, points, scene)
    if shaped:
        score = float(np.exp(np.mean(np.log([max(f.score, 1e-9) for f in shaped]))))
        return Answer(", ".join(f.label for f in shaped if f.label), score, points, scene)
    return Answer("none" if heard.none_score else "", heard.none_score, points, scene)
