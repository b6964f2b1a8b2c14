"""The thread that perceives: it loads the engine, then turns jobs into scenes and answers, and nothing makes it die.

A malformed image, a bad question and a failing model each end as one warning, one count, and a fault for every query.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Protocol

from std_msgs.msg import Header

from getok_core.errors import GetokError, ImageError, QueryError
from getok_core.queries import STANDING, SceneQuery, check_region, question
from getok_core.scene import Answer, Scene
from getok_ros import msg
from getok_ros.diagnostics import Health
from getok_ros.images import RGB, compressed_to_rgb, image_to_rgb
from getok_ros.inbox import Frame, Inbox, Job
from getok_ros.messages import Quality, query_from_message
from getok_ros.outputs import Outputs
from getok_ros.parameters import Settings

AGE_LIMIT_S = 3600.0
"""a stamp further from now than this is of another clock (a replayed recording): age then counts from receipt"""
REPEAT_S = 5.0
"""the same warning is not repeated sooner"""


class Perceives(Protocol):
    """What the node needs of getok_core.perceiver.Perceiver."""

    def look(
        self, image: RGB, queries: Sequence[SceneQuery] = (), standing: Sequence[SceneQuery] = STANDING
    ) -> tuple[Scene, list[Answer]]:
        """The scene of an (H, W, 3) uint8 RGB image, and one answer a query."""
        ...


MakePerceiver = Callable[[Settings], tuple[Perceives, str]]
"""Loads the engine, which is slow; returns it with the model's name and weights digest. Raises ModelError."""

Asked = list[tuple[msg.Query, SceneQuery]]


