"""What one batch does: frames with what is asked about them, cut down to what there is time for. No ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from getok_core.perceiver import Look
from getok_core.queries import STANDING, SceneQuery
from getok_core.view import RGB

from .budget import Budget
from .jobs import Frame, Pending


@dataclass(frozen=True, eq=False)
class Task:
    """One frame, read, with what is asked about it."""

    frame: Frame
    image: RGB
    fresh: bool
    """a scene is wanted"""
    asked: tuple[Pending, ...] = ()
    standing: int = 0
    """how many of the standing queries, the first ones"""

    def look(self, standing: Sequence[SceneQuery]) -> Look:
        """As the perceiver takes it; answers come in the order standing, asked."""
        queries = [*standing[: self.standing], *(pending.asked for pending in self.asked)]
        return Look(self.image, queries, STANDING if self.fresh else ())

    def parts(self) -> list[Task]:
        """The scene with its standing queries alone, and each other query alone."""
        scene = [replace(self, asked=())] if self.fresh else []
        return [*scene, *(replace(self, fresh=False, asked=(pending,), standing=0) for pending in self.asked)]


@dataclass(frozen=True, eq=False)
class Workload:
    """What there is time for."""

    tasks: tuple[Task, ...]
    rounds: int
    later: tuple[Pending, ...]
    """queries that wait for another frame"""


def fitted(tasks: Sequence[Task], budget: Budget, left_s: float, rounds: int, standing: int) -> Workload:
    """The most that fits into left_s, 0: no limit. Rounds are left out first, then standing queries; then others wait.

    standing: how many standing queries there are. Urgent queries never wait, nor does the only thing that is asked.
    """
    urgent = {id(pending) for task in tasks for pending in task.asked if pending.urgent}
    fresh, asked = sum(task.fresh for task in tasks), sum(len(task.asked) for task in tasks)
    plan = budget.plan(left_s, rounds, len(tasks), len(urgent), asked - len(urgent) + fresh * standing)
    left = plan.optional if fresh or urgent else max(plan.optional, 1)
    kept: list[Task] = []
    later: list[Pending] = []
    for task in tasks:
        mine: list[Pending] = []
        for pending in task.asked:
            patient = id(pending) not in urgent
            (later if patient and left <= 0 else mine).append(pending)
            left -= patient
        kept.append(replace(task, asked=tuple(mine)))
    each = max(left, 0) // max(fresh, 1)
    kept = [replace(task, standing=each) if task.fresh else task for task in kept]
    return Workload(tuple(task for task in kept if task.fresh or task.asked), plan.rounds, tuple(later))
