"""A ROS participant apart from the node: it plays the cameras, listens to scenes and answers, and asks.

Talks to the node by topics only. Callbacks store and wake; the caller's thread decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import ListParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from getok_core.queries import SceneQuery
from getok_core.scene import Answer, Scene

from . import msg
from .bags import COMPRESSED, Recorded
from .live_cameras import LiveCamera
from .messages import answer_from_message, region_from_shape, scene_from_message

ANSWER_S = 0.5
"""in which a node that knows this participant answers"""


@dataclass(frozen=True, eq=False)
class Heard:
    """A scene or answer as it arrived."""

    what: Scene | Answer
    stamp_ns: int
    """of the frame it is about"""
    at_s: float
    """monotonic time of its arrival"""


class Client:
    """Cameras and listener in one participant; name is the node's."""

    def __init__(self, name: str, cameras: Sequence[LiveCamera]) -> None:
        self.scenes: dict[tuple[str, int], Heard] = {}
        """by the camera's name and stamp_ns"""
        self.newest: dict[str, Heard] = {}
        """the last scene of each camera"""
        self.answers: dict[str, Heard] = {}
        """by query id"""
        self.diagnostics: dict[str, tuple[str, dict[str, str]]] = {}
        """part (engine, images, scenes, queries) -> message, values"""
        self._changed = threading.Condition()
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(f"{name}_replay", context=self._context)
        once = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        many = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
        self._cameras = {
            camera.name: self._node.create_publisher(
                CompressedImage if camera.type == COMPRESSED else Image, camera.image_topic, once
            )
            for camera in cameras
        }
        self._asker = self._node.create_publisher(msg.Query, "query", many)
        self._listeners = [
            self._node.create_subscription(
                msg.Scene, one.output_topic(name, "scene"), partial(self._hear_scene, one.name), many
            )
            for one in cameras
        ]
        self._listeners.append(self._node.create_subscription(msg.Answer, f"{name}/answers", self._hear_answer, many))
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._hear_diagnostics, 10)
        self._knock = self._node.create_client(ListParameters, f"{name}/list_parameters")  # made last, see connected
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="replay client", daemon=True)
        self._thread.start()

    def publish(self, recorded: Recorded, camera: str) -> float:
        """Sends the raw message as the camera of that name; returns the monotonic time of sending in s."""
        self._cameras[camera].publish(recorded.raw)
        return monotonic()

    def ask(self, id: str, query: SceneQuery, camera: str, stamp_ns: int) -> None:
        """Sends a query about a camera's frame of that stamp, or about a region of it in its pixels."""
        asked = msg.Query(id=id, text=query.text, options=list(query.options), camera=camera, has_stamp=True)
        asked.stamp.sec, asked.stamp.nanosec = divmod(stamp_ns, 10**9)
        if query.region is not None:
            asked.has_region, asked.region = True, region_from_shape(query.region)
        self._asker.publish(asked)

    def wait(self, until: Callable[[], Any], timeout_s: float) -> bool:
        """Sleeps until something heard makes until() true; False when timeout_s passed before."""
        with self._changed:
            return bool(self._changed.wait_for(until, timeout_s))

    @property
    def connected(self) -> bool:
        """Whether the node listens to the cameras and to queries, and its outputs reach here. Takes up to ANSWER_S.

        Whom this side has found may not have found it yet. Discovery tells endpoints in the order they were made,
        so the node knows all others as soon as it answers a client that was made last.
        """
        heard = all(self._node.count_publishers(listener.topic_name) for listener in self._listeners)
        sent = all(sender.get_subscription_count() for sender in (*self._cameras.values(), self._asker))
        if not (heard and sent and self._knock.service_is_ready()):
            return False
        answered = threading.Event()
        self._knock.call_async(ListParameters.Request()).add_done_callback(lambda _: answered.set())
        return answered.wait(ANSWER_S)

    @property
    def engine(self) -> str:
        """What the node last said about its engine: loading, ready, what went wrong, or nothing yet."""
        return self.diagnostics.get("engine", ("", {}))[0]

    @property
    def model(self) -> str:
        """Name and digest of the model that the node runs; "" as long as it has not said."""
        return self.diagnostics.get("engine", ("", {}))[1].get("model", "")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self._context.try_shutdown()
        self._thread.join(timeout=5.0)
        self._node.destroy_node()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):  # __exit__ shuts the context down
            self._executor.spin()

    def _hear_scene(self, camera: str, message: msg.Scene) -> None:
        heard = Heard(scene_from_message(message), _stamp_ns(message), monotonic())
        with self._changed:
            self.scenes[camera, heard.stamp_ns] = self.newest[camera] = heard
            self._changed.notify_all()

    def _hear_answer(self, message: msg.Answer) -> None:
        heard = Heard(answer_from_message(message), _stamp_ns(message), monotonic())
        with self._changed:
            self.answers[message.id] = heard
            self._changed.notify_all()

    def _hear_diagnostics(self, message: DiagnosticArray) -> None:
        with self._changed:
            for status in message.status:
                values = {value.key: value.value for value in status.values}
                self.diagnostics[status.name.rpartition(": ")[2]] = (status.message, values)
            self._changed.notify_all()


def _stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
