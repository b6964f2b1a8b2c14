"""What our messages say, whoever took them off the wire: rclpy in the node, rosbags where ROS was never installed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.scene import DrivableArea, Fault, Lane, Light, Obstacle, Scene, Sign

STAGES = ("vision", "propose", "refine", "total")


def scene_from_message(message: Any) -> Scene:
    """The scene that a Scene or an Answer carries, whether rosbags or rclpy read it; scores and pixels unchanged."""
    return Scene(
        width=message.width,
        height=message.height,
        lanes=tuple(Lane(m.label, m.score, points_xy(m.points), m.id) for m in message.lanes),
        drivable_areas=tuple(DrivableArea(m.label, m.score, points_xy(m.points), m.id) for m in message.drivable_areas),
        obstacles=tuple(Obstacle(m.label, m.score, _box(m), m.id) for m in message.obstacles),
        signs=tuple(Sign(m.label, m.colour, m.visible_state, m.score, _box(m), m.id) for m in message.signs),
        lights=tuple(Light(m.state, m.score, _box(m), m.id) for m in message.lights),
        faults=tuple(Fault(m.kind, m.detail, m.query) for m in message.faults),
        truncated=message.truncated,
        seconds={stage: getattr(message.seconds, stage) for stage in STAGES},
        model=message.model,
        tracked=message.tracked,
    )


def points_xy(points: Any) -> XY:
    """Point2 messages -> (N, 2)."""
    return np.array([(point.x, point.y) for point in points], np.float64).reshape(-1, 2)


def _box(message: Any) -> NDArray[np.float64]:
    return np.array(message.box, np.float64)
