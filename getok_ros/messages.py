"""Scene and Answer <-> messages, both ways without loss; Query -> SceneQuery. Knows every field of msg/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from std_msgs.msg import Header

from getok_core import scene as core
from getok_core.errors import QueryError
from getok_core.geometry import XY, Box, Point, Polygon, Polyline, Seeds, Shape
from getok_core.queries import SceneQuery, question
from getok_ros import msg

from .read_messages import STAGES, points_xy, scene_from_message

ARRAYS = {
    "lanes": msg.LaneArray,
    "drivable_areas": msg.DrivableAreaArray,
    "obstacles": msg.ObstacleArray,
    "signs": msg.SignArray,
    "lights": msg.LightArray,
}
"""field of a Scene, also the name of its topic -> the message that carries it alone"""
REGIONS: dict[str, type[Shape]] = {
    msg.Region.POINT: Point,
    msg.Region.BOX: Box,
    msg.Region.POLYLINE: Polyline,
    msg.Region.POLYGON: Polygon,
    msg.Region.SEEDS: Seeds,
}
"""Region.kind -> shape"""
MAX_TEXT, MAX_OPTIONS, MAX_NAME = 2000, 32, 600
"""characters, blanks included, and options of a question, characters of its id: more is refused, and cut in the answer
that says so"""
MAX_VERTICES = 256
"""of a region; more would not fit into a question anyway"""


@dataclass(frozen=True)
class Quality:
    """What a message says about how it came to be, beside what the scene itself knows; see the comments in msg/."""

    shed: tuple[str, ...] = ()
    """what was left out to keep the deadline; anything makes the message degraded"""
    late: bool = False


def scene_to_message(scene: core.Scene, header: Header, quality: Quality | None = None) -> msg.Scene:
    """Everything of one frame; header: stamp and frame_id of its image."""
    message = _filled(msg.Scene(header=header), scene, quality or Quality())
    for name in ARRAYS:
        setattr(message, name, _objects(name, scene))
    return message


def array_to_message(name: str, scene: core.Scene, header: Header, quality: Quality | None = None) -> Any:
    """The part of the scene that ARRAYS names, alone, with its own faults only."""
    message = _filled(ARRAYS[name](header=header), scene, quality or Quality())
    setattr(message, name, _objects(name, scene))
    message.faults = [
        fault for fault in message.faults if fault.query == name.replace("_", " ").replace("areas", "area")
    ]
    return message


def answer_to_message(
    answer: core.Answer, query: msg.Query, header: Header, quality: Quality | None = None
) -> msg.Answer:
    """The answer to a query; header: stamp and frame_id of the frame it was answered on."""
    message = _filled(msg.Answer(header=header), answer.scene, quality or Quality())
    message.id, message.text, message.camera = query.id[:MAX_NAME], query.text[:MAX_TEXT], query.camera[:MAX_NAME]
    message.answer, message.score = answer.answer, float(answer.score)
    message.points = [point for group in answer.points for point in _points(group)]
    message.point_counts = [len(group) for group in answer.points]
    for name in ARRAYS:
        setattr(message, name, _objects(name, answer.scene))
    return message


def answer_from_message(message: msg.Answer) -> core.Answer:
    """The answer that a message carries; the inverse of answer_to_message."""
    ends = np.cumsum(np.asarray(message.point_counts, np.int64))
    groups = np.split(points_xy(message.points), ends[:-1]) if len(ends) else []
    return core.Answer(message.answer, message.score, tuple(groups), scene_from_message(message))


def query_from_message(message: msg.Query) -> SceneQuery:
    """A Query -> what the perceiver is asked. Raises QueryError when id, text, options or region are not usable."""
    if len(message.id) > MAX_NAME:
        raise QueryError(f"the query's id has {len(message.id)} characters: at most {MAX_NAME} are taken")
    if len(message.text) > MAX_TEXT or len(message.options) > MAX_OPTIONS:
        sizes = f"{len(message.text)} characters and {len(message.options)} options"
        raise QueryError(f"the question has {sizes}: at most 500 and {MAX_OPTIONS} are taken")
    region = shape_from_region(message.region) if message.has_region else None
    return question(message.text, region, tuple(message.options))


def shape_from_region(region: msg.Region) -> Shape:
    """Region -> shape, in the same pixels. Raises QueryError on an unknown kind or points that do not make one."""
    if region.kind not in REGIONS:
        raise QueryError(f"region kind {region.kind[:20]!r} is unknown: use one of {', '.join(REGIONS)}")
    if len(region.points) > MAX_VERTICES:
        raise QueryError(f"region has {len(region.points)} vertices: at most {MAX_VERTICES} are taken")
    try:
        return REGIONS[region.kind](points_xy(region.points))
    except ValueError as error:
        raise QueryError(f"region of kind {region.kind!r}: {error}") from None


def region_from_shape(shape: Shape) -> msg.Region:
    """Shape -> Region, in the same pixels."""
    kind = next(kind for kind, shape_type in REGIONS.items() if type(shape) is shape_type)
    return msg.Region(kind=kind, points=_points(shape.xy))


def fault_to_message(fault: core.Fault) -> msg.Fault:
    """Fault -> message."""
    return msg.Fault(kind=fault.kind, detail=fault.detail, query=fault.query)


def _filled(message: Any, scene: core.Scene, quality: Quality) -> Any:
    """The fields that every output has."""
    message.width, message.height, message.model = scene.width, scene.height, scene.model
    message.faults = [fault_to_message(fault) for fault in scene.faults]
    message.degraded, message.shed = bool(quality.shed), list(quality.shed)
    message.truncated, message.late, message.tracked = bool(scene.truncated), quality.late, bool(scene.tracked)
    message.seconds = msg.Seconds(**{stage: float(scene.seconds.get(stage, 0.0)) for stage in STAGES})
    return message


def _objects(name: str, scene: core.Scene) -> list[Any]:
    return [_object(thing) for thing in getattr(scene, name)]


def _object(thing: Any) -> Any:
    """A Lane, DrivableArea, Obstacle, Sign or Light -> the message of the same name and fields."""
    message = getattr(msg, type(thing).__name__)()
    for field, value in vars(thing).items():
        if field == "points":
            message.points = _points(value)
        elif field == "box":
            message.box = np.asarray(value, np.float64)
        else:
            setattr(message, field, float(value) if field == "score" else value)
    return message


def _points(xy: XY) -> list[msg.Point2]:
    return [msg.Point2(x=x, y=y) for x, y in xy.tolist()]
