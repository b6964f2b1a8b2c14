"""All that runs between configure and cleanup: a worker, and for each camera its subscription, health and outputs.

Callbacks only store, the worker perceives; a timer ends queries whose time is over, and a frame that hangs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Header

from getok_core.errors import GetokError
from getok_ros.cameras import subscribe
from getok_ros.connections import Misfits, others
from getok_ros.health import CameraHealth, Part
from getok_ros.inbox import Inbox
from getok_ros.jobs import Pending
from getok_ros.loading import Perceives
from getok_ros.outputs import Outputs
from getok_ros.replies import Replies
from getok_ros.settings import CameraSettings, Settings
from getok_ros.transforms import Transforms
from getok_ros.worker import Worker

PATIENCE_S = 3.0
"""how long one waits for the frame in work"""


class EngineHangs(GetokError):
    """The engine has been silent on one frame for too long."""


class Pipeline:
    """What a configured node is made of. Inactive at first."""

    def __init__(
        self,
        node: Node,
        settings: Settings,
        cameras: tuple[CameraSettings, ...],
        perceiver: Perceives,
        replies: Replies,
    ) -> None:
        self.active = False
        self._node, self._settings, self._cameras = node, settings, cameras
        self._perceiver, self._replies = perceiver, replies
        self._health = {camera.name: CameraHealth(camera.name) for camera in cameras}
        self._transforms = Transforms(node)
        self._outputs = {camera.name: Outputs(node, camera, settings, self._transforms) for camera in cameras}
        self._misfits = {camera.name: (Misfits(node), Misfits(node)) for camera in cameras}
        self._inbox = Inbox(settings, cameras)
        self._inbox.shut()
        self._worker = Worker(settings, perceiver, self._inbox, self._outputs, replies, self._health, node.get_clock())
        self._subscriptions: dict[str, Subscription] = {}
        self.configure(settings, cameras)
        self._worker.start()

    def activate(self) -> None:
        """Reads the cameras and takes queries; stays inactive where a camera cannot be read, and raises."""
        self._worker.shown_since_s = monotonic()
        self._inbox.reopen()
        self.active = True
        try:
            for camera in self._cameras:
                self._health[camera.name].active(True)
                store = self._on_image(camera.name)
                self._subscriptions[camera.name] = subscribe(self._node, camera, self._settings, store)
        except Exception:
            self.deactivate()
            raise

    def deactivate(self) -> None:
        """Forgets all frames, refuses the queries that wait, and publishes no scene any more."""
        self.active, self._worker.shown_since_s = False, inf
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._refuse_all(self._inbox.shut(), "inactive", "the node was deactivated")
        for health in self._health.values():
            health.active(False)

    def close(self) -> bool:
        """Ends the worker and frees the model. False when a frame is still in work: then it is only inactive."""
        self.deactivate()
        if not self._worker.idle(PATIENCE_S):
            return False
        self._inbox.close()
        self._worker.join(PATIENCE_S)
        if self._worker.is_alive():
            return False
        self._perceiver.close()
        for outputs in self._outputs.values():
            outputs.close()
        self._transforms.close()
        return True

    def abandon(self) -> None:
        """Refuses what is in work: the process ends."""
        self._refuse_all(self._worker.in_flight, "failed", "the node ends, and the engine is still at it")

    def configure(self, settings: Settings, cameras: tuple[CameraSettings, ...]) -> None:
        """New values of parameters that may change at work."""
        self._settings, self._cameras, self._worker.settings = settings, cameras, settings
        self._inbox.configure(settings, cameras)
        for camera in cameras:
            self._health[camera.name].configure(settings.image_timeout_s, camera.max_rate_hz)

    def put_query(self, query: Pending) -> bool:
        """False when too many wait already, or the pipeline is inactive."""
        return self._inbox.put_query(query)

    def sweep(self) -> None:
        """Refuses queries whose time is over, those in work included. Raises EngineHangs, once all are refused."""
        for query, kind, reason in self._inbox.expired():
            self._replies.refuse(query, Header(), kind, reason)
        late = [query for query in self._worker.in_flight if query.waited_s() >= query.timeout_s]
        self._refuse_all(late, "timeout", "it was being answered when its time was over")
        limit_s, busy_s = self._settings.hang_timeout_s, self._worker.busy_s
        if limit_s and busy_s > limit_s:
            text = f"the engine has been silent on one frame for {busy_s:.1f} s, hang_timeout_s is {limit_s:g}"
            self._refuse_all([*self._worker.in_flight, *self._inbox.shut()], "failed", text)
            raise EngineHangs(f"{text}: start the node anew")

    def report(self) -> tuple[list[Part], int, float]:
        """What is to be said of the cameras; how many queries wait; for how long, in s, the engine is at its frame."""
        for name, health in self._health.items():
            read = [self._subscriptions[name]] if name in self._subscriptions else []
            images, scenes = self._misfits[name]
            health.qos, health.unheard = images.of(read), scenes.of(self._outputs[name].publishers)
            health.publishers = sum(len(others(self._node, one)) for one in read)
        parts = [part for name, one in self._health.items() for part in one.report(self._inbox.dropped(name))]
        return parts, self._inbox.waiting, self._worker.busy_s

    def _refuse_all(self, queries: Any, kind: str, reason: str) -> None:
        for query in queries:
            self._replies.refuse(query, Header(), kind, reason)

    def _on_image(self, camera: str) -> Callable[[Any], None]:
        def store(message: Any) -> None:
            self._health[camera].image()
            self._inbox.put_frame(message, camera)

        return store
