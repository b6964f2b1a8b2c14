"""What other people's tools read of one camera: ~/detections, ~/drivable_mask, ~/markers, each while subscribed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from getok_core.errors import CameraError
from getok_core.metrics.areas import union
from getok_core.scene import Scene
from getok_ros.cameras import camera_info_topic
from getok_ros.detections import Detection2DArray, scene_detections
from getok_ros.ground_projection import GroundProjection
from getok_ros.images import mask_to_image
from getok_ros.markers import scene_markers
from getok_ros.settings import CameraSettings, Settings
from getok_ros.tally import shortened
from getok_ros.transforms import Transforms


class Interop:
    """The publishers that `extras` names. Any thread may publish."""

    def __init__(
        self,
        node: Node,
        camera: CameraSettings,
        settings: Settings,
        transforms: Transforms,
        publisher: Callable[[Any, str, int], Any],
    ) -> None:
        """publisher: makes one of a type, a name below the camera's own and a depth."""
        offered = {
            "detections": (Detection2DArray, scene_detections),
            "drivable_mask": (Image, drivable_mask),
            "markers": (MarkerArray, self._markers),
        }
        self._publishers = [
            (publisher(kind, name, 5), make)
            for name, (kind, make) in offered.items()
            if name in settings.extras and kind is not None
        ]
        self._node, self._base_frame, self._told = node, settings.base_frame, ""
        self._projection = None
        if "markers" in settings.extras:
            pose, topic = camera.pose or settings.camera_pose, camera_info_topic(node, camera)
            self._projection = GroundProjection(
                node, transforms, topic, settings.base_frame, pose, settings.ground_range_m, settings.rectified
            )

    @property
    def publishers(self) -> list[Any]:
        """All of them."""
        return [publisher for publisher, _ in self._publishers]

    def scene(self, scene: Scene, header: Header) -> None:
        """Publishes what the scene of the frame with this header is to those who look."""
        for publisher, make in self._publishers:
            if publisher.get_subscription_count():
                message = make(scene, header)
                if message is not None:
                    publisher.publish(message)

    def close(self) -> None:
        """Ends the projection; the topics are withdrawn by who made them."""
        if self._projection is not None:
            self._projection.close()

    def _markers(self, scene: Scene, header: Header) -> MarkerArray | None:
        """None, and one warning, while the ground is not known."""
        assert self._projection is not None
        try:
            ground = self._projection.ground(header.frame_id)
        except CameraError as error:
            if (said := shortened(str(error))) != self._told:
                self._told = said
                self._node.get_logger().warning(f"no markers: {said}")
            return None
        return scene_markers(scene, ground, header.stamp, self._base_frame)


def drivable_mask(scene: Scene, header: Header) -> Image:
    """mono8 of the image's size: 255 where a pixel's centre lies in a drivable area."""
    return mask_to_image(union((area.points for area in scene.drivable_areas), (scene.width, scene.height)), header)
