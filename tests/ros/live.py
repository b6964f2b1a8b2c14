"""A node as a process of its own, and a client that talks to it over DDS. Everything waits for a bounded time."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import ListParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from getok_ros import msg
from getok_ros.images import rgb_to_image

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = Path(__file__).with_name("scripted_node.py")
Found = TypeVar("Found")


class Process:
    """The scripted node, started with these arguments and environment; its output goes to a file."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._output = folder / f"output-{time.monotonic_ns()}.txt"
        self.popen = subprocess.Popen(
            [sys.executable, str(SCRIPTED), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "RCUTILS_LOGGING_BUFFERED_STREAM": "0", **environment},
            stdout=self._output.open("wb"),
            stderr=subprocess.STDOUT,
        )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Until the output holds the text. Fails with the output when it does not come."""
        end = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < end and self.popen.poll() is None, f"no {text!r} in:\n{self.output}"
            time.sleep(0.02)

    def stop(self, *signals: int, pause_s: float = 0.05) -> int:
        """Sends the signals one after the other; returns the exit code."""
        for number in signals or (signal.SIGINT,):
            self.popen.send_signal(number)
            time.sleep(pause_s)
        return self.code()

    def code(self, seconds: float = 45.0) -> int:
        """The exit code, once it has ended."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"did not end within {seconds} s:\n{self.output}") from None


