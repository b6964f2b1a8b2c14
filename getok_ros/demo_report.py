"""What a demo run showed: the numbers for people, and the film. Needs no ROS."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import Shape
from getok_core.overlay import Question, draw
from getok_core.queries import question
from getok_core.scene import Answer, Scene
from getok_core.view import RGB

from .bags import ImageBag
from .film import open_overlay
from .progress import bar

KINDS = ("lanes", "drivable_areas", "obstacles", "signs", "lights")
FILM_WIDTH = 1280
SHOWN_S = 2.5
"""an answer stays in the film for so long after its frame"""


@dataclass(frozen=True, eq=False)
class Seen:
    """The scene of one frame, and the time from sending the frame to the scene's arrival."""

    scene: Scene
    latency_s: float


@dataclass(frozen=True, eq=False)
class Asked:
    """One question, the frame it was asked on and, once it came, the answer."""

    id: str
    text: str
    region: Shape | None
    """in pixels of that frame"""
    stamp_ns: int
    index: int = 0
    """number of the frame"""
    answer: Answer | None = None


@dataclass
class Report:
    """Everything that was sent and came back."""

    what: str
    """the recording in words"""
    image_type: str
    stamps: list[int] = field(default_factory=list[int])
    """of the frames sent, ns"""
    scenes: dict[int, Seen] = field(default_factory=dict[int, Seen])
    """number of the frame -> what came back"""
    asked: list[Asked] = field(default_factory=list[Asked])
    dropped: int = 0
    """frames the node says it dropped for newer ones"""
    played_s: float = 0.0
    recorded_s: float = 0.0
    model: str = ""
    device: str = ""
    latencies_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def sent(self) -> int:
        return len(self.stamps)

    @property
    def rate(self) -> float:
        """Scenes a second."""
        return len(self.scenes) / self.played_s if self.played_s > 0 else 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames."""
        first = next(iter(self.scenes.values())).scene
        return first.width, first.height

    def latency_ms(self, percent: float) -> float:
        """Percentile of camera to scene, in ms."""
        return float(np.percentile(self.latencies_s, percent) * 1000) if len(self.latencies_s) else 0.0

    def stage_ms(self, stage: str, percent: float = 50) -> float:
        """Percentile of one stage inside the model, in ms."""
        spent = [seen.scene.seconds.get(stage, 0.0) for seen in self.scenes.values()]
        return float(np.percentile(spent, percent) * 1000) if spent else 0.0

    def counts(self) -> dict[str, Counter[str]]:
        """Kind of object -> label -> how many, over all scenes."""
        found = {kind: Counter[str]() for kind in KINDS}
        for seen in self.scenes.values():
            for kind in KINDS:
                found[kind].update(
                    thing.state if kind == "lights" else thing.label for thing in getattr(seen.scene, kind)
                )
        return found

    @property
    def faults(self) -> int:
        return sum(len(seen.scene.faults) for seen in self.scenes.values())


def summary(report: Report, out: Path) -> str:
    """The run in a dozen lines."""
    width, height = report.size
    counts = [f"{sum(c.values())} {kind.replace('_', ' ')}{_labels(c)}" for kind, c in report.counts().items()]
    pace = report.recorded_s / report.played_s if report.played_s else 0.0
    lines = [
        f"getok demo: {report.what}, {width} x {height}, over DDS as {report.image_type.rpartition('/')[2]}",
        f"  frames    {report.sent} sent, {len(report.scenes)} scenes back, {report.dropped} dropped by the node,"
        f" {report.faults} faults",
        f"  rate      {report.rate:.1f} scenes/s (the recording at {pace:.2f} of its own speed)",
        f"  latency   {report.latency_ms(50):.0f} ms median, {report.latency_ms(95):.0f} ms p95, camera to scene;"
        f" in the model {report.stage_ms('total'):.0f} ms median, {report.stage_ms('total', 95):.0f} ms p95",
        f"  objects   {counts[0]}",
        *(f"            {line}" for line in counts[1:]),
    ]
    for asked in report.asked:
        where = f", {describe(asked.region)}" if asked.region is not None else ""
        lines.append(f"  asked     {asked.text} (frame {asked.index}{where})")
        lines.append(f"            {answer_text(asked.answer)}")
    lines.append(f"  engine    {report.model} on {report.device}")
    lines.append(f"  look at   {out / 'index.html'}  {out / 'overlay.mp4'}  {out / 'node.log'}")
    return "\n".join(lines)


def answer_text(answer: Answer | None) -> str:
    """The answer in words, with its score and the geometry it holds counted."""
    if answer is None:
        return "no answer"
    held = [
        f"{len(getattr(answer.scene, kind))} {kind.replace('_', ' ')}" for kind in KINDS if getattr(answer.scene, kind)
    ]
    return f"{answer.answer} (score {answer.score:.2f}{', with ' + ', '.join(held) if held else ''})"


def describe(region: Shape) -> str:
    """Kind and extent of a region in pixels."""
    (left, top), (right, bottom) = region.xy.min(axis=0), region.xy.max(axis=0)
    return f"{region.kind} x {left:.0f}..{right:.0f}, y {top:.0f}..{bottom:.0f}"


def write_film(report: Report, path: Path, topic: str | None, to: Path) -> dict[int, RGB]:
    """Draws every frame of the bag at path with its scene into a film; returns the key frames as they were sent.

    A frame without a scene of its own shows the newest one and says how old it is.
    """
    wanted, kept = key_frames(report), {}
    fps = (report.sent - 1) / report.recorded_s if report.recorded_s > 0 and report.sent > 1 else 10.0
    newest: int | None = None
    with ImageBag(path, topic) as bag, open_overlay(to, "video", min(max(fps, 1.0), 60.0)) as film:
        frames = islice(bag, report.sent)
        for index, one in enumerate(bar(frames, "film", report.sent)):
            image = one.rgb()
            newest = index if index in report.scenes else newest
            if index in wanted:
                kept[index] = image
            film.write(str(index), _drawn(report, image, index, newest))
    return kept


def key_frames(report: Report) -> list[int]:
    """Up to six frames worth a look: those asked about, then those with most to see, far from each other."""
    chosen = sorted({asked.index for asked in report.asked if asked.index in report.scenes})
    for index in sorted(report.scenes, key=lambda index: richness(report.scenes[index].scene), reverse=True):
        if len(chosen) < 6 and all(abs(index - other) > report.sent // 12 for other in chosen):
            chosen.append(index)
    return sorted(chosen)


def richness(scene: Scene) -> float:
    """How much there is to see and how sure the model is of it: the scores of the best object of each label."""
    best: dict[str, float] = {}
    for kind in KINDS:
        for thing in getattr(scene, kind):
            label = thing.state if kind == "lights" else thing.label
            best[kind + label] = max(best.get(kind + label, 0.0), thing.score)
    return sum(best.values()) - 0.2 * max(len(scene.obstacles) - 6, 0) - 0.3 * len(scene.faults)


def drawn_key_frame(report: Report, image: RGB, index: int) -> RGB:
    """The frame at most FILM_WIDTH wide with its scene and the answers about it."""
    return _drawn(report, image, index, index, only_own=True)


def _drawn(report: Report, image: RGB, index: int, newest: int | None, only_own: bool = False) -> RGB:
    image = _narrowed(image)
    time_s = (report.stamps[index] - report.stamps[0]) / 1e9
    if newest is None:
        return draw(image, Scene(image.shape[1], image.shape[0]), title=f"{time_s:.1f} s  waiting for the first scene")
    age_s = (report.stamps[index] - report.stamps[newest]) / 1e9
    title = f"{time_s:.1f} s" + (f"  scene {age_s:.1f} s old" if age_s else "")
    return draw(image, report.scenes[newest].scene, _shown(report, index, only_own), title)


def _shown(report: Report, index: int, only_own: bool) -> list[tuple[Question, Answer]]:
    """The answers on screen at a frame; a region is drawn only on the frame it was asked about, since things move."""
    shown: list[tuple[Question, Answer]] = []
    for asked in report.asked:
        age_s = (report.stamps[index] - report.stamps[asked.index]) / 1e9
        if asked.answer is not None and 0 <= age_s <= (0 if only_own else SHOWN_S):
            here = age_s < 0.25
            words = Answer(asked.answer.answer, asked.answer.score)
            query = question(asked.text, asked.region if here else None)
            shown.append((query, asked.answer if here else words))
    return shown


def _narrowed(image: RGB) -> RGB:
    height, width = image.shape[:2]
    if width <= FILM_WIDTH:
        return image
    size = (FILM_WIDTH, max(1, round(height * FILM_WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _labels(counter: Counter[str]) -> str:
    many = [f"{label} {count}" for label, count in counter.most_common(5)]
    return f" ({', '.join(many)}{', ..' if len(counter) > 5 else ''})" if counter and many else ""
