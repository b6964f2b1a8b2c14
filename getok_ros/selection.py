"""Which frames of a recording are wanted: a range of seconds, every which frame, how many; counted camera by camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """Which frames of a recording are wanted; of several cameras, the same of each."""

    topics: tuple[str, ...] = ()
    """image topics of a bag; none for all"""
    start_s: float = 0.0
    """seconds after the recording's first message"""
    end_s: float | None = None
    stride: int = 1
    """every which frame of a camera"""
    limit: int | None = None
    """most frames of a camera"""

    @property
    def ranged(self) -> bool:
        """Whether only a range of seconds is wanted."""
        return bool(self.start_s or self.end_s is not None)

    def within(self, stamp_ns: int) -> bool:
        """Whether so many nanoseconds after the first message lie in the range."""
        return stamp_ns >= self.start_s * 1e9 and (self.end_s is None or stamp_ns < self.end_s * 1e9)

    def between(self, first_ns: int) -> tuple[int, int | None]:
        """The range in stamps of a recording whose first message has this one; None where it has no end."""
        end = None if self.end_s is None else first_ns + round(self.end_s * 1e9)
        return first_ns + round(self.start_s * 1e9), end

    def expected(self, count: int, seconds: float) -> int:
        """How many are wanted of so many frames of a camera, spread evenly over so many seconds."""
        share = 1.0
        if self.ranged and seconds > 0:
            end = min(self.end_s if self.end_s is not None else seconds, seconds)
            share = max(end - self.start_s, 0.0) / seconds
        every = -(-round(count * share) // self.stride)
        return every if self.limit is None else min(every, self.limit)


class Taken:
    """Counts the frames of each camera, and says which of them are wanted."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.seen, self.taken = Counter[str](), Counter[str]()

    def wants(self, topic: str) -> bool:
        """Whether the next frame of this camera is one of those selected; it counts as seen from then on."""
        index = self.seen[topic]
        self.seen[topic] += 1
        if index % self._selection.stride or self._full(topic):
            return False
        self.taken[topic] += 1
        return True

    def full(self, topics: Iterable[str]) -> bool:
        """Whether no camera wants another frame."""
        return all(self._full(topic) for topic in topics)

    def _full(self, topic: str) -> bool:
        return self._selection.limit is not None and self.taken[topic] >= self._selection.limit
