"""Counts that any thread may raise, in all and since the last report, with the last text of each. No ROS."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from time import monotonic

LONGEST = 500
"""characters that are repeated of what came from outside"""


class Tally:
    """Counts since the start and since the last report, the last text of each, and rates."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._texts: dict[str, str] = {}
        self._faults: Counter[str] = Counter()
        self._since = monotonic()

    def count(self, what: str, by: int = 1, text: str = "") -> None:
        """So many more of `what`; text says what the last one was."""
        with self._lock:
            self._totals[what] += by
            if text:
                self._texts[what] = shortened(text)

    def fault(self, kinds: Iterable[str]) -> None:
        """Faults of these kinds, in the model's words or in a question."""
        with self._lock:
            self._faults.update(kinds)

    @property
    def faults(self) -> Counter[str]:
        """kind -> how many since the start"""
        with self._lock:
            return self._faults.copy()

    @property
    def faults_by_kind(self) -> str:
        """The same in words, the most frequent first."""
        return ", ".join(f"{kind} {count}" for kind, count in self.faults.most_common())

    def total(self, what: str) -> int:
        """Since the start."""
        return self._totals[what]

    def text(self, what: str) -> str:
        """Of the last one."""
        return self._texts.get(what, "")

    def fresh(self) -> tuple[Counter[str], float]:
        """Counts since this was last called, and how many seconds that is."""
        with self._lock:
            now, seconds = monotonic(), max(monotonic() - self._since, 1e-6)
            new, self._told, self._since = self._totals - self._told, self._totals.copy(), now
            return new, seconds


def shortened(text: str) -> str:
    """As much of a text as is repeated: a name in a message may have a million characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
