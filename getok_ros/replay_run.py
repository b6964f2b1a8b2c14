"""Frames of recordings through one or several models, into a folder; an interrupted run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from getok_core.errors import GetokError, ImageError, QueryError
from getok_core.queries import SceneQuery
from getok_core.scene import Answer, Fault, Scene
from getok_core.view import RGB

from .progress import bar
from .recordings import Lost, RecordedFrame, Recording
from .replay_log import ReplayLog, asked_key
from .share import default_model

if TYPE_CHECKING:
    from getok_core.labels import Labels, Truth
    from getok_core.perceiver import Perceiver
    from getok_core.tracking import Tracker

Models = Mapping[str, "Perceiver"]
"""title -> perceiver, in the order given"""


@dataclass
class Ran:
    """What a run met on its way."""

    frames: int = 0
    lost: list[Lost] = field(default_factory=list[Lost])
    """frames that could not be read"""
    notes: list[str] = field(default_factory=list[str])


def load_models(
    given: Sequence[str], device: str, refinements: int | None, engines: Sequence[str] = ()
) -> dict[str, Perceiver]:
    """Model folders, each alone or as FOLDER@DEVICE, and each in all the engines -> perceivers by title.

    A title names the model and its digest; where one is asked for in several engines or on several devices, also these.
    Raises ModelError, or GetokError when the same was asked for twice.
    """
    from getok_core.engines import load_engine
    from getok_core.perceiver import Perceiver

    loaded: list[Perceiver] = []
    ways: list[tuple[str, str]] = []
    for model in given or [str(default_model())]:
        folder, at, own = model.rpartition("@")
        folder, own = (folder, own) if at and not Path(model).exists() else (model, device)
        for engine in engines or [""]:
            loaded.append(Perceiver(load_engine(folder, device=own, engine=engine), refinements))
            ways.append((f" in {engine}" if engine else "", f" on {own}"))
    return dict(zip(told_apart([one.manifest.title for one in loaded], ways), loaded, strict=True))


def told_apart(titles: Sequence[str], ways: Sequence[tuple[str, ...]]) -> list[str]:
    """Each title, followed by what sets it apart where several are the same. Raises GetokError where nothing does."""
    named: list[str] = []
    for title, way in zip(titles, ways, strict=True):
        alike = [other for same, other in zip(titles, ways, strict=True) if same == title]
        if alike.count(way) > 1:
            raise GetokError(f"{title} was given twice: give other models or engines, or one as FOLDER@DEVICE")
        named.append(title + "".join(word for at, word in enumerate(way) if len({one[at] for one in alike}) > 1))
    return named


def run(
    recordings: Sequence[Recording],
    models: Models,
    log: ReplayLog,
    labels: Mapping[str, Labels] | None = None,
    track: int = 0,
) -> Ran:
    """Asks every model about every frame that log does not hold yet, and the questions that the labels hold answers to.

    labels: by the recording's name. track: all is proposed anew on every so manyth frame of a camera, see tracking.py;
    0: on every frame. Frames are taken in their order, for each all models in theirs: the same recordings, models and
    options write the same scenes, however often the run was interrupted.
    """
    ran, trackers = Ran(), Trackers(log, track)
    for recording in recordings:
        known = (labels or {}).get(recording.name)
        with bar(None, recording.name, recording.count) as progress:
            for frame in recording.frames():
                ran.frames += 1
                truth = known.of(**vars(frame.label_name)) if known else None
                _ask(frame, models, log, trackers, truth, ran)
                progress.update()
        ran.lost += recording.lost
        ran.notes += recording.notes
    return ran


class Trackers:
    """One for each model and camera; it goes on from what the log holds of them."""

    def __init__(self, log: ReplayLog, every: int) -> None:
        """every: as getok_core.tracking.Tracker has it; below 2 nothing is tracked."""
        self._log, self._every = log, every
        self._made: dict[tuple[str, str], Tracker] = {}

    def perceive(self, title: str, perceiver: Perceiver, frame: RecordedFrame, image: RGB) -> Scene:
        """What a model says of the frame."""
        if self._every < 2:
            return perceiver.perceive(image)
        from getok_core.tracking import Tracker, perceive

        camera = frame.frame.rpartition("#")[0]
        if (title, camera) not in self._made:
            tracker = self._made[title, camera] = Tracker(self._every)
            tracker.resume(self._log.said(title, camera))
        return perceive(perceiver, self._made[title, camera], image, frame.stamp_ns)


def _ask(
    frame: RecordedFrame, models: Models, log: ReplayLog, trackers: Trackers, truth: Truth | None, ran: Ran
) -> None:
    questions = truth.questions if truth else ()
    if not questions and all((frame.frame, title) in log.done for title in models):
        return
    try:
        image = frame.read()
    except ImageError as error:
        ran.lost.append({"frame": frame.frame, "why": str(error)})
        return
    if truth is not None:
        questions = truth.sized((image.shape[1], image.shape[0])).questions
    for title, perceiver in models.items():
        if (frame.frame, title) not in log.done:
            log.add(frame, title, trackers.perceive(title, perceiver, frame, image))
        for query, _ in questions:
            line = question_line(frame.frame, title, query)
            if asked_key(line) not in log.asked:
                log.answer({**line, **_answer(perceiver, image, query)})


def question_line(frame: str, model: str, query: SceneQuery) -> dict[str, Any]:
    """A line of answers.jsonl without its answer."""
    line: dict[str, Any] = {"frame": frame, "model": model, "question": query.text}
    if query.region is not None:
        line["region"] = {"kind": query.region.kind, "points": query.region.xy.tolist()}
    return line


def _answer(perceiver: Perceiver, image: RGB, query: SceneQuery) -> dict[str, Any]:
    """The answer in JSON; a question that cannot be asked, such as one about nothing inside the image, is at fault."""
    try:
        answer = perceiver.ask(image, query)
    except QueryError as error:
        faults = (Fault("bad query", str(error), query.name),)
        answer = Answer("", 0.0, scene=Scene(image.shape[1], image.shape[0], faults=faults))
    said = answer.to_json()
    said.pop("seconds")
    return {"answer": said}
