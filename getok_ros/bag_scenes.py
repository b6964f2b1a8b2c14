"""Our own messages written into a bag without a ROS install: a Scene or an Answer and its stamp -> getok_ros/msg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from getok_core.scene import Answer, Scene

from .bag_reader import messages

SCENE, ANSWER = "getok_ros/msg/Scene", "getok_ros/msg/Answer"
KINDS = ("lanes", "drivable_areas", "obstacles", "signs", "lights")


def scene_to_record(scene: Scene, stamp_ns: int, frame_id: str = "camera") -> Any:
    """The scene as BagWriter.write_message takes it, with the stamp and frame_id of its image."""
    return built(SCENE, _said(scene, stamp_ns, frame_id))


def answer_to_record(text: str, answer: Answer, stamp_ns: int, frame_id: str = "camera") -> Any:
    """The answer to a question of that text, with the stamp and frame_id of the frame it was answered on."""
    points = [{"x": x, "y": y} for group in answer.points for x, y in group.tolist()]
    counts = [len(group) for group in answer.points]
    own = {"text": text, "answer": answer.answer, "score": answer.score, "points": points, "point_counts": counts}
    return built(ANSWER, {**_said(answer.scene, stamp_ns, frame_id), **own})


def _said(scene: Scene, stamp_ns: int, frame_id: str) -> dict[str, Any]:
    """The fields that Scene and Answer share."""
    sec, nanosec = divmod(stamp_ns, 10**9)
    return {
        **vars(scene),
        "header": {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": frame_id},
        "faults": [asdict(fault) for fault in scene.faults],
        **{kind: [_fields(thing) for thing in getattr(scene, kind)] for kind in KINDS},
    }


def _fields(thing: Any) -> dict[str, Any]:
    """A Lane, DrivableArea, Obstacle, Sign or Light as the fields of the message of the same name."""
    fields: dict[str, Any] = dict(vars(thing))
    if "points" in fields:
        fields["points"] = [{"x": x, "y": y} for x, y in fields["points"].tolist()]
    return fields


def built(name: str, values: Mapping[str, Any]) -> Any:
    """A message of that type; fields that are not given are zero, empty or false."""
    described = messages().fielddefs[name][1]
    return messages().types[name](**{field: _value(kind, values.get(field)) for field, kind in described})


def _value(kind: Any, value: Any) -> Any:
    node, detail = kind
    if node == Nodetype.NAME:
        return built(detail, value or {})
    if node == Nodetype.BASE:
        zero = {"string": str, "bool": bool, "float32": float, "float64": float}.get(detail[0], int)
        return zero() if value is None else zero(value)
    element, length = detail
    if element[0] == Nodetype.BASE and element[1][0] != "string":
        return np.zeros(length, element[1][0]) if value is None else np.asarray(value, element[1][0])
    return [_value(element, one) for one in value or [None] * length]
