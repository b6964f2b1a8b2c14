"""Where cameras stand in the base frame, from tf: with a ROS install only, since tf2_ros does not come as a wheel."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.time import Time

from getok_core.errors import CameraError
from getok_core.ground import Pose

try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:
    Buffer = None


class Transforms:
    """Heard once for all cameras, and only if one of them needs it: tf may say thousands of things a second."""

    def __init__(self, node: Node) -> None:
        self._node, self._buffer, self._listener = node, None, None

    def listen(self) -> None:
        """From now on, if it can be."""
        if Buffer is not None and self._listener is None:
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, self._node)

    def pose(self, base_frame: str, frame_id: str) -> Pose:
        """The newest pose of a camera. From any thread. Raises CameraError where it is not known, and why."""
        if self._buffer is None:
            raise CameraError("the camera's pose is not known: set camera_pose (tf2_ros is not installed)")
        try:
            found = self._buffer.lookup_transform(base_frame, frame_id, Time()).transform
        except TransformException as error:
            raise CameraError(f"no transform {base_frame} <- {frame_id}: {error}; set camera_pose") from None
        at, turn = found.translation, found.rotation
        return Pose.transformed((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))

    def close(self) -> None:
        """Listens no more."""
        if self._listener is not None:
            self._listener.unregister()
            self._buffer = self._listener = None
