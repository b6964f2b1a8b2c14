"""A node under trial as a process of its own: started, watched, killed by its id, measured through /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """What a process holds."""

    at_s: float
    """monotonic time"""
    private_mib: float
    """memory that is its own: neither files nor shared segments"""
    descriptors: int
    threads: int


class TrialProcess:
    """One process; whatever it prints goes to a file."""

    def __init__(self, command: Sequence[str], log: Path, **environment: str) -> None:
        self.log, self.began_s = log, time.monotonic()
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                list(command), env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def sample(self) -> Sample | None:
        """What it holds now; None when it has ended."""
        place = Path("/proc") / str(self._popen.pid)
        try:
            status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
            private = int(status["RssAnon"].split()[0]) / 1024
            return Sample(time.monotonic(), private, len(os.listdir(place / "fd")), int(status["Threads"]))
        except (OSError, KeyError):
            return None

    def wait(self, seconds: float) -> int | None:
        """The exit code, None when it still runs after so many seconds."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL: it learns nothing of it."""
        self._popen.send_signal(signal.SIGKILL)
        self._popen.wait()

    def stop(self) -> int | None:
        """SIGINT, then SIGKILL after 10 s; returns the exit code."""
        if self.code is None:
            self._popen.send_signal(signal.SIGINT)
            if self.wait(10.0) is None:
                self.kill()
        return self.code

    @property
    def said(self) -> str:
        """All it printed."""
        return self.log.read_text(errors="replace")


def node_command(space: str, *ros: str) -> list[str]:
    """The node around a troubled engine, in a namespace; ros: arguments after --ros-args."""
    return [sys.executable, "-m", "getok_ros.soak_node", "--namespace", space, "--ros-args", *ros]


def on_full_disk(command: Sequence[str], folder: Path) -> list[str]:
    """The command where `folder` is a file system of 64 KiB, seen by it alone. Needs unshare and user namespaces."""
    mount = 'mount -t tmpfs -o size=64k none "$0" && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder), *command]
