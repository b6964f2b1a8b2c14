"""The other side of a node under trial: a camera, an asker and a listener in one participant, or a camera alone.

`python -m getok_ros.soak_client SPACE RELIABILITY` is a camera of 30 Hz that runs until it is killed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from getok_core.view import RGB

from . import msg
from .images import rgb_to_image
from .soak_messages import Fields

CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = (
    Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE,
)  # fmt: skip
PATIENCE_S = 10.0
"""a node that does not answer within this time hangs"""


class SoakClient:
    """Talks to the node in one namespace. Callbacks store and wake; the caller's thread decides."""

    def __init__(self, space: str) -> None:
        self.answers: Counter[str] = Counter()
        """how often each query was answered, by id"""
        self.faults: dict[str, str] = {}
        """id -> kind of the fault of its answer, where there was one"""
        self.stamps: set[tuple[int, int]] = set()
        """of the scenes that came"""
        self.told: dict[str, str] = {}
        """part of the diagnostics -> its message"""
        self._changed, self._shown = threading.Condition(), 0
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = node = rclpy.create_node("soak", namespace=space, context=self._context)
        many = QoSProfile(depth=200)
        self._camera = node.create_publisher(Image, "image", QoSProfile(depth=5))
        self._asker = node.create_publisher(msg.Query, "query", many)
        self._clock = node.create_publisher(Clock, "/clock", 10)
        node.create_subscription(msg.Scene, "perception/scene", self._on_scene, many)
        node.create_subscription(msg.Answer, "perception/answers", self._on_answer, many)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._setter = node.create_client(SetParameters, "perception/set_parameters")
        self._changer = node.create_client(ChangeState, "perception/change_state")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="soak client", daemon=True)
        self._thread.start()

    # -- sending -----------------------------------------------------------------------------------------------------

    def send_image(self, fields: Fields) -> None:
        """Publishes an Image of these fields, whatever they are."""
        self._camera.publish(image_of(fields))

    def show(self, rgb: RGB, stamp: tuple[int, int] | None = None) -> tuple[int, int]:
        """Publishes a picture, stamped now unless told otherwise; returns its stamp, (sec, nanosec)."""
        message = rgb_to_image(rgb)
        now = self._node.get_clock().now().to_msg()
        message.header.stamp.sec, message.header.stamp.nanosec = stamp or (now.sec, now.nanosec)
        message.header.frame_id = "camera"
        self._camera.publish(message)
        return message.header.stamp.sec, message.header.stamp.nanosec

    def ask(self, id: str, fields: Fields | None = None) -> None:
        """Publishes a query of these fields."""
        self._asker.publish(query_of(id, fields or {"text": "What is this?"}))

    def tick(self, seconds: float) -> None:
        """Publishes this time on /clock."""
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(seconds), int(seconds % 1 * 1e9)
        self._clock.publish(message)

    # -- hearing -----------------------------------------------------------------------------------------------------

    def wait(self, until: Callable[[], Any], timeout_s: float = PATIENCE_S) -> bool:
        """Sleeps until something heard makes until() true; False when timeout_s passed before."""
        with self._changed:
            return bool(self._changed.wait_for(until, timeout_s))

    def meet(self, timeout_s: float = 60.0) -> bool:
        """Whether the node, active, and this client have found each other within this time."""
        return self._poll(lambda: self._connected and self.told.get("node", "") in ("active", ""), timeout_s)

    def probe(self, timeout_s: float = PATIENCE_S) -> bool:
        """Whether the node still turns a good frame into a scene: shows new ones until one comes back."""
        sent: set[tuple[int, int]] = set()

        def seen() -> bool:
            self._shown += 1
            sent.add(self.show(np.full((48, 64, 3), self._shown % 200, np.uint8)))
            return self.wait(lambda: not sent.isdisjoint(self.stamps), 0.3)

        return self._poll(seen, timeout_s)

    def all_answered(self, ids: list[str], timeout_s: float = 3 * PATIENCE_S) -> bool:
        """Whether each of these queries has its answer within this time."""
        return self.wait(lambda: all(self.answers[id] for id in ids), timeout_s)

    def set_parameter(self, name: str, value: Any) -> SetParametersResult | None:
        """What the node says to a new value; None when it says nothing, or ROS cannot even express the value."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        response = self._call(self._setter, request)
        return response.results[0] if response is not None and response.results else None

    def change_state(self, transition: int) -> bool | None:
        """Whether the node made the transition (lifecycle_msgs/Transition); None when it says nothing."""
        request = ChangeState.Request()
        request.transition.id = transition
        response = self._call(self._changer, request)
        return response.success if response is not None else None

    def close(self) -> None:
        """Leaves."""
        self._executor.shutdown(timeout_sec=2.0)
        self._context.try_shutdown()
        self._thread.join(timeout=5.0)
        self._node.destroy_node()

    def __enter__(self) -> SoakClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def _connected(self) -> bool:
        heard = all(self._node.count_publishers(one.topic_name) for one in self._node.subscriptions)
        return heard and bool(self._camera.get_subscription_count() and self._asker.get_subscription_count())

    def _call(self, client: Any, request: Any) -> Any:
        if not client.wait_for_service(PATIENCE_S):
            return None
        future = client.call_async(request)
        self._poll(future.done, 3 * PATIENCE_S)
        return future.result() if future.done() else None

    def _poll(self, found: Callable[[], Any], timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        while not found():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):  # close() shuts the context down
            self._executor.spin()

    def _on_scene(self, message: msg.Scene) -> None:
        with self._changed:
            if len(self.stamps) > 10_000:
                self.stamps.clear()
            self.stamps.add((message.header.stamp.sec, message.header.stamp.nanosec))
            self._changed.notify_all()

    def _on_answer(self, message: msg.Answer) -> None:
        with self._changed:
            self.answers[message.id] += 1
            for fault in message.faults:
                self.faults[message.id] = fault.kind
            self._changed.notify_all()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._changed:
            for status in message.status:
                space, _, part = status.name.rpartition(": ")
                if space.endswith(self._node.get_namespace().strip("/") + "/perception"):
                    self.told[part] = status.message
            self._changed.notify_all()


def image_of(fields: Fields) -> Image:
    """sensor_msgs/Image of soak_messages.images."""
    message = Image(**{name: fields[name] for name in ("encoding", "width", "height", "step", "is_bigendian", "data")})
    message.header.frame_id = fields["frame_id"]
    message.header.stamp.sec, message.header.stamp.nanosec = fields["stamp"]["sec"], fields["stamp"]["nanosec"]
    return message


def query_of(id: str, fields: Fields) -> msg.Query:
    """getok_ros/Query of soak_messages.queries."""
    plain = {name: value for name, value in fields.items() if name not in ("region", "stamp")}
    query = msg.Query(id=id, **plain)
    if "region" in fields:
        points = [msg.Point2(x=x, y=y) for x, y in fields["region"]["points"]]
        query.region = msg.Region(kind=fields["region"]["kind"], points=points)
        query.stamp.sec, query.stamp.nanosec = fields["stamp"]["sec"], fields["stamp"]["nanosec"]
    return query


def camera(space: str, reliability: str) -> None:
    """Publishes pictures at 30 Hz until the process is killed."""
    rclpy.init(args=[])
    node = rclpy.create_node("camera", namespace=space)
    quality = QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()])
    publisher = node.create_publisher(Image, "image", quality)
    while True:
        message = rgb_to_image(np.full((240, 320, 3), time.monotonic_ns() % 200, np.uint8))
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        time.sleep(1 / 30)


if __name__ == "__main__":
    camera(*sys.argv[1:])
