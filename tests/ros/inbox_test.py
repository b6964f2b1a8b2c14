"""Newest frame wins, cameras share by weight, and every query comes out exactly once, whatever comes when."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from getok_ros.inbox import Inbox
from getok_ros.jobs import Job, Pending
from getok_ros.settings import CameraSettings, Settings


def image(number: int) -> Any:
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=number, nanosec=0)))


def query(
    name: object, frame: int | None = None, priority: int = 0, camera: str = "", timeout_s: float = 60.0
) -> Pending:
    stamp = SimpleNamespace(sec=frame or 0, nanosec=0)
    message = SimpleNamespace(id=name, has_stamp=frame is not None, stamp=stamp, priority=priority)
    return Pending(message, camera=camera, timeout_s=timeout_s)


def inbox(cameras: tuple[str, ...] = ("",), **settings: Any) -> Inbox:
    given = Settings(**{"history": 3, "query_limit": 100, "queries_per_frame": 64, "query_wait_s": 0.0, **settings})
    return Inbox(given, [CameraSettings(name) for name in cameras])


def take(box: Inbox) -> Job:
    (job,) = box.take()
    return job


def names(job: Job) -> list[object]:
    return [pending.message.id for pending in job.queries]


def test_the_newest_frame_wins_and_the_others_count_as_dropped() -> None:
    box = inbox()
    for number in range(5):
        box.put_frame(image(number))
    job = take(box)
    assert (job.frame.stamp, job.fresh, box.dropped()) == ((4, 0), True, 4)


def test_a_query_rides_with_the_fresh_frame_or_asks_for_one_of_the_history() -> None:
    box = inbox()
    box.put_frame(image(1))
    box.take()
    box.put_frame(image(2))
    box.put_query(query("new"))
    box.put_query(query("old", 1))
    jobs = [take(box), take(box)]
    assert [(j.frame.stamp[0], j.fresh, names(j)) for j in jobs] == [(1, False, ["old"]), (2, True, ["new"])]


def test_questions_about_old_frames_do_not_starve_fresh_ones() -> None:
    box = inbox(history=10, queries_per_frame=1)
    box.put_frame(image(1))
    box.take()
    for name in range(3):
        box.put_query(query(name, 1))
    fresh = []
    for number in range(2, 6):
        box.put_frame(image(number))
        fresh.append(take(box).fresh)
    assert fresh == [False, True, False, True]


def test_a_higher_priority_goes_first() -> None:
    box = inbox(queries_per_frame=2)
    for name, priority in (("first", 0), ("low", 1), ("high", 9)):
        box.put_query(query(name, priority=priority))
    box.put_frame(image(1))
    assert names(take(box)) == ["high", "low"]
    assert names(take(box)) == ["first"]


def test_a_stamp_that_is_gone_is_named_with_what_is_kept() -> None:
    box = inbox(history=2)
    for number in range(1, 5):
        box.put_frame(image(number))
    late = query("late", 1)
    box.put_query(late)
    reason = "no frame with stamp 1.000000000 is kept: the history holds 3.000000000 to 4.000000000"
    assert box.expired() == [(late, "no frame", reason)]
    assert box.waiting == 0


def test_a_query_whose_time_is_over_is_taken_out() -> None:
    box = inbox(query_wait_s=30.0)
    box.put_query(query("patient", 7))
    box.put_query(query("hasty", 7, timeout_s=0.01))
    time.sleep(0.02)
    assert [(late.message.id, kind) for late, kind, _ in box.expired()] == [("hasty", "timeout")]
    assert box.waiting == 1


def test_a_query_that_was_put_off_waits_for_a_new_frame_until_it_is_urgent() -> None:
    box = inbox()
    box.put_frame(image(1))
    box.put_query(query("patient"))
    assert box.put_back(take(box).queries) == []
    box.put_frame(image(2))
    job = take(box)
    assert (job.frame.stamp[0], job.fresh, names(job)) == (2, True, ["patient"])
    hasty = query("hasty", timeout_s=0.4)
    box.put_query(hasty)
    began = time.monotonic()
    assert box.put_back(take(box).queries) == []
    job = take(box)
    assert (job.frame.stamp[0], job.fresh, names(job)) == (2, False, ["hasty"])
    assert time.monotonic() - began > 0.15


def test_a_query_waits_for_its_frame() -> None:
    box = inbox(query_wait_s=30.0)
    box.put_query(query("early", 7))
    threading.Timer(0.2, box.put_frame, [image(7)]).start()
    job = take(box)
    assert (job.frame.stamp[0], names(job)) == (7, ["early"])


def test_closing_ends_a_waiting_worker_and_gives_back_what_waits() -> None:
    box = inbox(query_wait_s=30.0)
    box.put_query(query("left", 7))
    threading.Timer(0.2, lambda: left.extend(box.close())).start()
    left: list[Any] = []
    assert box.take() == ()
    assert [pending.message.id for pending in left] == ["left"]
    assert not box.put_query(query("after"))


def test_a_shut_inbox_forgets_its_frames_and_takes_nothing() -> None:
    box = inbox()
    box.put_frame(image(1))
    taken = query("taken")
    box.put_query(query("left"))
    assert [pending.message.id for pending in box.shut()] == ["left"]
    box.put_frame(image(2))
    assert not box.put_query(query("after"))
    assert box.put_back([taken]) == [taken]
    box.reopen()
    box.put_frame(image(3))
    assert take(box).frame.stamp[0] == 3


def test_cameras_share_by_weight_each_with_its_newest_frame() -> None:
    box = inbox(("front", "left", "back"))
    box.configure(Settings(), [CameraSettings("front", weight=2.0), CameraSettings("left"), CameraSettings("back")])
    served: Counter[str] = Counter()
    for number in range(40):
        for name in ("front", "left", "back"):
            box.put_frame(image(number), name)
        job = take(box)
        assert job.frame.stamp[0] == number
        served[job.frame.camera] += 1
    assert served == {"front": 20, "left": 10, "back": 10}


def test_frames_of_several_cameras_come_as_one_batch() -> None:
    box = inbox(("front", "left", "back"))
    for name in ("front", "left"):
        box.put_frame(image(1), name)
    box.put_query(query("which?", camera="left"))
    jobs = box.take(lambda: 3)
    assert {job.frame.camera: names(job) for job in jobs} == {"front": [], "left": ["which?"]}


def test_a_camera_is_perceived_no_more_often_than_told() -> None:
    box = inbox()
    box.configure(Settings(), [CameraSettings(max_rate_hz=10.0)])
    began = time.monotonic()
    for number in range(4):
        box.put_frame(image(number))
        assert take(box).fresh
    assert 0.3 <= time.monotonic() - began < 0.6


steps = st.lists(
    st.one_of(
        st.sampled_from(["take", "put back", "sweep"]),
        st.tuples(st.just("frame"), st.sampled_from("ab"), st.integers(0, 5)),
        st.tuples(st.just("query"), st.sampled_from("ab"), st.none() | st.integers(0, 5), st.integers(0, 2)),
    ),
    max_size=40,
)


@given(steps, st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2))
def test_every_query_comes_out_once_and_every_frame_is_seen_or_dropped(
    steps: list[Any], history: int, limit: int, per_frame: int, batch: int
) -> None:
    box = inbox(("a", "b"), history=history, query_limit=limit, queries_per_frame=per_frame)
    asked, refused, answered, seen, frames, back = 0, 0, [], 0, 0, False

    def work() -> None:
        nonlocal seen, back
        answered.extend(late.message.id for late, _, _ in box.expired())
        if frames > seen + box.dropped("a") + box.dropped("b"):
            jobs = box.take(lambda: batch)
            seen += sum(job.fresh for job in jobs)
            for job in jobs:
                assert len(job.queries) <= per_frame
                if back:
                    assert box.put_back(job.queries) == []
                else:
                    answered.extend(names(job))
            back = False

    for step in steps:
        if step == "take":
            work()
        elif step == "put back":
            back = True
        elif step == "sweep":
            answered.extend(late.message.id for late, _, _ in box.expired())
        elif step[0] == "frame":
            box.put_frame(image(step[2]), step[1])
            frames += 1
        else:
            refused += not box.put_query(query(asked, step[2], step[3], step[1]))
            asked += 1
    for _ in range(asked + frames):
        work()
    answered.extend(pending.message.id for pending in box.close())
    assert len(answered) == len(set(answered)) == asked - refused
    assert seen + box.dropped("a") + box.dropped("b") == frames
