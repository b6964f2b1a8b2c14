"""Shares follow weights, nobody starves, and silence saves nothing up; queries come at a bounded rate."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from getok_ros.rate_limit import RateLimit
from getok_ros.scheduler import Scheduler

weights = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 100), min_size=2)
shuffles = st.randoms(use_true_random=False)


@given(weights, st.integers(1, 300))
def test_shares_of_cameras_that_are_always_ready_follow_their_weights(weights: dict[str, float], turns: int) -> None:
    scheduler = Scheduler(weights)
    served = Counter(scheduler.next(weights) for _ in range(turns))
    for one, weight in weights.items():
        for other, its_weight in weights.items():
            apart = abs(served[one] / weight - served[other] / its_weight)
            assert apart <= max(1 / weight, 1 / its_weight) + 1e-6


@given(weights, st.integers(0, 100), shuffles)
def test_a_camera_that_is_ready_waits_for_no_more_than_the_shares_of_the_others(
    weights: dict[str, float], before: int, random
) -> None:
    scheduler, names = Scheduler(weights), sorted(weights)

    def some() -> list[str]:
        return random.sample(names, random.randint(1, len(names)))

    for _ in range(before):
        scheduler.next(some())
    waiting, served = names[0], Counter()
    while (name := scheduler.next({waiting, *some()})) != waiting:
        served[name] += 1
        assert served[name] <= math.ceil(weights[name] / weights[waiting]) + 1


def test_a_camera_that_was_silent_has_saved_nothing_up() -> None:
    scheduler = Scheduler({"a": 1.0, "b": 1.0})
    for _ in range(1000):
        scheduler.next(["a"])
    assert Counter(scheduler.next(["a", "b"]) for _ in range(10)) == {"a": 5, "b": 5}


def test_weights_may_change_at_work() -> None:
    scheduler = Scheduler({"a": 1.0, "b": 1.0})
    for _ in range(7):
        scheduler.next(["a", "b"])
    scheduler.weights = {"a": 3.0, "b": 1.0}
    assert Counter(scheduler.next(["a", "b"]) for _ in range(40))["a"] in (29, 30, 31)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=80), st.floats(0.5, 20), st.integers(1, 8))
def test_no_window_admits_more_than_the_burst_and_the_rate(gaps: list[float], rate: float, burst: int) -> None:
    limit, now, admitted = RateLimit(), 100.0, []
    for gap in gaps:
        now += gap
        if limit.admit(now, rate, burst):
            admitted.append(now)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= burst + rate * (admitted[last] - admitted[first]) + 1e-6


@given(st.floats(0.5, 20), st.integers(1, 8))
def test_who_keeps_to_the_rate_is_always_admitted(rate: float, burst: int) -> None:
    limit = RateLimit()
    assert all(limit.admit(number / rate * 1.0001, rate, burst) for number in range(50))


def test_without_a_rate_everything_is_admitted() -> None:
    limit = RateLimit()
    assert all(limit.admit(0.0, 0.0, 1) for _ in range(1000))
