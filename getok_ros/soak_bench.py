"""A node under trial with the client that talks to it, and the tally of what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from .soak_client import SoakClient
from .soak_process import Sample, TrialProcess, node_command

HANG_LIMIT_S = 5.0
"""hang_timeout_s of the nodes under trial"""
ROS = ("-p", "image_reliability:=reliable", "-p", f"hang_timeout_s:={HANG_LIMIT_S}", "-p", "query_rate_hz:=1000.0",
       "-p", "query_limit:=200")  # fmt: skip


@dataclass
class Tally:
    """What one trial came to."""

    tried: int = 0
    crashes: int = 0
    hangs: int = 0
    lost: int = 0
    """queries that got no answer, or more than one"""
    notes: list[str] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    """from the end of a node to the first scene of the next"""

    def add(self, other: Tally) -> None:
        """The sum of both."""
        for name in ("tried", "crashes", "hangs", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.recovery_s += other.recovery_s
        self.notes += [note for note in other.notes if note not in self.notes]


class Bench:
    """A node under trial and the client that talks to it; a node that ended by itself is counted and replaced."""

    _spaces = count()

    def __init__(self, folder: Path, *ros: str, command: Callable[..., list[str]] = node_command, **environment: str):
        self.space = f"soak_{next(self._spaces)}"
        self.folder, self.samples, self.number = folder, list[Sample](), count()
        self._ros, self._command, self._environment = (*ROS, *ros), command, environment
        self.client = SoakClient(self.space)
        self.node = self._started()

    def _started(self) -> TrialProcess:
        log = self.folder / f"{self.space}.log"
        return TrialProcess(self._command(self.space, *self._ros), log, **self._environment)

    def ready(self) -> bool:
        """Whether the node came up and serves."""
        return self.client.meet() and self.client.probe(60.0)

    def respawn(self) -> float | None:
        """A new node in place of one that has ended; seconds until its first scene, None when there is none."""
        began_s = time.monotonic()
        self.client.told.clear()
        self.node = self._started()
        return time.monotonic() - began_s if self.client.probe(60.0) else None

    def check(self, tally: Tally) -> None:
        """Whether the node still lives and serves; counts it in, and starts another one if not."""
        if self.node.code is None and not self.client.probe():
            tally.hangs += 1
            tally.notes.append(f"no scene within 10 s: {self.last_words}")
            self.node.kill()
        elif self.node.code is not None:
            tally.crashes += 1
            tally.notes.append(f"exit code {self.node.code}: {self.last_words}")
        if self.node.code is not None:
            self.respawn()
        self.measure()

    def measure(self) -> None:
        """One more sample of the process."""
        sample = self.node.sample()
        if sample is not None:
            self.samples.append(sample)

    def asked(self, tally: Tally, ids: list[str]) -> None:
        """Waits for the answers to these queries; counts those that are not answered exactly once."""
        self.client.all_answered(ids)
        tally.tried += len(ids)
        tally.lost += sum(self.client.answers[id] != 1 for id in ids)

    def names(self, what: str, count: int) -> list[str]:
        """Ids of queries, each new."""
        return [f"{what} {next(self.number)}" for _ in range(count)]

    @property
    def last_words(self) -> str:
        """The last line the node printed."""
        return next((line for line in reversed(self.node.said.splitlines()) if line.strip()), "it said nothing")

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.node.stop()
