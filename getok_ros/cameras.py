"""The subscription of one camera, and the topics that belong to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from getok_ros.settings import CameraSettings, Settings


def subscribe(
    node: Node,
    camera: CameraSettings,
    settings: Settings,
    on_image: Callable[[Any], None],
) -> Subscription:
    """Reads a camera, newest frame only; says so in the log."""
    transport = camera.transport or settings.image_transport
    reliability = camera.reliability or settings.image_reliability
    plain = image_topic(camera)
    topic = _compressed_topic(node, plain) if transport == "compressed" else node.resolve_topic_name(plain)
    node.get_logger().info(f"reading {topic} ({transport}, {reliability})")
    return node.create_subscription(
        CompressedImage if transport == "compressed" else Image,
        topic,
        on_image,
        QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()]),
    )


def image_topic(camera: CameraSettings) -> str:
    """The image topic as the camera's settings give it, before it is resolved."""
    return camera.topic or (f"{camera.name}/image" if camera.name else "image")


def camera_info_topic(node: Node, camera: CameraSettings) -> str:
    """The CameraInfo beside the camera's images, as image_transport has it: /front/camera_info of /front/image_raw."""
    return node.resolve_topic_name(image_topic(camera)).rpartition("/")[0] + "/camera_info"


def _compressed_topic(node: Node, plain: str) -> str:
    """TOPIC/compressed as remapped; if it is not, it follows the remapping of TOPIC."""
    own = node.resolve_topic_name(f"{plain}/compressed")
    unmapped = plain if plain.startswith("/") else f"{node.get_namespace().rstrip('/')}/{plain}"
    return own if own != f"{unmapped}/compressed" else node.resolve_topic_name(plain) + "/compressed"
