"""What the node publishes: a Scene a frame, its parts and a picture while someone looks, and an Answer a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_policy_name_from_kind
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from getok_core.scene import Answer, Fault, Scene
from getok_ros import msg
from getok_ros.images import RGB, rgb_to_image
from getok_ros.messages import ARRAYS, Quality, answer_to_message, array_to_message, scene_to_message

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks


class Outputs:
    """The publishers of one node. Every method may be called from any thread."""

    def __init__(self, node: Node, overlay: bool, on_mismatch: Callable[[str, Any], None]) -> None:
        def publisher(message_type: Any, topic: str, depth: int) -> Any:
            events = PublisherEventCallbacks(incompatible_qos=lambda event: on_mismatch(topic, event))
            return node.create_publisher(message_type, topic, QoSProfile(depth=depth), event_callbacks=events)

        self._scene = publisher(msg.Scene, "~/scene", 5)
        self._answers = publisher(msg.Answer, "~/answers", 100)
        self._arrays = {name: publisher(array, f"~/{name}", 5) for name, array in ARRAYS.items()}
        self._overlay = publisher(Image, "~/overlay", 1) if overlay else None

    def scene(self, scene: Scene, header: Header, quality: Quality) -> None:
        """Publishes the scene of the frame with this header, and each part that is subscribed to."""
        self._scene.publish(scene_to_message(scene, header, quality))
        for name, publisher in self._arrays.items():
            if publisher.get_subscription_count():
                publisher.publish(array_to_message(name, scene, header, quality))

    def overlay(self, image: RGB, scene: Scene, answers: Sequence[tuple[Any, Answer]], header: Header) -> None:
        """Draws and publishes the picture of a scene if someone is subscribed to it."""
        if self._overlay is None or not self._overlay.get_subscription_count():
            return
        from getok_core.overlay import draw

        self._overlay.publish(rgb_to_image(draw(image, scene, answers), header))

    def answer(self, answer: Answer, query: msg.Query, header: Header, quality: Quality) -> None:
        """Publishes the answer to a query, given on the frame with this header."""
        self._answers.publish(answer_to_message(answer, query, header, quality))

    def refuse(self, query: msg.Query, header: Header, kind: str, reason: str) -> None:
        """Publishes an empty answer with one fault: the query cannot be answered, and why."""
        fault = Fault(kind, reason, query.id)
        self.answer(Answer("", 0.0, (), Scene(0, 0, faults=(fault,))), query, header, Quality())


def mismatch_text(event: Any) -> str:
    """What an incompatible_qos event of either side says, in words."""
    return f"{qos_policy_name_from_kind(event.last_policy_kind).lower()} of {event.total_count} does not fit"
