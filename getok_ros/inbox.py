"""What waits for the worker: the newest frame of each camera, a short history of frames, and queries. No ROS.

Callbacks only put; the worker only takes. A frame that a newer one overtakes is counted as dropped; a query is never
lost: it is claimed exactly once, with its answer or with the reason why it has none. Thread-safe.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from .jobs import Frame, Job, Pending, stamp_of
from .scheduler import Scheduler
from .settings import CameraSettings, Settings


class _Slot:
    """What is kept of one camera."""

    def __init__(self) -> None:
        self.fresh: Frame | None = None
        self.history: deque[Frame] = deque()
        self.dropped = 0
        self.due_s = 0.0
        """monotonic time before which no frame of it is perceived"""


class Inbox:
    """Newest frame wins, cameras take turns by weight; queries wait at most query_wait_s for the frame they name."""

    def __init__(self, settings: Settings, cameras: Iterable[CameraSettings] = (CameraSettings(),)) -> None:
        self._changed = threading.Condition()
        self._queries: list[Pending] = []
        self._open, self._closed, self._history_turn = True, False, True
        self._cameras = {camera.name: camera for camera in cameras}
        self._slots = {name: _Slot() for name in self._cameras}
        self._scheduler = Scheduler({name: camera.weight for name, camera in self._cameras.items()})
        self._settings = settings

    def configure(self, settings: Settings, cameras: Iterable[CameraSettings]) -> None:
        """New values of parameters; the names of the cameras stay."""
        with self._changed:
            self._settings, self._cameras = settings, {camera.name: camera for camera in cameras}
            self._scheduler.weights = {name: camera.weight for name, camera in self._cameras.items()}
            self._changed.notify()

    def put_frame(self, message: Any, camera: str = "") -> None:
        """A frame came. Ignored while shut."""
        with self._changed:
            if not self._open:
                return
            slot = self._slots[camera]
            slot.dropped += slot.fresh is not None
            slot.fresh = Frame(message, camera)
            slot.history.append(slot.fresh)
            while len(slot.history) > self._settings.history:
                slot.history.popleft()
            self._changed.notify()

    def put_query(self, query: Pending) -> bool:
        """A query came. False when too many wait already, or while shut: it is not kept, and the caller answers it."""
        with self._changed:
            if len(self._queries) >= self._settings.query_limit or not self._open:
                return False
            self._queries.append(query)
            self._changed.notify()
            return True

    def put_back(self, queries: Iterable[Pending]) -> list[Pending]:
        """Queries taken, for which there was no time, wait for another frame; returns those that nobody keeps."""
        with self._changed:
            back = list(queries)
            for query in back:
                query.put_off = True
            self._queries = [*back, *self._queries] if self._open else []
            return [] if self._open else back

    @property
    def waiting(self) -> int:
        """Queries that wait."""
        return len(self._queries)

    def dropped(self, camera: str = "") -> int:
        """Frames of this camera that a newer one overtook before the worker took them."""
        return self._slots[camera].dropped

    def shut(self) -> list[Pending]:
        """Forgets all frames and takes no more; returns the queries that nobody will answer any more."""
        with self._changed:
            self._open = False
            for slot in self._slots.values():
                slot.fresh = None
                slot.history.clear()
            left, self._queries = self._queries, []
            return left

    def reopen(self) -> None:
        """Frames and queries are taken again."""
        with self._changed:
            self._open = True

    def close(self) -> list[Pending]:
        """Shuts for good and wakes the worker for the last time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return self.shut()

    def expired(self) -> list[tuple[Pending, str, str]]:
        """Takes out the queries whose time is over: each with the kind of its fault, and the reason in words."""
        with self._changed:
            late = [(query, *fault) for query in self._queries if (fault := self._fault_of(query))]
            gone = {id(query) for query, _, _ in late}
            self._queries = [query for query in self._queries if id(query) not in gone]
            return late

    def take(self, batch: Callable[[], int] = lambda: 1) -> tuple[Job, ...]:
        """Waits for work: up to batch() frames of different cameras. Empty once closed.

        Fresh frames and questions about older ones take turns.
        """
        with self._changed:
            while not self._closed:
                jobs = self._next(batch())
                if jobs:
                    return jobs
                self._changed.wait(self._patience_s())
            return ()

    def _next(self, batch: int) -> tuple[Job, ...]:
        ready = self._ready()
        of_history = self._about_history()
        if of_history is not None and (self._history_turn or not ready):
            self._history_turn = False
            return (self._job(of_history, fresh=False),)
        self._history_turn = True
        jobs: list[Job] = []
        while ready and len(jobs) < batch:
            name = self._scheduler.next(ready)
            ready.remove(name)
            slot, rate = self._slots[name], self._cameras[name].max_rate_hz
            frame, slot.fresh = slot.fresh, None
            slot.due_s = monotonic() + (1 / rate if rate else 0.0)
            if frame is not None:
                jobs.append(self._job(frame, fresh=True))
        return tuple(jobs)

    def _ready(self) -> list[str]:
        """Cameras with a fresh frame that is due."""
        now = monotonic()
        return [name for name, slot in self._slots.items() if slot.fresh is not None and slot.due_s <= now]

    def _patience_s(self) -> float | None:
        """How long nothing can be due unless something comes."""
        due = [slot.due_s - monotonic() for slot in self._slots.values() if slot.fresh is not None]
        soon = [*due, *([0.1] if self._queries else [])]  # a query that was put off may grow urgent
        return max(min(soon), 0.001) if soon else None

    def _job(self, frame: Frame, fresh: bool) -> Job:
        mine = [query for query in self._in_order() if self._frame_of(query) is frame]
        mine = mine[: self._settings.queries_per_frame]
        taken = {id(query) for query in mine}
        self._queries = [query for query in self._queries if id(query) not in taken]
        return Job(frame, fresh, tuple(mine))

    def _in_order(self) -> list[Pending]:
        """Higher priority first, then as they came."""
        return sorted(self._queries, key=lambda query: -query.message.priority)

    def _about_history(self) -> Frame | None:
        """The frame of the first query that a fresh frame, now or soon, does not serve."""
        fresh = {id(slot.fresh) for slot in self._slots.values()}
        asking = (query for query in self._in_order() if query.urgent or not query.put_off)
        frames = (self._frame_of(query) for query in asking)
        return next((frame for frame in frames if frame is not None and id(frame) not in fresh), None)

    def _fault_of(self, query: Pending) -> tuple[str, str] | None:
        if query.waited_s() >= query.timeout_s:
            why = f"no answer within {query.timeout_s:g} s: ask for less, give it a priority, or raise its timeout_s"
            return "timeout", why
        if self._frame_of(query) is None and query.waited_s() >= self._settings.query_wait_s:
            return "no frame", self._why_none(query)
        return None

    def _frame_of(self, query: Pending) -> Frame | None:
        history = self._slots[query.camera].history
        if not query.message.has_stamp:
            return history[-1] if history else None
        stamp = stamp_of(query.message.stamp)
        return next((frame for frame in reversed(history) if frame.stamp == stamp), None)

    def _why_none(self, query: Pending) -> str:
        history, of = self._slots[query.camera].history, f" of camera {query.camera}" if query.camera else ""
        if not history:
            return f"no frame{of} has come yet: check the image topic"
        first, last = (f"{f.stamp[0]}.{f.stamp[1]:09d}" for f in (history[0], history[-1]))
        stamp = stamp_of(query.message.stamp)
        return f"no frame{of} with stamp {stamp[0]}.{stamp[1]:09d} is kept: the history holds {first} to {last}"
