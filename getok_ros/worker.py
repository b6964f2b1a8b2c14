"""The thread that perceives: it turns jobs into scenes and answers, and nothing makes it die.

A malformed image, a bad question and a failing model each end as one warning, one count, and a fault for every query.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from std_msgs.msg import Header

from getok_core.errors import GetokError, ImageError, QueryError
from getok_core.perceiver import Look, Seen
from getok_core.queries import check_region
from getok_core.scene import Scene
from getok_ros import msg
from getok_ros.budget import Budget
from getok_ros.following import Following
from getok_ros.health import CameraHealth
from getok_ros.images import frame_to_rgb
from getok_ros.inbox import Inbox
from getok_ros.jobs import Frame, Job, Pending
from getok_ros.loading import Perceives, line_of
from getok_ros.messages import Quality
from getok_ros.outputs import Outputs
from getok_ros.replies import Replies
from getok_ros.settings import Settings
from getok_ros.workload import Task, fitted


class Worker(threading.Thread):
    """Runs until the inbox is closed.

    settings may be replaced at any time, the batch in work keeps its own. shown_since_s: monotonic time; the scenes of
    frames that came before are not published. Infinity, as at first: none are.
    """

    def __init__(
        self,
        settings: Settings,
        perceiver: Perceives,
        inbox: Inbox,
        outputs: Mapping[str, Outputs],
        replies: Replies,
        health: Mapping[str, CameraHealth],
        clock: Any,
    ) -> None:
        """outputs and health by camera; clock: of the stamps."""
        super().__init__(name="perception", daemon=True)
        self.settings, self.shown_since_s = settings, float("inf")
        self._settings = settings
        self.in_flight: tuple[Pending, ...] = ()
        """the queries in work"""
        self._perceiver, self._inbox = perceiver, inbox
        self._outputs, self._replies, self._health = outputs, replies, health
        self._clock, self._budget, self._following = clock, Budget(), Following()
        self._began_s: float | None = None

    @property
    def busy_s(self) -> float:
        """How long it has been at what it does now."""
        began_s = self._began_s
        return monotonic() - began_s if began_s is not None else 0.0

    def idle(self, patience_s: float) -> bool:
        """Whether it is at nothing, or comes to an end of it within so many seconds."""
        end_s = monotonic() + patience_s
        while self._began_s is not None and monotonic() < end_s:
            sleep(0.01)
        return self._began_s is None

    def run(self) -> None:
        """Works job after job."""
        while jobs := self._inbox.take(self._batch):
            self._settings, self._began_s = self.settings, monotonic()
            self.in_flight = tuple(query for job in jobs for query in job.queries)
            try:
                self._work(jobs)
            except Exception as error:  # the context goes down, or a bug: the next frame may do better
                self._give_up(jobs[0].frame, line_of(error))
                for pending in self.in_flight:
                    self._replies.refuse(pending, Header(), "failed", line_of(error))
            self.in_flight, self._began_s = (), None

    def _batch(self) -> int:
        return self._budget.batch(self.settings.deadline_s, self._perceiver.images_per_batch)

    def _work(self, jobs: Sequence[Job]) -> None:
        tasks = [task for job in jobs if (task := self._task(job)) is not None]
        standing = len(self._settings.standing_texts)
        work = fitted(tasks, self._budget, self._left_s() or 0.0, self._rounds, standing)
        for pending in self._inbox.put_back(work.later):
            self._replies.refuse(pending, Header(), "inactive", "the node was deactivated")
        if work.tasks:
            self._look(work.tasks, work.rounds)

    def _task(self, job: Job) -> Task | None:
        """The job with its image and the queries that make sense on it; None where nothing can be done."""
        frame, health, header = job.frame, self._health[job.frame.camera], job.frame.message.header
        fresh = job.fresh and not self._too_old(frame)
        if not fresh and not job.queries:
            return None
        try:
            image = frame_to_rgb(frame.message)
        except ImageError as error:
            health.count("malformed", text=str(error))
            self._replies.warn(f"malformed image: {error}")
            for pending in job.queries:
                self._replies.refuse(pending, header, "bad image", str(error))
            return None
        asked: list[Pending] = []
        for pending in job.queries:
            try:
                if pending.asked.region is not None:
                    check_region(pending.asked.region, (image.shape[1], image.shape[0]))
                asked.append(pending)
            except QueryError as error:
                self._replies.refuse(pending, header, "bad query", str(error))
        return Task(frame, image, fresh, tuple(asked))

    def _too_old(self, frame: Frame) -> bool:
        """Whether the frame came too late to be perceived; also counts stamps of another clock."""
        age_s, foreign = self._age_s(frame)
        limit_s, health = self._settings.max_age_s, self._health[frame.camera]
        if foreign:
            off_s = self._now_s() - (frame.stamp[0] + frame.stamp[1] * 1e-9)
            where = f"{abs(off_s):.0f} s {'behind' if off_s > 0 else 'ahead of'} this clock"
            why = f"stamps are {where}, so age counts from receipt: replaying? set use_sim_time"
            health.count("foreign stamps", text=why)
        too_old = bool(limit_s) and age_s > limit_s
        if too_old:
            remedy = "synchronise the clocks, or set use_sim_time or max_age_s 0 for a recording"
            health.count("too old", text=f"{age_s:.1f} s, max_age_s is {limit_s:g}: {remedy}")
        return too_old

    @property
    def _rounds(self) -> int:
        """Rounds, if there is time."""
        wanted = self._settings.refinements
        return wanted if wanted >= 0 else self._perceiver.refinements

    def _left_s(self) -> float | None:
        """Of the deadline."""
        deadline_s = self._settings.deadline_s
        return max(deadline_s - self.busy_s, 1e-3) if deadline_s else None

    def _look(self, tasks: Sequence[Task], rounds: int) -> None:
        """Everything in one batch. If that fails one part may be to blame, so frames, scenes and queries go alone."""
        began_s = monotonic()
        try:
            looks = [self._drafted(task) for task in tasks]
            seen = self._perceiver.look_at(looks, rounds, self._left_s())
        except Exception as error:
            parts = tasks if len(tasks) > 1 else tasks[0].parts()
            if len(parts) == 1:
                self._fail(parts[0], error)
            else:
                for part in parts:
                    self._look([part], rounds)
            return
        self._learn(tasks, seen, monotonic() - began_s)
        for task, one in zip(tasks, seen, strict=True):
            self._publish(task, self._followed(task, one) if task.fresh else one)

    def _drafted(self, task: Task) -> Look:
        look, frame = task.look(self._settings.standing_queries), task.frame
        return self._following.drafted(look, frame.camera, _stamp_ns(frame), self._settings)

    def _followed(self, task: Task, seen: Seen) -> Seen:
        return self._following.followed(seen, task.frame.camera, _stamp_ns(task.frame), self._settings)

    def _learn(self, tasks: Sequence[Task], seen: Sequence[Seen], took_s: float) -> None:
        refine_s = seen[0].scene.seconds.get("refine", 0.0)
        queries = sum(len(task.asked) + task.standing for task in tasks)
        if all(task.fresh and not one.scene.tracked for task, one in zip(tasks, seen, strict=True)):
            self._budget.learn(len(tasks), queries, seen[0].refinements, max(took_s - refine_s, 0.0), refine_s)

    def _publish(self, task: Task, seen: Seen) -> None:
        frame, header, settings = task.frame, task.frame.message.header, self._settings
        age_s, _ = self._age_s(frame)
        fewer = seen.refinements < self._rounds
        shed = (f"refinements {seen.refinements} of {self._rounds}",) if fewer else ()
        quality = Quality(shed, late=0 < settings.max_age_s < age_s)
        texts = settings.standing_texts
        left_out = tuple(f"query {text}" for text in texts[task.standing :]) if task.fresh else ()
        whole = replace(quality, shed=shed + left_out)
        shown = task.fresh and frame.received_s >= self.shown_since_s
        if shown:
            self._outputs[frame.camera].scene(seen.scene, header, whole)
            self._count(frame, seen.scene, whole, age_s)
        standing = tuple(Pending(msg.Query(id=text, text=text), camera=frame.camera) for text in texts[: task.standing])
        for pending, answer in zip(standing + task.asked, seen.answers, strict=True):
            self._replies.answer(pending, answer, header, quality)
        if shown:
            asked = task.look(settings.standing_queries).queries
            pairs = list(zip(asked, seen.answers, strict=True))
            self._outputs[frame.camera].overlay(task.image, seen.scene, pairs, header)

    def _count(self, frame: Frame, scene: Scene, quality: Quality, age_s: float) -> None:
        health = self._health[frame.camera]
        health.scene(monotonic() - frame.received_s, age_s, [fault.kind for fault in scene.faults])
        health.count("truncated", int(scene.truncated))
        health.count("tracked", int(scene.tracked))
        health.count("late", int(quality.late))
        health.count("degraded", int(bool(quality.shed)), text=", ".join(quality.shed))

    def _fail(self, task: Task, error: Exception) -> None:
        """One look failed: at the scene, or at the one question asked."""
        text = str(error) if isinstance(error, GetokError) else line_of(error)
        if not isinstance(error, QueryError):
            self._give_up(task.frame, text)
        kind = "bad query" if isinstance(error, QueryError) else "failed"
        for pending in task.asked:
            self._replies.refuse(pending, task.frame.message.header, kind, text)

    def _give_up(self, frame: Frame, text: str) -> None:
        self._health[frame.camera].count("failed", text=text)
        self._replies.warn(f"perception failed on this frame: {text}")

    def _age_s(self, frame: Frame) -> tuple[float, bool]:
        return frame.age_s(self._now_s(), self._settings.max_age_s)

    def _now_s(self) -> float:
        return self._clock.now().nanoseconds * 1e-9


def _stamp_ns(frame: Frame) -> int:
    return frame.stamp[0] * 10**9 + frame.stamp[1]
