"""What the worker works on: frames, the queries that wait for one, and the two together. No ROS."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

Stamp = tuple[int, int]
"""seconds, nanoseconds"""
FOREIGN_S, AHEAD_S = 60.0, 1.0
"""a stamp further before or after now than this is of another clock, such as that of a recording"""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image message, its camera, and the monotonic time, in s, at which it came."""

    message: Any
    camera: str = ""
    received_s: float = field(default_factory=monotonic)

    @property
    def stamp(self) -> Stamp:
        """The stamp of the image."""
        return stamp_of(self.message.header.stamp)

    def age_s(self, now_s: float, limit_s: float = 0.0) -> tuple[float, bool]:
        """Seconds since the stamp, and False; since receipt, and True, where the stamp is unset or of another clock.

        now_s: time on the clock of the stamps; limit_s: the greatest age that matters.
        """
        seconds, nanoseconds = self.stamp
        age = now_s - (seconds + nanoseconds * 1e-9)
        if -AHEAD_S <= age <= max(FOREIGN_S, limit_s):
            return max(age, 0.0), False
        return monotonic() - self.received_s, True


@dataclass(eq=False)
class Pending:
    """One query message, what it asks, and the monotonic time, in s, at which it came."""

    message: Any
    asked: Any = None
    """the SceneQuery it is"""
    camera: str = ""
    timeout_s: float = float("inf")
    put_off: bool = False
    """there was no time for it on the frame it came for: it waits for another one"""
    received_s: float = field(default_factory=monotonic)
    _once: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """True for the first caller, who answers it; False for every other."""
        return self._once.acquire(blocking=False)

    def waited_s(self) -> float:
        """Since it came."""
        return monotonic() - self.received_s

    @property
    def urgent(self) -> bool:
        """Not to be put off any more: it has a priority, or half of its time is over."""
        return self.message.priority > 0 or self.waited_s() > self.timeout_s / 2


@dataclass(frozen=True, eq=False)
class Job:
    """A frame, and the queries that are answered on it."""

    frame: Frame
    fresh: bool
    """True: the frame has had no scene yet"""
    queries: tuple[Pending, ...] = ()


def stamp_of(stamp: Any) -> Stamp:
    """builtin_interfaces/Time -> seconds, nanoseconds."""
    return int(stamp.sec), int(stamp.nanosec)