class Worker(threading.Thread):
    """Runs until the inbox is closed; `error` says why the engine could not be loaded."""

    def __init__(
        self,
        settings: Settings,
        make_perceiver: MakePerceiver,
        inbox: Inbox,
        outputs: Outputs,
        health: Health,
        node: Any,
        on_error: Callable[[], None],
    ) -> None:
        super().__init__(name="perception", daemon=True)
        self.error: GetokError | None = None
        self._settings, self._make, self._on_error = settings, make_perceiver, on_error
        self._inbox, self._outputs, self._health = inbox, outputs, health
        self._logger, self._clock = node.get_logger(), node.get_clock()
        self._standing = [(msg.Query(id=text, text=text), question(text)) for text in settings.standing_texts]
        self._warned: dict[str, float] = {}

    def run(self) -> None:
        """Loads, then works job after job."""
        try:
            perceiver, model = self._make(self._settings)
        except Exception as error:
            self.error = (
                error if isinstance(error, GetokError) else GetokError(f"the engine failed to load: {_line(error)}")
            )
            self._health.engine(f"failed: {self.error}")
            self._on_error()
            return
        self._health.engine("ready", model, self._settings.device)
        self._logger.info(f"{model} is ready on {self._settings.device}")
        while (job := self._inbox.take()) is not None:
            try:
                self._work(perceiver, job)
            except Exception as error:  # the context goes down, or a bug: the next frame may do better
                self._health.count("failed", text=_line(error))
                self._warn(f"a frame was given up: {_line(error)}")

    def _work(self, perceiver: Perceives, job: Job) -> None:
        if job.frame is None:
            for pending in job.queries:
                self.refuse(pending.message, Header(), "no frame", job.reason)
            return
        header = job.frame.message.header
        try:
            image = self._read(job.frame)
        except ImageError as error:
            self._health.count("malformed", text=str(error))
            self._warn(f"malformed image: {error}")
            for pending in job.queries:
                self.refuse(pending.message, header, "bad image", str(error))
            return
        asked = self._asked(job, image, header)
        if job.fresh:
            asked = self._standing + asked
        if job.fresh or asked:
            self._look(perceiver, job.frame, image, job.fresh, asked)

    def _look(self, perceiver: Perceives, frame: Frame, image: RGB, fresh: bool, asked: Asked) -> None:
        """Everything in one batch. If that fails one question may be to blame, so the scene and each go alone."""
        try:
            scene, answers = perceiver.look(image, [query for _, query in asked], STANDING if fresh else ())
        except Exception as error:
            if fresh + len(asked) == 1:
                self._fail(frame, error, asked)
                return
            for part in [[]] * fresh + [[one] for one in asked]:
                self._look(perceiver, frame, image, not part, part)
            return
        self._publish(frame, image, scene if fresh else None, asked, answers)

    def _publish(self, frame: Frame, image: RGB, scene: Scene | None, asked: Asked, answers: Sequence[Answer]) -> None:
        header, age_s = frame.message.header, self._age_s(frame)
        quality = Quality(late=bool(self._settings.max_age_s) and age_s > self._settings.max_age_s)
        if scene is not None:
            self._outputs.scene(scene, header, quality)
            self._count(scene, quality, monotonic() - frame.received_s, age_s)
        for (message, _), answer in zip(asked, answers, strict=True):
            self._outputs.answer(answer, message, header, quality)
        self._health.count("answered", len(asked))
        if scene is not None:
            pairs = [(query, answer) for (_, query), answer in zip(asked, answers, strict=True)]
            self._outputs.overlay(image, scene, pairs, header)

    def _asked(self, job: Job, image: RGB, header: Header) -> Asked:
        """The job's queries that make sense on this image; the others are refused."""
        asked: Asked = []
        for pending in job.queries:
            try:
                query = query_from_message(pending.message)
                if query.region is not None:
                    check_region(query.region, (image.shape[1], image.shape[0]))
                asked.append((pending.message, query))
            except QueryError as error:
                self.refuse(pending.message, header, "bad query", str(error))
        return asked

    def refuse(self, query: msg.Query, header: Header, kind: str, reason: str) -> None:
        """Answers with a fault, warns, and counts. May be called from any thread."""
        self._health.count("refused", text=reason)
        self._warn(f"query {query.id!r}: {reason}")
        self._outputs.refuse(query, header, kind, reason)

    def _fail(self, frame: Frame, error: Exception, asked: Asked) -> None:
        """One look failed: at the scene, or at the one question asked."""
        text = str(error) if isinstance(error, GetokError) else _line(error)
        if not isinstance(error, QueryError):
            self._health.count("failed", text=text)
        if not asked:
            self._warn(f"perception failed on this frame: {text}")
        for query, _ in asked:
            self.refuse(query, frame.message.header, "bad query" if isinstance(error, QueryError) else "failed", text)

    def _read(self, frame: Frame) -> RGB:
        return image_to_rgb(frame.message) if hasattr(frame.message, "step") else compressed_to_rgb(frame.message)

    def _age_s(self, frame: Frame) -> float:
        """Seconds since the stamp; since receipt where the stamp is unset or of another clock."""
        seconds, nanoseconds = frame.stamp
        age = self._clock.now().nanoseconds * 1e-9 - (seconds + nanoseconds * 1e-9)
        return max(age, 0.0) if abs(age) < AGE_LIMIT_S else monotonic() - frame.received_s

    def _count(self, scene: Scene, quality: Quality, latency_s: float, age_s: float) -> None:
        self._health.scene(latency_s, age_s)
        self._health.count("faults", len(scene.faults))
        self._health.count("truncated", int(scene.truncated))
        self._health.count("late", int(quality.late))

    def _warn(self, text: str) -> None:
        now = monotonic()
        if now - self._warned.get(text, -REPEAT_S) >= REPEAT_S:
            if len(self._warned) > 1000:
                self._warned.clear()
            self._warned[text] = now
            self._logger.warning(text)


def _line(error: Exception) -> str:
    """An unexpected error and where it came from, in one line."""
    at = traceback.extract_tb(error.__traceback__)
    where = f" ({at[-1].filename.rsplit('/', 1)[-1]}:{at[-1].lineno})" if at else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
