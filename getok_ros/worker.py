"""The thread that perceives: it turns jobs into scenes and answers, and nothing makes it die.

A malformed image, a bad question and a failing model each end as one warning, one count, and a fault for every query.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from std_msgs.msg import Header

from getok_core.errors import GetokError, ImageError, QueryError
from getok_core.perceiver import Look, Seen
from getok_core.queries import STANDING, check_region
from getok_core.scene import Scene
from getok_ros import msg
from getok_ros.budget import Budget, Plan
from getok_ros.health import CameraHealth
from getok_ros.images import RGB, compressed_to_rgb, image_to_rgb
from getok_ros.inbox import Inbox
from getok_ros.jobs import Frame, Job, Pending
from getok_ros.loading import Perceives, line_of
from getok_ros.messages import Quality
from getok_ros.outputs import Outputs
from getok_ros.replies import Replies
from getok_ros.settings import Settings


@dataclass(frozen=True, eq=False)
class _Task:
    """One frame, read, with what will be asked about it."""

    frame: Frame
    image: RGB
    fresh: bool
    """a scene is wanted"""
    asked: tuple[Pending, ...]
    shed: tuple[str, ...] = ()
    """standing queries that were left out"""

    @property
    def look(self) -> Look:
        """As the perceiver takes it."""
        return Look(self.image, [one.asked for one in self.asked], STANDING if self.fresh else ())


class Worker(threading.Thread):
    """Runs until the inbox is closed. settings may be replaced at any time; muted: scenes are not published."""

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
        self.settings, self.muted = settings, False
        self.in_flight: tuple[Pending, ...] = ()
        """the queries in work"""
        self._perceiver, self._inbox = perceiver, inbox
        self._outputs, self._replies, self._health = outputs, replies, health
        self._clock, self._budget = clock, Budget()
        self._began_s: float | None = None

    @property
    def busy_s(self) -> float:
        """How long it has been at what it does now."""
        began_s = self._began_s
        return monotonic() - began_s if began_s is not None else 0.0

    def run(self) -> None:
        """Works job after job."""
        while jobs := self._inbox.take(self._batch):
            self.in_flight, self._began_s = tuple(query for job in jobs for query in job.queries), monotonic()
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
        plan = self._plan(tasks)
        tasks = [task for task in self._fitted(tasks, plan) if task.fresh or task.asked]
        if tasks:
            self._look(tasks, plan.rounds)

    def _task(self, job: Job) -> _Task | None:
        """The job with its image and the queries that make sense on it; None where nothing can be done."""
        frame, health, header = job.frame, self._health[job.frame.camera], job.frame.message.header
        fresh = job.fresh and not self._too_old(frame)
        if not fresh and not job.queries:
            return None
        try:
            image = image_to_rgb(frame.message) if hasattr(frame.message, "step") else compressed_to_rgb(frame.message)
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
        return _Task(frame, image, fresh, tuple(asked))

    def _too_old(self, frame: Frame) -> bool:
        """Whether the frame came too late to be perceived; also counts stamps of another clock."""
        age_s, foreign = self._age_s(frame)
        limit_s, health = self.settings.max_age_s, self._health[frame.camera]
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

    def _plan(self, tasks: Sequence[_Task]) -> Plan:
        """What there is time for: rounds, and how many of the queries that may wait or be left out."""
        asked = [pending for task in tasks for pending in task.asked]
        urgent, fresh = sum(pending.urgent for pending in asked), sum(task.fresh for task in tasks)
        optional = len(asked) - urgent + fresh * len(self.settings.standing_texts)
        left_s = self._left_s()
        plan = self._budget.plan(left_s or 0.0, self._rounds, len(tasks), urgent, optional)
        return replace(plan, optional=max(plan.optional, int(not fresh and not urgent and optional > 0)))

    @property
    def _rounds(self) -> int:
        """Rounds, if there is time."""
        wanted = self.settings.refinements
        return wanted if wanted >= 0 else self._perceiver.refinements

    def _left_s(self) -> float | None:
        """Of the deadline."""
        deadline_s = self.settings.deadline_s
        return max(deadline_s - self.busy_s, 1e-3) if deadline_s else None

    def _fitted(self, tasks: Sequence[_Task], plan: Plan) -> list[_Task]:
        """The tasks with as many queries as planned: standing ones are left out first, then others wait."""
        left, fitted = plan.optional, []
        for task in tasks:
            kept = [pending for pending in task.asked if pending.urgent or (left := left - 1) >= 0]
            later = [pending for pending in task.asked if pending not in kept]
            for pending in self._inbox.put_back(later):
                self._replies.refuse(pending, task.frame.message.header, "inactive", "the node was deactivated")
            fitted.append(replace(task, asked=tuple(kept)))
        each = max(left, 0) // max(sum(task.fresh for task in tasks), 1)
        return [self._with_standing(task, each) if task.fresh else task for task in fitted]

    def _with_standing(self, task: _Task, count: int) -> _Task:
        """The task with the first so many standing queries."""
        texts, camera = self.settings.standing_texts, task.frame.camera
        queries = zip(texts[:count], self.settings.standing_queries, strict=False)
        standing = tuple(
            Pending(msg.Query(id=text, text=text, camera=camera), query, camera) for text, query in queries
        )
        return replace(task, asked=standing + task.asked, shed=tuple(f"query {text}" for text in texts[count:]))

    def _look(self, tasks: Sequence[_Task], rounds: int) -> None:
        """Everything in one batch. If that fails one part may be to blame, so frames, scenes and queries go alone."""
        began_s = monotonic()
        try:
            seen = self._perceiver.look_at([task.look for task in tasks], rounds, self._left_s())
        except Exception as error:
            parts = tasks if len(tasks) > 1 else _parts(tasks[0])
            if len(parts) == 1:
                self._fail(parts[0], error)
            else:
                for part in parts:
                    self._look([part], rounds)
            return
        self._learn(tasks, seen, monotonic() - began_s)
        for task, one in zip(tasks, seen, strict=True):
            self._publish(task, one)

    def _learn(self, tasks: Sequence[_Task], seen: Sequence[Seen], took_s: float) -> None:
        refine_s = seen[0].scene.seconds.get("refine", 0.0)
        queries = sum(len(task.asked) for task in tasks)
        if all(task.fresh for task in tasks):
            self._budget.learn(len(tasks), queries, seen[0].refinements, max(took_s - refine_s, 0.0), refine_s)

    def _publish(self, task: _Task, seen: Seen) -> None:
        frame, header = task.frame, task.frame.message.header
        rounds = f"refinements {seen.refinements} of {self._rounds}"
        shed = (rounds,) if seen.refinements < self._rounds else ()
        age_s, _ = self._age_s(frame)
        quality = Quality(shed + task.shed, late=bool(self.settings.max_age_s) and age_s > self.settings.max_age_s)
        if task.fresh and not self.muted:
            self._outputs[frame.camera].scene(seen.scene, header, quality)
            self._count(frame, seen.scene, quality, age_s)
        for pending, answer in zip(task.asked, seen.answers, strict=True):
            self._replies.answer(pending, answer, header, replace(quality, shed=shed))
        if task.fresh and not self.muted:
            pairs = [(pending.asked, answer) for pending, answer in zip(task.asked, seen.answers, strict=True)]
            self._outputs[frame.camera].overlay(task.image, seen.scene, pairs, header)

    def _count(self, frame: Frame, scene: Scene, quality: Quality, age_s: float) -> None:
        health = self._health[frame.camera]
        health.scene(monotonic() - frame.received_s, age_s, [fault.kind for fault in scene.faults])
        health.count("truncated", int(scene.truncated))
        health.count("late", int(quality.late))
        health.count("degraded", int(bool(quality.shed)), text=", ".join(quality.shed))

    def _fail(self, task: _Task, error: Exception) -> None:
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
        return frame.age_s(self._now_s(), self.settings.max_age_s)

    def _now_s(self) -> float:
        return self._clock.now().nanoseconds * 1e-9


def _parts(task: _Task) -> list[_Task]:
    """The scene alone, and each query alone."""
    scene = [replace(task, asked=())] if task.fresh else []
    return [*scene, *(replace(task, fresh=False, asked=(pending,), shed=()) for pending in task.asked)]
