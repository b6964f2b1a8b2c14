"""What the model said about one frame: lanes, drivable areas, obstacles, signs, lights, answers and faults.

Coordinates are float pixels of the image the caller gave. Lanes run near to far and are ordered by x at their lowest
vertex; obstacles, signs and lights near to far by the bottom edge of their box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Union, cast

import numpy as np
from numpy.typing import NDArray

from .geometry import XY, as_xy
from .masked import Masked


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
    id: int = 0
    """the same thing keeps it while it is followed from frame to frame; 0: it is not"""


@dataclass(frozen=True, eq=False)
class DrivableArea:
    """Outer contour of the visible road surface, points (N, 2), clockwise in the image from its lowest left vertex."""

    label: str
    score: float
    points: XY
    id: int = 0


@dataclass(frozen=True, eq=False)
class Obstacle:
    """box (4,) left, top, right, bottom of the visible part."""

    label: str
    score: float
    box: NDArray[np.float64]
    id: int = 0


@dataclass(frozen=True, eq=False)
class Sign:
    """label is the shape; box (4,) as in Obstacle."""

    label: str
    colour: str
    visible_state: str
    score: float
    box: NDArray[np.float64]
    id: int = 0


@dataclass(frozen=True, eq=False)
class Light:
    """state red, yellow, green, off or unknown; box (4,) as in Obstacle."""

    state: str
    score: float
    box: NDArray[np.float64]
    id: int = 0


Thing = Union[Lane, DrivableArea, Obstacle, Sign, Light]
THINGS: dict[str, type[Thing]] = {
    "lanes": Lane, "drivable_areas": DrivableArea, "obstacles": Obstacle, "signs": Sign, "lights": Light,
}  # fmt: skip
"""field of a Scene -> what stands in it"""


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
    tracked: bool = False
    """some of it was carried over from the frame before and refined; all else was proposed on this one"""

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the command line's contract: pixels rounded to 0.1, scores to 0.001.

        Ids, and the mark "tracked", stand there only where something is tracked.
        """
        return {
            "image": {"width": self.width, "height": self.height},
            **{name: [_thing_json(thing) for thing in getattr(self, name)] for name in THINGS},
            "faults": [vars(fault) for fault in self.faults],
            "truncated": self.truncated,
            **({"tracked": True} if self.tracked else {}),
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
            "model": self.model,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Scene:
        """The inverse of to_json. Keys may be missing, but for image and what an object is; a score is then 1.

        Raises ValueError in one line that names what is malformed.
        """
        try:
            width, height = (int(said["image"][side]) for side in ("width", "height"))
            things = {name: tuple(_thing(kind, one) for one in said.get(name, ())) for name, kind in THINGS.items()}
            faults = tuple(Fault(**fault) for fault in said.get("faults", ()))
            seconds = {str(stage): float(value) for stage, value in said.get("seconds", {}).items()}
        except KeyError as error:
            raise ValueError(f"a scene without {error.args[0]}") from None
        except (TypeError, AttributeError) as error:
            raise ValueError(f"no scene: {error}") from None
        rest: dict[str, Any] = {"truncated": bool(said.get("truncated", False)), "model": str(said.get("model", ""))}
        rest |= {"faults": faults, "seconds": seconds, "tracked": bool(said.get("tracked", False))}
        return cls(width, height, **things, **rest)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one text query, with whatever geometry it holds, in pixels of the image asked about."""

    answer: str
    score: float
    points: tuple[XY, ...] = ()
    """one (N, 2) array for each instance named by points or seeds"""
    scene: Scene = field(default_factory=lambda: Scene(0, 0))
    """lanes, areas and objects of the answer, faults, timing and model"""
    masks: tuple[Masked, ...] = ()
    """of the instances named by seeds, where a segmenter was at hand"""

    def to_json(self) -> dict[str, Any]:
        """{"answer", "score", "points", "lanes", ..., "model"}, and "masks" where there are any (Masked.to_json)."""
        points = [[round(float(v), 1) for v in xy] for group in self.points for xy in group]
        said = {"answer": self.answer, "score": round(self.score, 3), "points": points, **self.scene.to_json()}
        return {**said, "masks": [one.to_json() for one in self.masks]} if self.masks else said

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Answer:
        """The inverse of to_json, but that all points become one group. Raises ValueError as Scene.from_json does."""
        scene, points = Scene.from_json(said), as_xy(said.get("points", ()))
        if not isinstance(said.get("answer"), str):
            raise ValueError("an answer without its words")
        size = scene.width, scene.height
        masks = tuple(Masked.from_json(one, size) for one in said.get("masks", ()))
        return cls(str(said["answer"]), float(said.get("score", 1.0)), (points,) if len(points) else (), scene, masks)


def scaled(scene: Scene, by: tuple[float, float]) -> Scene:
    """The scene with every coordinate times (x, y); its width and height too, rounded, at least 1."""
    width, height = (max(1, round(side * part)) for side, part in zip((scene.width, scene.height), by, strict=True))
    things = {name: tuple(_scaled(thing, by) for thing in getattr(scene, name)) for name in THINGS}
    return replace(scene, width=width, height=height, **things)


def _scaled(thing: Thing, by: tuple[float, float]) -> Thing:
    if isinstance(thing, Lane | DrivableArea):
        return replace(thing, points=thing.points * np.asarray(by))
    return replace(thing, box=thing.box * np.asarray([*by, *by]))


def _thing_json(thing: Thing) -> dict[str, Any]:
    return {name: _value_json(value) for name, value in vars(thing).items() if name != "id" or value}


def _value_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.round(cast("NDArray[np.float64]", value), 1).tolist()
    return round(float(cast(float, value)), 3) if isinstance(value, float | np.floating) else value


def _thing(kind: type[Thing], said: Mapping[str, Any]) -> Thing:
    given: dict[str, Any] = {"score": 1.0, "id": 0, **said}
    return kind(**{each.name: _value(each.name, given[each.name]) for each in fields(kind)})


def _value(name: str, said: Any) -> Any:
    if name == "points":
        return as_xy(said)
    if name == "box":
        box = np.asarray(said, np.float64)
        if box.shape != (4,) or not np.isfinite(box).all():
            raise ValueError(f"a box is left, top, right, bottom, got {said!r}")
        return box
    if name in ("score", "id"):
        return float(said) if name == "score" else int(said)
    if not isinstance(said, str):
        raise ValueError(f"{name} is a word, got {said!r}")
    return said
