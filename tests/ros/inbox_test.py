"""Newest frame wins and every query comes out exactly once, whatever the order in which things come."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from getok_ros.inbox import Inbox


def image(number: int) -> Any:
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=number, nanosec=0)))


def query(name: object, frame: int | None = None) -> Any:
    return SimpleNamespace(id=name, has_stamp=frame is not None, stamp=SimpleNamespace(sec=frame or 0, nanosec=0))


def inbox(history: int = 3, limit: int = 100, per_frame: int = 100, wait_s: float = 0.0) -> Inbox:
    return Inbox(history, limit, per_frame, wait_s)


def test_the_newest_frame_wins_and_the_others_count_as_dropped() -> None:
    box = inbox()
    for number in range(5):
        box.put_frame(image(number))
    job = box.take()
    assert job is not None and job.frame is not None
    assert (job.frame.stamp, job.fresh, box.dropped) == ((4, 0), True, 4)


def test_a_query_rides_with_the_fresh_frame_or_asks_for_one_of_the_history() -> None:
    box = inbox()
    box.put_frame(image(1))
    box.take()
    box.put_frame(image(2))
    box.put_query(query("new"))
    box.put_query(query("old", 1))
    jobs = [box.take(), box.take()]
    assert [(j.frame.stamp[0], j.fresh, [q.message.id for q in j.queries]) for j in jobs if j and j.frame] == [
        (1, False, ["old"]),
        (2, True, ["new"]),
    ]


def test_questions_about_old_frames_do_not_starve_fresh_ones() -> None:
    box = inbox(history=10, per_frame=1)
    box.put_frame(image(1))
    box.take()
    for name in range(3):
        box.put_query(query(name, 1))
    fresh = []
    for number in range(2, 6):
        box.put_frame(image(number))
        job = box.take()
        fresh.append(job is not None and job.fresh)
    assert fresh == [False, True, False, True]


def test_a_stamp_that_is_gone_is_named_with_what_is_kept() -> None:
    box = inbox(history=2)
    for number in range(1, 5):
        box.put_frame(image(number))
    box.put_query(query("late", 1))
    job = box.take()
    assert job is not None and job.frame is None
    assert job.reason == "no frame with stamp 1.000000000 is kept: the history holds 3.000000000 to 4.000000000"


def test_a_query_waits_for_its_frame() -> None:
    box = inbox(wait_s=30.0)
    box.put_query(query("early", 7))
    threading.Timer(0.2, box.put_frame, [image(7)]).start()
    job = box.take()
    assert job is not None and job.frame is not None
    assert (job.frame.stamp[0], [q.message.id for q in job.queries]) == (7, ["early"])


def test_closing_ends_a_waiting_worker_and_gives_back_what_waits() -> None:
    box = inbox(wait_s=30.0)
    box.put_query(query("left", 7))
    threading.Timer(0.2, lambda: left.extend(box.close())).start()
    left: list[Any] = []
    assert box.take() is None
    assert [pending.message.id for pending in left] == ["left"]
    assert not box.put_query(query("after"))


steps = st.lists(
    st.one_of(
        st.just("take"),
        st.tuples(st.just("frame"), st.integers(0, 5)),
        st.tuples(st.just("query"), st.none() | st.integers(0, 5)),
    ),
    max_size=40,
)


@given(steps, st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))
def test_every_query_comes_out_once_and_every_frame_is_seen_or_dropped(
    steps: list[Any], history: int, limit: int, per_frame: int
) -> None:
    box = inbox(history, limit, per_frame)
    asked, refused, answered, seen, frames = 0, 0, [], 0, 0

    def take() -> None:
        nonlocal seen
        job = box.take()
        assert job is not None
        seen += job.fresh
        assert len(job.queries) <= per_frame
        answered.extend(pending.message.id for pending in job.queries)

    def busy() -> bool:
        return box.waiting > 0 or frames > seen + box.dropped

    for step in steps:
        if step == "take":
            if busy():
                take()
        elif step[0] == "frame":
            box.put_frame(image(step[1]))
            frames += 1
        else:
            refused += not box.put_query(query(asked, step[1]))
            asked += 1
    while busy():
        take()
    assert len(answered) == len(set(answered)) == asked - refused
    assert seen + box.dropped == frames
