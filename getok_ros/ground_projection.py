"""Where the ground is for one camera: its CameraInfo, and its pose from a parameter or from tf."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo

from getok_core.errors import CameraError
from getok_core.ground import Ground, Pose
from getok_core.lens import Lens
from getok_ros.transforms import Transforms


class GroundProjection:
    """Keeps the newest CameraInfo of one camera. `ground` may be called from any thread."""

    def __init__(
        self, node: Node, transforms: Transforms, topic: str, base_frame: str, pose: str, far_m: float, rectified: bool
    ) -> None:
        """topic: of the CameraInfo; pose: as Pose.read takes it, empty for tf; rectified: images have no distortion.

        Raises CameraError on a pose that is none.
        """
        self._base_frame, self._far_m, self._rectified = base_frame, far_m, rectified
        self._pose = Pose.read(pose) if pose.strip() else None
        self._info: CameraInfo | None = None
        self._node, self._transforms, self.topic = node, transforms, topic
        if self._pose is None:
            transforms.listen()
        self._subscription = node.create_subscription(CameraInfo, topic, self._on_info, qos_profile_sensor_data)

    def ground(self, frame_id: str) -> Ground:
        """The ground as the camera with this frame sees it. Raises CameraError where it is not known, and why."""
        if self._info is None:
            raise CameraError(f"no CameraInfo has come on {self.topic}: publish one, or remap it")
        pose = self._pose or self._transforms.pose(self._base_frame, frame_id)
        return Ground(lens_of(self._info, self._rectified), pose, self._far_m)

    def close(self) -> None:
        """Withdraws the subscription."""
        self._node.destroy_subscription(self._subscription)

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message


def lens_of(info: Any, rectified: bool) -> Lens:
    """CameraInfo -> lens of the image it comes with: K and D, or P of a rectified image; binning and region kept."""
    roi = info.roi
    part = (roi.x_offset, roi.y_offset, roi.width, roi.height) if roi.width else (0, 0, info.width, info.height)
    if rectified:
        p = [float(value) for value in info.p]
        return Lens.calibrated((p[0], 0, p[2], 0, p[5], p[6], 0, 0, 1), "", (), part)
    return Lens.calibrated([float(value) for value in info.k], info.distortion_model, list(info.d), part)
