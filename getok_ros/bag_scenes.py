"""Our own messages written into a bag without a ROS install: a Scene and its stamp -> getok_ros/msg/Scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from getok_core.scene import Scene

from .bag_reader import messages

SCENE = "getok_ros/msg/Scene"
KINDS = ("lanes", "drivable_areas", "obstacles", "signs", "lights")


def scene_to_record(scene: Scene, stamp_ns: int, frame_id: str = "camera") -> Any:
    """The scene as BagWriter.write_message takes it, with the stamp and frame_id of its image."""
    sec, nanosec = divmod(stamp_ns, 10**9)
    return built(
        SCENE,
        {
            **vars(scene),
            "header": {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": frame_id},
            "faults": [asdict(fault) for fault in scene.faults],
            **{kind: [_fields(thing) for thing in getattr(scene, kind)] for kind in KINDS},
        },
    )


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
