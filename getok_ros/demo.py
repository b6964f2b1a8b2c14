"""`getok demo`: a recorded drive goes over DDS to the node, and what comes back becomes a film, a page and a summary.

Three parties, as on a vehicle: the node is a process of its own, started as a user starts it; this process plays the
camera and is a client that listens and asks. Nothing here is scripted: without scenes and three answers it fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from getok_core.errors import BagError, GetokError
from getok_core.view import RGB

from .bags import COMPRESSED, BagWriter, ImageBag
from .demo_report import Report, summary, write_film
from .film import make_folder, open_overlay
from .frames import open_source
from .progress import bar
from .share import default_model, fastdds_profile

NAME = "getok"
"""the node's name, so its topics are /getok/scene, .."""
SEED, FRAMES, SIZE, FPS = 116, 160, (1280, 720), 10.0
"""the rendered drive"""
FILM = "overlay.mp4"
READY_S = 120.0
"""longest wait for the engine"""


class DemoFailed(Exception):
    """The demo ran and did not show what it must; str() is one line."""


def demo(arguments: Namespace) -> int:
    """0 when scenes and three answers arrived, else one line on stderr and 1. Raises GetokError on bad input."""
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.update(surroundings(os.environ))  # before rclpy loads: this process and the node find each other alone
    out = Path(arguments.out)
    kind = _check_source(arguments)
    make_folder(out)
    open_overlay(out / FILM, "video")  # what the last step needs is missed now, not then
    try:
        with NodeProcess(node_command(arguments, kind), out / "node.log") as node:
            report = _run(arguments, out, kind, node)
    except DemoFailed as failure:
        print(f"getok: demo failed: {failure}", file=sys.stderr)
        return 1
    print(summary(report, out))
    return 0


def surroundings(environment: Any) -> dict[str, str]:
    """Discovery within this machine, a ROS domain of our own, and shared memory large enough for camera frames."""
    found = {"ROS_DOMAIN_ID": str(70 + os.getpid() % 30), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    if environment.get("ROS_DISTRO") == "humble":
        found["ROS_LOCALHOST_ONLY"] = "1"  # Humble knows no discovery range
    variable, profile = fastdds_profile()
    return {variable: environment.get(variable, profile), **found}


def node_command(arguments: Namespace, kind: str) -> list[str]:
    """How the node is started, as a user would: getok-node by another name, images compressed or raw as recorded."""
    model = Path(arguments.model) if arguments.model else default_model()
    command = [sys.executable, "-m", "getok_ros.perception_node", "--model", str(model), "--device", arguments.device]
    transport = "compressed" if kind == COMPRESSED else "raw"
    settings = {"image_transport": transport, "image_reliability": "reliable", "history": 60, "max_age_s": 0.0}
    given = [part for name, value in settings.items() for part in ("-p", f"{name}:={value}")]
    return [*command, "--ros-args", "-r", f"__node:={NAME}", *given]


class NodeProcess:
    """The perception node as a process of its own; stopped by its id, whatever happens here."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:  # a session of its own: Ctrl-C reaches only us, and we stop it in order
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    def check(self) -> None:
        """Raises DemoFailed when the node has ended."""
        if self._process.poll() is not None:
            said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            last = said[-1] if said else "it said nothing"
            raise DemoFailed(f"the node ended with code {self._process.returncode}: {last}; see {self.log}")

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stop, patience_s in ((signal.SIGINT, 8.0), (signal.SIGTERM, 4.0), (signal.SIGKILL, 4.0)):
            if self._process.poll() is not None:
                return
            self._process.send_signal(stop)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue


def _run(arguments: Namespace, out: Path, kind: str, node: NodeProcess) -> Report:
    from .demo_client import Client
    from .demo_page import write_page
    from .demo_play import play

    path, what = _recording(arguments, out)
    topic = arguments.topic if arguments.bag else None
    with ImageBag(path, topic) as bag, Client(NAME, kind) as client:
        _await_engine(client, node)
        report = play(bag, client, node.check, what, arguments)
    if not report.scenes:
        raise DemoFailed(f"{report.sent} frames were sent and no scene came back; see {node.log}")
    missing = [asked.text for asked in report.asked if asked.answer is None]
    if missing or len(report.asked) < 3:
        raise DemoFailed(f"no answer to {', '.join(map(repr, missing)) or 'three questions'}; see {node.log}")
    key_frames = write_film(report, path, topic, out / FILM)
    write_page(report, key_frames, out / "index.html")
    return report


def _await_engine(client: Any, node: NodeProcess) -> None:
    """Returns once the node's diagnostics say that the engine is ready and the topics are connected."""
    deadline = time.monotonic() + READY_S
    while not (client.engine == "ready" and client.connected):
        client.wait(lambda: client.engine not in ("", "loading"), 0.2)
        node.check()
        if client.engine not in ("", "loading", "ready"):
            raise DemoFailed(f"the engine did not load: {client.engine}; see {node.log}")
        if time.monotonic() > deadline:
            state = client.engine or "no diagnostics came"
            raise DemoFailed(f"the node was not ready after {READY_S:g} s ({state}); see {node.log}")


def _check_source(arguments: Namespace) -> str:
    """Type of the images that will be played. Raises GetokError early, before anything is started."""
    if arguments.bag and arguments.video:
        raise BagError("a bag and a video were given: give one of them")
    if arguments.video and open_source(arguments.video).kind == "image":
        raise GetokError(f"{arguments.video} is one image: give a video or a folder, or use getok perceive")
    if arguments.bag:
        with ImageBag(arguments.bag, arguments.topic) as bag:
            return bag.type
    return COMPRESSED


def _recording(arguments: Namespace, out: Path) -> tuple[Path, str]:
    """The rosbag2 to play and what it shows; rendered, or made of the video, where none was given."""
    if arguments.bag:
        return Path(arguments.bag), f"bag {Path(arguments.bag).name}"
    path = out / "recording"
    shutil.rmtree(path, ignore_errors=True)
    if arguments.video:
        source = open_source(arguments.video)
        frames = (frame.image for frame in source if frame.image is not None)
        what, count, fps = f"{source.kind} {source.path.name}", source.count, source.fps
    else:
        count, fps = arguments.frames or FRAMES, FPS
        frames, what = _drive(count), f"synthetic drive, rendered from seed {SEED}"
    if arguments.frames:
        count = min(count, arguments.frames) if count else arguments.frames
    began = time.time_ns()
    with BagWriter(path) as bag:
        for number, image in enumerate(bar(islice(frames, arguments.frames), "recording", count)):
            bag.write("/image/compressed", image, began + int(number * 1e9 / fps))
    return path, what


def _drive(count: int) -> Iterator[RGB]:
    try:
        from training.scenes import drive
    except ModuleNotFoundError:
        raise GetokError(
            "the drive is rendered by training/, in a checkout: run there, or give --bag or --video"
        ) from None
    cv2.setNumThreads(1)  # the node loads its engine meanwhile
    for rendered in drive(SEED, count, SIZE, FPS):
        yield rendered.image


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    from .cli import main

    sys.exit(main(["demo", *sys.argv[1:]]))
