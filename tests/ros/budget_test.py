"""Rounds are shed before queries, plans keep the deadline where that is possible, and what was shed comes back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_ros.budget import Budget, Plan


@dataclass
class Machine:
    """What things really cost, in s."""

    frame_s: float
    query_s: float
    round_s: float
    load: float = 1.0

    def work(self, budget: Budget, deadline_s: float, rounds: int, required: int, optional: int) -> tuple[Plan, float]:
        """One frame as planned; how long it took."""
        plan = budget.plan(deadline_s, rounds, 1, required, optional)
        queries = required + plan.optional
        base_s = self.load * (self.frame_s + queries * self.query_s)
        refine_s = self.load * plan.rounds * self.round_s
        budget.learn(1, queries, plan.rounds, base_s, refine_s)
        return plan, base_s + refine_s


machines = st.builds(
    lambda frame_s, query, round: Machine(frame_s, frame_s * query, frame_s * round),
    st.floats(0.01, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.01, 2.0),
)
"""a query costs no more than a frame"""
counts = st.integers(0, 4)


@given(machines, st.floats(0.01, 5.0), counts, counts, counts, counts)
def test_a_plan_is_the_most_that_fits_and_sheds_rounds_before_queries(
    machine: Machine, deadline_s: float, frames: int, rounds: int, required: int, optional: int
) -> None:
    budget, frames = Budget(), frames + 1
    for _ in range(3):
        machine.work(budget, 0.0, rounds, required, optional)
    plan = budget.plan(deadline_s, rounds, frames, required, optional)
    assert 0 <= plan.rounds <= rounds and 0 <= plan.optional <= optional
    assert plan.optional == optional or plan.rounds == 0
    if (plan.rounds, plan.optional) != (0, 0):
        assert budget.cost_s(frames, required + plan.optional, plan.rounds) <= deadline_s
    if plan.rounds < rounds and plan.optional == optional:
        assert budget.cost_s(frames, required + optional, plan.rounds + 1) > 0.89 * deadline_s
    if plan.optional < optional:
        assert budget.cost_s(frames, required + plan.optional + 1, 0) > 0.89 * deadline_s


@given(machines, counts, counts, counts)
def test_without_a_deadline_nothing_is_shed(machine: Machine, rounds: int, required: int, optional: int) -> None:
    budget = Budget()
    for _ in range(5):
        assert machine.work(budget, 0.0, rounds, required, optional)[0] == Plan(rounds, optional)


@given(machines, st.floats(1.2, 4.0), st.integers(1, 4), counts)
def test_a_steady_machine_keeps_the_deadline_and_gets_all_that_fits(
    machine: Machine, slack: float, rounds: int, optional: int
) -> None:
    budget, deadline_s = Budget(), machine.frame_s * slack
    done = [machine.work(budget, deadline_s, rounds, 0, optional) for _ in range(300)]
    settled = done[100:]
    late = sum(took > deadline_s for _, took in settled)
    assert late <= 12, "only while it tries again what it has left out"
    if machine.frame_s + optional * machine.query_s + rounds * machine.round_s <= 0.85 * deadline_s:
        assert sum(plan == Plan(rounds, optional) for plan, _ in settled) >= 190


def test_load_sheds_rounds_then_queries_and_all_comes_back_when_it_goes() -> None:
    machine, budget = Machine(0.1, 0.02, 0.02), Budget()

    def settle(load: float) -> tuple[Plan, float]:
        machine.load = load
        return [machine.work(budget, 0.3, 2, 0, 3) for _ in range(200)][-1]

    assert settle(1.0)[0] == Plan(2, 3)
    plan, took = settle(1.55)
    assert plan.optional == 3 and plan.rounds < 2 and took <= 0.3
    plan, took = settle(2.2)
    assert plan.optional < 3 and plan.rounds == 0 and took <= 0.3
    assert settle(1.0)[0] == Plan(2, 3)


@pytest.mark.parametrize(("deadline_s", "frames"), [(0.0, 4), (0.5, 4), (0.25, 2), (0.01, 1)])
def test_a_batch_is_no_larger_than_the_deadline_allows(deadline_s: float, frames: int) -> None:
    budget = Budget()
    for _ in range(3):
        budget.learn(1, 0, 0, 0.1, 0.0)
    assert budget.batch(deadline_s, 4) == frames