class Client:
    """Publishes images and queries in a namespace, and keeps what comes back; it has a context of its own.

    cameras: names of several, each with a topic NAME/image and scenes of its own.
    """

    def __init__(
        self,
        space: str = "",
        compressed: bool = False,
        image_qos: Any = ReliabilityPolicy.RELIABLE,
        cameras: tuple[str, ...] = (),
    ) -> None:
        self.space = space
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("client", namespace=space, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.scenes: list[msg.Scene] = []
        self.answers: list[msg.Answer] = []
        self.diagnostics: list[DiagnosticArray] = []
        for camera in cameras or ("",):
            self.subscribe(msg.Scene, f"perception/{camera}/scene".replace("//", "/"), self.scenes)
        self.subscribe(msg.Answer, "perception/answers", self.answers)
        self.subscribe(DiagnosticArray, "/diagnostics", self.diagnostics)
        topic = "image/compressed" if compressed else "image"
        kind = CompressedImage if compressed else Image
        qos = QoSProfile(depth=5, reliability=image_qos)
        self.cameras = [
            self.node.create_publisher(kind, f"{name}/{topic}".strip("/"), qos) for name in cameras or ("",)
        ]
        self.images = self.cameras[0]
        self.queries = self.node.create_publisher(msg.Query, "query", 100)

    def subscribe(self, kind: Any, topic: str, into: list[Any]) -> None:
        self.node.create_subscription(kind, topic, into.append, 100)

    def meet(self) -> Client:
        """Until both sides have found each other.

        Who has found a publisher has not been found by it yet. Discovery tells endpoints in the order they were made,
        so a service called with a client made last answers only when the node knows all the others.
        """
        self.wait(lambda: all(one.get_subscription_count() for one in (*self.cameras, self.queries)))
        self.wait(lambda: all(one.get_publisher_count() for one in self.node.subscriptions))
        self.call(ListParameters, "list_parameters", retry_s=1.0)
        return self

    def wait(self, found: Callable[[], Found], seconds: float = 45.0) -> Found:
        """Spins until found() is true and returns it. Fails after so many seconds."""
        end = time.monotonic() + seconds
        while not (result := found()):
            assert time.monotonic() < end, "waited in vain"
            self.executor.spin_once(timeout_sec=0.05)
        return result

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def header(self, frame_id: str = "camera") -> Header:
        return Header(frame_id=frame_id, stamp=self.node.get_clock().now().to_msg())

    def publish(self, message: Any, camera: int = 0) -> Header:
        """Publishes an image of the camera with this index; returns its header, filled in."""
        message.header = self.header(f"camera {camera}" if camera else "camera")
        self.cameras[camera].publish(message)
        return message.header

    def show(self, colour: tuple[int, int, int] = (1, 2, 3), size: tuple[int, int] = (8, 6)) -> msg.Scene:
        """Publishes one plain image of (width, height) and returns its scene.

        Now and then an executor sleeps over a sample that comes just as it goes to wait; the next one wakes it. A
        camera sends many, this sends one: so it is sent again, with the same header, where it stays unheard.
        """
        image = plain(colour, size)
        header = self.publish(image)
        end_s = time.monotonic() + UNHEARD_S

        def seen() -> msg.Scene | None:
            nonlocal end_s
            if time.monotonic() > end_s:
                self.images.publish(image)
                end_s += UNHEARD_S
            return scene_of(self, header)

        return self.wait(seen)

    def ask(self, text: str = "hello", **fields: Any) -> msg.Answer:
        """Publishes a query and returns its answer."""
        query = msg.Query(id=f"q{time.monotonic_ns()}", text=text, **fields)
        self.queries.publish(query)
        return self.wait(lambda: next((answer for answer in self.answers if answer.id == query.id), None))

    def call(self, kind: Any, name: str, retry_s: float = 45.0, **fields: Any) -> Any:
        """Calls a service of the node, once more where no response came within retry_s; returns its response."""
        client = self.node.create_client(kind, f"perception/{name}")
        self.wait(client.service_is_ready)
        futures: list[Any] = []

        def responded() -> Any:
            if time.monotonic() > began_s + len(futures) * retry_s:
                futures.append(client.call_async(kind.Request(**fields)))
            return next((future.result() for future in futures if future.done()), None)

        began_s = time.monotonic()
        response = self.wait(responded)
        self.node.destroy_client(client)
        return response

    def set_parameter(self, name: str, value: Any) -> str:
        """Why the node refuses, or an empty text."""
        parameters = [Parameter(name, value=value).to_parameter_msg()]
        (result,) = self.call(SetParameters, "set_parameters", parameters=parameters).results
        assert result.successful == (not result.reason)
        return result.reason

    def status(self, part: str) -> dict[str, str]:
        """The newest diagnostics of node, engine, queries, or images or scenes: values, "message" and "level"."""
        name = f"{self.space}/perception: {part}".strip("/")
        status = self.wait(
            lambda: next((s for a in reversed(self.diagnostics) for s in a.status if s.name == name), None)
        )
        values = {value.key: value.value for value in status.values}
        return {**values, "message": status.message, "level": str(status.level[0])}

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (8, 6)) -> Image:
    """An rgb8 image of one colour; size is (width, height)."""
    return rgb_to_image(np.full((size[1], size[0], 3), colour, np.uint8))


def scene_of(client: Client, header: Header) -> msg.Scene | None:
    """The scene of the frame with this header, if it has come."""
    return next((scene for scene in client.scenes if scene.header == header), None)


UNHEARD_S = 10.0
PATIENT = ("-p", "max_age_s:=20.0")
_spaces = (f"test_{number}" for number in itertools.count())


@contextmanager
def running(
    folder: Path, *ros: str, client: dict[str, Any] | None = None, active: bool = True, **environment: str
) -> Iterator[Any]:
    """A process in a namespace of its own and a client that have met; ros: arguments after --ros-args.

    active: False when the node is not to start by itself. Both are ended afterwards, and the exit must be clean.
    Unless told otherwise no image is lost on the way (reliable), and none grows too old on a busy machine.
    """
    space, client = next(_spaces), client or {}
    reliability = () if "image_qos" in client else ("-p", "image_reliability:=reliable")
    process = Process(folder, "--namespace", space, "--ros-args", *PATIENT, *reliability, *ros, **environment)
    talker = Client(space, **client)
    try:
        if active:
            process.wait_for("is ready on")
        yield process, talker.meet() if active else talker
    except BaseException:
        print(process.output, talker.diagnostics[-1:])
        raise
    finally:
        talker.close()
        assert process.stop() == 0, process.output
        assert "Traceback" not in process.output
