"""The node: camera frames and queries in, scenes and answers out. Callbacks only store; one worker thread perceives.

Newest frame wins. The engine loads in the worker, so that diagnostics speak while it does. Nothing here knows a model.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from getok_core.errors import GetokError
from getok_ros import msg
from getok_ros.arguments import ros_arguments
from getok_ros.diagnostics import Health
from getok_ros.inbox import Inbox
from getok_ros.outputs import Outputs, mismatch_text
from getok_ros.parameters import Settings, declare
from getok_ros.share import default_model, fastdds_profile
from getok_ros.worker import MakePerceiver, Perceives, Worker

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

PATIENCE_S = 3.0
"""how long a stopping node waits for the frame in work"""


class PerceptionNode(Node):
    """Topics: image or image/compressed and query in; ~/scene, its parts, ~/answers, ~/overlay and /diagnostics out."""

    def __init__(self, make_perceiver: MakePerceiver, stop: threading.Event) -> None:
        """stop: set by the worker when the engine cannot be loaded. Raises ParameterError and QueryError."""
        super().__init__("perception")
        self.settings = settings = declare(self)
        self.health = Health(self.get_fully_qualified_name().strip("/"), settings.image_timeout_s)
        self.inbox = Inbox(settings.history, settings.query_limit, settings.queries_per_frame, settings.query_wait_s)
        self.outputs = Outputs(self, settings.overlay, self._on_mismatch)
        self.worker = Worker(settings, make_perceiver, self.inbox, self.outputs, self.health, self, stop.set)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._subscribe()
        self.create_timer(1.0, self._on_second)
        self.worker.start()

    def _subscribe(self) -> None:
        compressed = self.settings.image_transport == "compressed"
        topic = self._compressed_topic() if compressed else self.resolve_topic_name("image")
        reliability = ReliabilityPolicy[self.settings.image_reliability.upper()]
        self.create_subscription(
            CompressedImage if compressed else Image,
            topic,
            self._on_image,
            QoSProfile(depth=1, reliability=reliability),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda event: self._on_mismatch(topic, event)),
        )
        self.create_subscription(msg.Query, "query", self._on_query, QoSProfile(depth=100))
        self.get_logger().info(f"reading {topic} ({self.settings.image_transport}, {self.settings.image_reliability})")

    def _compressed_topic(self) -> str:
        """image/compressed as remapped; if it is not, it follows the remapping of image."""
        own = self.resolve_topic_name("image/compressed")
        unmapped = f"{self.get_namespace().rstrip('/')}/image/compressed"
        return own if own != unmapped else self.resolve_topic_name("image") + "/compressed"

    def _on_image(self, message: Any) -> None:
        self.health.count("images")
        self.inbox.put_frame(message)

    def _on_query(self, message: msg.Query) -> None:
        if not self.inbox.put_query(message):
            limit = self.settings.query_limit
            reason = f"{limit} queries wait already: ask more slowly, or raise query_limit"
            self.worker.refuse(message, Header(), "too many queries", reason)

    def _on_mismatch(self, topic: str, event: Any) -> None:
        text = mismatch_text(event)
        self.health.qos_mismatch(topic, text)
        self.get_logger().warning(
            f"{topic}: QoS mismatch, {text}; see image_reliability and durability of the other side"
        )

    def _on_second(self) -> None:
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(self.health.report(stamp, self.inbox.dropped, self.inbox.waiting))

    def close(self) -> bool:
        """Ends the worker and answers what still waits. False when the worker is stuck in a load or a frame."""
        for pending in self.inbox.close():
            self.worker.refuse(pending.message, Header(), "failed", "the node is shutting down")
        self.worker.join(PATIENCE_S)
        return not self.worker.is_alive()


def load_perceiver(settings: Settings) -> tuple[Perceives, str]:
    """The perceiver of the model folder in the settings, with its name and digest. Raises ModelError."""
    from getok_core.engines import load_engine
    from getok_core.perceiver import Perceiver

    engine = load_engine(Path(settings.model) if settings.model else default_model(), settings.device, settings.threads)
    refinements = settings.refinements if settings.refinements >= 0 else None
    perceiver = Perceiver(engine, refinements=refinements, deadline_s=settings.deadline_s or None)
    return perceiver, engine.manifest.title


def main(argv: Sequence[str] | None = None, make_perceiver: MakePerceiver = load_perceiver) -> int:
    """`getok-node`: runs until SIGINT or SIGTERM. Returns 0, or 2 after one line on what is wrong with the input."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    os.environ.setdefault(*fastdds_profile())
    node = None
    try:
        arguments = ros_arguments(sys.argv[1:] if argv is None else argv)
        _init(arguments)
        node = PerceptionNode(make_perceiver, stop)
        _spin(node, stop)
        error = node.worker.error
    except GetokError as bad:
        error = bad
    done = node.close() if node else True
    if node:
        node.destroy_node()
    if rclpy.ok():
        rclpy.shutdown()
    if error:
        print(f"getok-node: {error}", file=sys.stderr)
    if not done:  # a thread inside native code would crash the interpreter on its way out
        sys.stderr.flush()
        os._exit(2 if error else 0)
    return 2 if error else 0


def _init(arguments: Sequence[str]) -> None:
    try:
        rclpy.init(args=["getok-node", *arguments], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # RCLError and its kin live in a private module
        reason = str(error).split(", at ")[0]
        raise GetokError(f"ROS refuses the arguments {' '.join(arguments)}: {' '.join(reason.split())}") from None


def _spin(node: PerceptionNode, stop: threading.Event) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while rclpy.ok() and not stop.is_set():
            executor.spin_once(timeout_sec=0.2)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()


if __name__ == "__main__":
    sys.exit(main())
