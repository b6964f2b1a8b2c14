"""What the node publishes of each camera: a Scene a frame; its parts and a picture while someone looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_policy_name_from_kind
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from getok_core.scene import Answer, Scene
from getok_ros import msg
from getok_ros.images import RGB, rgb_to_image
from getok_ros.interop import Interop
from getok_ros.messages import ARRAYS, Quality, array_to_message, scene_to_message
from getok_ros.settings import CameraSettings, Settings

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

OnMismatch = Callable[[str, Any], None]
"""takes a topic and the incompatible_qos event on it"""


class Outputs:
    """The publishers of one camera: ~/scene, or ~/NAME/scene of one among several. Any thread may publish."""

    def __init__(self, node: Node, camera: CameraSettings, settings: Settings, on_mismatch: OnMismatch) -> None:
        self._node, self._on_mismatch = node, on_mismatch
        self._space = f"~/{camera.name}" if camera.name else "~"
        self._scene = self._publisher(msg.Scene, "scene", 5)
        self._arrays = {name: self._publisher(array, name, 5) for name, array in ARRAYS.items()}
        self._overlay = self._publisher(Image, "overlay", 1) if settings.overlay else None
        self._interop = Interop(node, camera, settings, self._publisher)

    def _publisher(self, message_type: Any, name: str, depth: int) -> Any:
        return publisher(self._node, message_type, f"{self._space}/{name}", depth, self._on_mismatch)

    def scene(self, scene: Scene, header: Header, quality: Quality) -> None:
        """Publishes the scene of the frame with this header, and each part that is subscribed to."""
        self._scene.publish(scene_to_message(scene, header, quality))
        for name, array in self._arrays.items():
            if array.get_subscription_count():
                array.publish(array_to_message(name, scene, header, quality))
        self._interop.scene(scene, header)

    def overlay(self, image: RGB, scene: Scene, answers: Sequence[tuple[Any, Answer]], header: Header) -> None:
        """Draws and publishes the picture of a scene if someone is subscribed to it."""
        if self._overlay is None or not self._overlay.get_subscription_count():
            return
        from getok_core.overlay import draw

        self._overlay.publish(rgb_to_image(draw(image, scene, answers), header))

    def close(self) -> None:
        """Withdraws all topics."""
        for one in (self._scene, *self._arrays.values(), self._overlay):
            if one is not None:
                self._node.destroy_publisher(one)
        self._interop.close()


def publisher(node: Node, message_type: Any, topic: str, depth: int, on_mismatch: OnMismatch) -> Any:
    """A reliable publisher that tells of subscribers whose quality of service does not fit."""
    events = PublisherEventCallbacks(incompatible_qos=lambda event: on_mismatch(topic, event))
    return node.create_publisher(message_type, topic, QoSProfile(depth=depth), event_callbacks=events)


def mismatch_text(event: Any) -> str:
    """What an incompatible_qos event of either side says, in words."""
    return f"{qos_policy_name_from_kind(event.last_policy_kind).lower()} of {event.total_count} does not fit"
