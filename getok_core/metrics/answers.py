"""Answers against labels: how many are right, and which answer is given for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Confusion:
    """How often each label was answered how: pairs of (label, answer), counted."""

    counts: Counter[tuple[str, str]]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Confusion:
        """From (label, answer) of every question."""
        return cls(Counter(pairs))

    @property
    def asked(self) -> int:
        """Questions in all."""
        return sum(self.counts.values())

    @property
    def right(self) -> int:
        """Questions whose answer is the label."""
        return sum(count for (truth, said), count in self.counts.items() if truth == said)

    @property
    def accuracy(self) -> float:
        """Right part of the answers; NaN when nothing was asked."""
        return self.right / self.asked if self.asked else float("nan")

    @property
    def balanced(self) -> float:
        """Mean over labels of their right part: a constant answer scores 1 / labels; NaN when nothing was asked."""
        parts = [said.get(truth, 0) / sum(said.values()) for truth, said in self.rows().items()]
        return sum(parts) / len(parts) if parts else float("nan")

    def rows(self) -> dict[str, dict[str, int]]:
        """label -> answer -> count, the commonest first in both."""
        truths = Counter[str]()
        for (truth, _), count in self.counts.items():
            truths[truth] += count
        rows: dict[str, dict[str, int]] = {truth: {} for truth, _ in truths.most_common()}
        for (truth, said), count in self.counts.most_common():
            rows[truth][said] = count
        return rows


def most_frequent(labels: Iterable[str]) -> str:
    """The commonest label, of equals the first in the alphabet; "" of none: what a predictor says that never looks."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label)) if counts else ""
