"""What waits for the worker: the newest frame, a short history of frames, and queries. Thread-safe; no ROS.

Callbacks only put; the worker only takes. A frame that a newer one overtakes is counted as dropped; a query is never
lost: it comes out exactly once, with its frame or with the reason why it has none.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

Stamp = tuple[int, int]
"""seconds, nanoseconds"""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image message and the monotonic time, in s, at which it came."""

    message: Any
    received_s: float = field(default_factory=monotonic)

    @property
    def stamp(self) -> Stamp:
        """The stamp of the image."""
        return stamp_of(self.message.header.stamp)


@dataclass(frozen=True, eq=False)
class Pending:
    """One query message and the monotonic time, in s, at which it came."""

    message: Any
    received_s: float = field(default_factory=monotonic)


@dataclass(frozen=True, eq=False)
class Job:
    """What the worker does next."""

    frame: Frame | None
    """None: the queries have no frame to be answered on"""
    fresh: bool
    """True: the frame has had no scene yet"""
    queries: tuple[Pending, ...]
    reason: str = ""
    """why there is no frame"""


class Inbox:
    """Newest frame wins; queries wait at most wait_s for the frame they name."""

    def __init__(self, history: int, query_limit: int, per_frame: int, wait_s: float) -> None:
        self.dropped = 0
        """frames overtaken by a newer one before the worker took them"""
        self._history: deque[Frame] = deque(maxlen=history)
        self._fresh: Frame | None = None
        self._queries: list[Pending] = []
        self._limit, self._per_frame, self._wait_s = query_limit, per_frame, wait_s
        self._changed = threading.Condition()
        self._closed = False
        self._history_turn = True

    def put_frame(self, message: Any) -> None:
        """A frame came."""
        with self._changed:
            self.dropped += self._fresh is not None
            self._fresh = Frame(message)
            self._history.append(self._fresh)
            self._changed.notify()

    def put_query(self, message: Any) -> bool:
        """A query came. False when too many wait already: it is not kept, and the caller answers it."""
        with self._changed:
            if len(self._queries) >= self._limit or self._closed:
                return False
            self._queries.append(Pending(message))
            self._changed.notify()
            return True

    @property
    def waiting(self) -> int:
        """Queries that wait."""
        return len(self._queries)

    def close(self) -> list[Pending]:
        """Wakes the worker for the last time; returns the queries that nobody will answer any more."""
        with self._changed:
            self._closed = True
            left, self._queries = self._queries, []
            self._changed.notify_all()
            return left

    def take(self) -> Job | None:
        """Waits for work; None once closed. Fresh frames and questions about older ones take turns."""
        with self._changed:
            while not self._closed:
                job = self._next()
                if job is not None:
                    return job
                self._changed.wait(0.05 if self._queries else None)
            return None

    def _next(self) -> Job | None:
        expired = self._expired()
        if expired is not None:
            return expired
        of_history = self._about_history()
        if of_history is not None and (self._history_turn or self._fresh is None):
            self._history_turn = False
            return self._job(of_history, fresh=False)
        self._history_turn = True
        if self._fresh is None:
            return None
        frame, self._fresh = self._fresh, None
        return self._job(frame, fresh=True)

    def _job(self, frame: Frame, fresh: bool) -> Job:
        mine = [q for q in self._queries if self._frame_of(q) is frame][: self._per_frame]
        self._queries = [q for q in self._queries if q not in mine]
        return Job(frame, fresh, tuple(mine))

    def _about_history(self) -> Frame | None:
        """The frame of the longest waiting query that a fresh frame does not serve."""
        frames = (self._frame_of(query) for query in self._queries)
        return next((frame for frame in frames if frame is not None and frame is not self._fresh), None)

    def _expired(self) -> Job | None:
        now = monotonic()
        for query in self._queries:
            if self._frame_of(query) is None and now - query.received_s >= self._wait_s:
                self._queries.remove(query)
                return Job(None, False, (query,), self._why_none(query))
        return None

    def _frame_of(self, query: Pending) -> Frame | None:
        if not self._history:
            return None
        if not query.message.has_stamp:
            return self._history[-1]
        stamp = stamp_of(query.message.stamp)
        return next((frame for frame in reversed(self._history) if frame.stamp == stamp), None)

    def _why_none(self, query: Pending) -> str:
        if not self._history:
            return "no frame has come yet: check the image topic"
        first, last = (f"{f.stamp[0]}.{f.stamp[1]:09d}" for f in (self._history[0], self._history[-1]))
        stamp = stamp_of(query.message.stamp)
        return f"no frame with stamp {stamp[0]}.{stamp[1]:09d} is kept: the history holds {first} to {last}"


def stamp_of(stamp: Any) -> Stamp:
    """builtin_interfaces/Time -> seconds, nanoseconds."""
    return int(stamp.sec), int(stamp.nanosec)
