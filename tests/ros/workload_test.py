"""What a batch is cut down to: rounds go first, then standing queries, then patient ones wait; nothing is lost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from getok_core.queries import STANDING, question
from getok_ros.budget import Budget
from getok_ros.jobs import Frame, Pending
from getok_ros.workload import Task, fitted

IMAGE = np.zeros((2, 2, 3), np.uint8)


def pending(priority: int = 0) -> Pending:
    return Pending(SimpleNamespace(priority=priority), question("what is there?"), timeout_s=60.0)


def task(fresh: bool, priorities: list[int]) -> Task:
    return Task(Frame(None), IMAGE, fresh, tuple(map(pending, priorities)))


def experienced() -> Budget:
    """A frame takes 0.1 s, a query 0.01 s, a round 0.02 s."""
    budget = Budget()
    budget.frame_s, budget.query_share, budget.round_share = 0.1, 0.1, 0.2
    return budget


tasks = st.builds(task, st.booleans(), st.lists(st.integers(0, 1), max_size=5)).filter(lambda t: t.fresh or t.asked)


@given(st.lists(tasks, max_size=3), st.floats(0.001, 1.0), st.integers(0, 4), st.integers(0, 3))
def test_every_query_is_asked_or_waits_and_every_scene_is_made(
    tasks: list[Task], left_s: float, rounds: int, standing: int
) -> None:
    work = fitted(tasks, experienced(), left_s, rounds, standing)
    asked = [one for task in work.tasks for one in task.asked]
    given = [one for task in tasks for one in task.asked]
    assert sorted(map(id, [*asked, *work.later])) == sorted(map(id, given))
    assert not any(one.urgent for one in work.later)
    assert sum(task.fresh for task in work.tasks) == sum(task.fresh for task in tasks)
    assert not tasks or work.tasks, "something is always done"
    kept = [task.standing for task in work.tasks if task.fresh]
    assert all(0 <= count <= standing for count in kept)
    if work.later:
        assert not any(kept), "standing queries are left out before others wait"
    if work.later or any(count < standing for count in kept):
        assert work.rounds == 0, "rounds are left out before queries"


def test_with_time_everything_is_done() -> None:
    given = [task(True, [0, 1, 0]), task(True, [])]
    for left_s in (0.0, 10.0):
        work = fitted(given, experienced(), left_s, 3, 2)
        assert (work.rounds, work.later) == (3, ())
        assert [(len(one.asked), one.standing) for one in work.tasks] == [(3, 2), (0, 2)]


def test_what_there_is_time_for_shrinks_in_order() -> None:
    done = []
    for left_s in (0.30, 0.16, 0.14, 0.12, 0.01):
        work = fitted([task(True, [0, 0])], experienced(), left_s, 2, 1)
        done.append((work.rounds, work.tasks[0].standing, len(work.tasks[0].asked)))
    assert done == [(2, 1, 2), (0, 1, 2), (0, 0, 2), (0, 0, 0), (0, 0, 0)]


def test_answers_come_in_the_order_standing_then_asked() -> None:
    standing = [question("is it wet?"), question("is it dark?")]
    look = Task(Frame(None), IMAGE, True, (pending(),), standing=1).look(standing)
    assert [query.text for query in look.queries] == ["is it wet?", "what is there?"]
    assert look.standing == STANDING


def test_a_scene_and_each_query_can_go_alone() -> None:
    parts = Task(Frame(None), IMAGE, True, (pending(), pending()), standing=1).parts()
    told = [(part.fresh, part.standing, len(part.asked)) for part in parts]
    assert told == [(True, 1, 0), (False, 0, 1), (False, 0, 1)]
