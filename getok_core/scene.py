"""What the model said about one frame: lanes, drivable areas, obstacles, signs, lights, answers and faults.

Coordinates are float pixels of the image the caller gave. Lanes run near to far and are ordered by x at their lowest
vertex; obstacles, signs and lights near to far by the bottom edge of their box.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .geometry import XY


@dataclass(frozen=True)
class Fault:
    """Something wrong with what the model said, or with how much of it fitted. Data, never an exception."""

    kind: str
    """short machine-readable name, such as "unclosed", "inverted box" or "stray token" """
    detail: str = ""
    query: str = ""
    """name of the query it happened in: lanes, drivable area, obstacles, signs, lights, or the query's id"""


@dataclass(frozen=True, eq=False)
class Lane:
    """A lane line or road edge along the middle of the paint. points (N, 2), near to far."""

    label: str
    score: float
    points: XY


@dataclass(frozen=True, eq=False)
class DrivableArea:
    """Outer contour of the visible road surface, points (N, 2), clockwise in the image from its lowest left vertex."""

    label: str
    score: float
    points: XY


@dataclass(frozen=True, eq=False)
class Obstacle:
    """box (4,) left, top, right, bottom of the visible part."""

    label: str
    score: float
    box: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sign:
    """label is the shape; box (4,) as in Obstacle."""

    label: str
    colour: str
    visible_state: str
    score: float
    box: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Light:
    """state red, yellow, green, off or unknown; box (4,) as in Obstacle."""

    state: str
    score: float
    box: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything said about one frame."""

    width: int
    height: int
    lanes: tuple[Lane, ...] = ()
    drivable_areas: tuple[DrivableArea, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    signs: tuple[Sign, ...] = ()
    lights: tuple[Light, ...] = ()
    faults: tuple[Fault, ...] = ()
    truncated: bool = False
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """wall time by stage: vision, propose, refine, total"""
    model: str = ""
    """name and weights digest"""

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the command line's contract: pixels rounded to 0.1, scores to 0.001."""
        return {
            "image": {"width": self.width, "height": self.height},
            "lanes": [_object_json(lane) for lane in self.lanes],
            "drivable_areas": [_object_json(area) for area in self.drivable_areas],
            "obstacles": [_object_json(obstacle) for obstacle in self.obstacles],
            "signs": [_object_json(sign) for sign in self.signs],
            "lights": [_object_json(light) for light in self.lights],
            "faults": [vars(fault) for fault in self.faults],
            "truncated": self.truncated,
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
            "model": self.model,
        }


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one text query, with whatever geometry it holds, in pixels of the image asked about."""

    answer: str
    score: float
    points: tuple[XY, ...] = ()
    """one (N, 2) array for each instance named by points or seeds"""
    scene: Scene = field(default_factory=lambda: Scene(0, 0))
    """lanes, areas and objects of the answer, faults, timing and model"""

    def to_json(self) -> dict[str, Any]:
        """{"answer", "score", "points", "lanes", ..., "faults", "truncated", "seconds", "model"}."""
        points = [[round(float(v), 1) for v in xy] for group in self.points for xy in group]
        return {"answer": self.answer, "score": round(self.score, 3), "points": points, **self.scene.to_json()}


def _object_json(thing: Lane | DrivableArea | Obstacle | Sign | Light) -> dict[str, Any]:
    return {name: _value_json(value) for name, value in vars(thing).items()}


def _value_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.round(cast("NDArray[np.float64]", value), 1).tolist()
    return round(float(cast(float, value)), 3) if isinstance(value, float | np.floating) else value
