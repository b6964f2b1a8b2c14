"""Where the ground is for one camera: its CameraInfo, and its pose from a parameter or, with a ROS install, from tf."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from getok_core.errors import CameraError
from getok_core.ground import Ground, Pose
from getok_core.lens import Lens

try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:  # not among the wheels
    Buffer = None


class GroundProjection:
    """Keeps the newest CameraInfo of one camera. `ground` may be called from any thread."""

    def __init__(self, node: Node, topic: str, base_frame: str, pose: str, far_m: float, rectified: bool) -> None:
        """topic: of the CameraInfo; pose: as Pose.read takes it, empty for tf; rectified: images have no distortion.

        Raises CameraError on a pose that is none.
        """
        self._base_frame, self._far_m, self._rectified = base_frame, far_m, rectified
        self._pose = Pose.read(pose) if pose.strip() else None
        self._info: CameraInfo | None = None
        self._buffer = Buffer() if Buffer is not None and self._pose is None else None
        self._listener = TransformListener(self._buffer, node) if self._buffer is not None else None
        self._node, self.topic = node, topic
        self._subscription = node.create_subscription(CameraInfo, topic, self._on_info, qos_profile_sensor_data)

    def ground(self, frame_id: str) -> Ground:
        """The ground as the camera with this frame sees it. Raises CameraError where it is not known, and why."""
        if self._info is None:
            raise CameraError(f"no CameraInfo has come on {self.topic}: publish one, or remap it")
        return Ground(lens_of(self._info, self._rectified), self._pose or self._looked_up(frame_id), self._far_m)

    def close(self) -> None:
        """Withdraws the subscriptions."""
        self._node.destroy_subscription(self._subscription)
        if self._listener is not None:
            self._listener.unregister()

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _looked_up(self, frame_id: str) -> Pose:
        if self._buffer is None:
            raise CameraError("the camera's pose is not known: set camera_pose (tf2_ros is not installed)")
        try:
            found = self._buffer.lookup_transform(self._base_frame, frame_id, Time()).transform
        except TransformException as error:
            raise CameraError(f"no transform {self._base_frame} <- {frame_id[:80]}: {error}; set camera_pose") from None
        at, turn = found.translation, found.rotation
        return Pose.transformed((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))


def lens_of(info: Any, rectified: bool) -> Lens:
    """CameraInfo -> lens of the image it comes with: K and D, or P of a rectified image; binning and region kept."""
    roi = info.roi
    part = (roi.x_offset, roi.y_offset, roi.width, roi.height) if roi.width else (0, 0, info.width, info.height)
    if rectified:
        p = [float(value) for value in info.p]
        return Lens.calibrated((p[0], 0, p[2], 0, p[5], p[6], 0, 0, 1), "", (), part)
    return Lens.calibrated([float(value) for value in info.k], info.distortion_model, list(info.d), part)
