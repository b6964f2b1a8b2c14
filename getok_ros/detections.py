"""A scene's boxes as vision_msgs/Detection2DArray, where a ROS install has vision_msgs: it does not come as a wheel."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from getok_core.scene import Light, Scene, Sign

try:
    from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:
    Detection2DArray = None
    """None: vision_msgs is not installed"""


def scene_detections(scene: Scene, header: Header) -> Any:
    """Obstacles, signs and lights, each one Detection2D with its pixel box and one hypothesis.

    class_id: `car`, `sign/red stop`, `light/red`: kind and label; id: that of a tracked thing. Needs vision_msgs.
    """
    things = (*scene.obstacles, *scene.signs, *scene.lights)
    return Detection2DArray(header=header, detections=[_detection(thing, header) for thing in things])


def class_id(thing: Any) -> str:
    """Name of what a box holds: obstacles by their class, signs by colour and shape, lights by state."""
    if isinstance(thing, Sign):
        return f"sign/{thing.colour} {thing.label}"
    return f"light/{thing.state}" if isinstance(thing, Light) else thing.label


def _detection(thing: Any, header: Header) -> Any:
    left, top, right, bottom = map(float, thing.box)
    box = BoundingBox2D(size_x=right - left, size_y=bottom - top)
    box.center.position.x, box.center.position.y = (left + right) / 2, (top + bottom) / 2
    guess = ObjectHypothesisWithPose()
    guess.hypothesis.class_id, guess.hypothesis.score = class_id(thing), float(thing.score)
    return Detection2D(header=header, results=[guess], bbox=box, id=str(thing.id) if thing.id else "")
