"""The perception node as a process of its own, started as a user would, alone with us on this machine. Needs no ROS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .live_cameras import LiveCamera
from .share import fastdds_profile

NAME = "getok"
"""the node's name, so its topics are /getok/scene, .."""
READY_S = 120.0
"""longest wait for the engine"""


class NodeFailed(Exception):
    """The node did not do what it must; str() is one line."""


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """Discovery within this machine, a ROS domain of our own, and shared memory large enough for camera frames."""
    found = {"ROS_DOMAIN_ID": str(70 + os.getpid() % 30), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    if environment.get("ROS_DISTRO") == "humble":
        found["ROS_LOCALHOST_ONLY"] = "1"  # Humble knows no discovery range
    variable, profile = fastdds_profile()
    return {variable: environment.get(variable, profile), **found}


def node_command(
    model: Path,
    device: str,
    refinements: int | None,
    cameras: Sequence[LiveCamera],
    engine: str = "",
    track: int = 0,
) -> list[str]:
    """How the node is started: getok-node by another name, images compressed or raw as recorded, no frame too old."""
    command = [sys.executable, "-m", "getok_ros.perception_node", "--model", str(model), "--device", device]
    settings: dict[str, Any] = {"image_reliability": "reliable", "history": 60, "max_age_s": 0.0}
    for camera in cameras:
        settings[f"{camera.name}.transport" if camera.name else "image_transport"] = camera.transport
    if len(cameras) > 1:
        settings["cameras"] = f"[{', '.join(camera.name for camera in cameras)}]"
    if refinements is not None:
        settings["refinements"] = refinements
    if engine:
        settings["engine"] = engine
    if track:
        settings["track_every"] = track
    given = [part for name, value in settings.items() for part in ("-p", f"{name}:={value}")]
    return [*command, "--ros-args", "-r", f"__node:={NAME}", *given]


class NodeProcess:
    """The running node; stopped by its id, whatever happens here."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:  # a session of its own: Ctrl-C reaches only us, and we stop it in order
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    def check(self) -> None:
        """Raises NodeFailed when the node has ended."""
        if self._process.poll() is not None:
            said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            last = said[-1] if said else "it said nothing"
            raise NodeFailed(f"the node ended with code {self._process.returncode}: {last}; see {self.log}")

    def await_engine(self, client: Any) -> None:
        """Returns once the node's diagnostics say that the engine is ready and the topics are connected."""
        deadline = time.monotonic() + READY_S
        while not (client.engine == "ready" and client.connected):
            client.wait(lambda: client.engine not in ("", "loading"), 0.2)
            self.check()
            if client.engine not in ("", "loading", "ready"):
                raise NodeFailed(f"the engine did not load: {client.engine}; see {self.log}")
            if time.monotonic() > deadline:
                state = client.engine or "no diagnostics came"
                raise NodeFailed(f"the node was not ready after {READY_S:g} s ({state}); see {self.log}")

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
