"""What the node publishes of each camera: a Scene a frame; its parts and a picture while someone looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from getok_core.scene import Answer, Scene
from getok_ros import msg
from getok_ros.images import RGB, rgb_to_image
from getok_ros.interop import Interop
from getok_ros.messages import ARRAYS, Quality, array_to_message, scene_to_message
from getok_ros.settings import CameraSettings, Settings
from getok_ros.transforms import Transforms


class Outputs:
    """The publishers of one camera: ~/scene, or ~/NAME/scene of one among several. Any thread may publish."""

    def __init__(self, node: Node, camera: CameraSettings, settings: Settings, transforms: Transforms) -> None:
        self._node = node
        self._space = f"~/{camera.name}" if camera.name else "~"
        self._scene = self._publisher(msg.Scene, "scene", 5)
        self._arrays = {name: self._publisher(array, name, 5) for name, array in ARRAYS.items()}
        self._overlay = self._publisher(Image, "overlay", 1) if settings.overlay else None
        self._interop = Interop(node, camera, settings, transforms, self._publisher)

    def _publisher(self, message_type: Any, name: str, depth: int) -> Any:
        return publisher(self._node, message_type, f"{self._space}/{name}", depth)

    @property
    def publishers(self) -> list[Publisher]:
        """All of them."""
        own = (self._scene, *self._arrays.values(), self._overlay)
        return [*(one for one in own if one is not None), *self._interop.publishers]

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
        for one in self.publishers:
            self._node.destroy_publisher(one)
        self._interop.close()


def publisher(node: Node, message_type: Any, topic: str, depth: int) -> Publisher:
    """A reliable publisher."""
    return node.create_publisher(message_type, topic, QoSProfile(depth=depth))
