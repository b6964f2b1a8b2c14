"""What a replay's scenes are worth beside the labels: tables, slices, confusions, reliability, and each frame's rank.

Every number is made of what single frames add, by the same functions as in training, and resampled by whole frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from getok_core.ground import Ground
from getok_core.labels import Labels, Truth
from getok_core.metrics.answers import Confusion
from getok_core.metrics.average_precision import BoxFrame, precision_rows
from getok_core.metrics.calibration import reliability
from getok_core.metrics.frame_parts import HEADLINES, Marks, Pairs, box_frame, frame_parts, marks_of, pairs_of
from getok_core.metrics.intervals import Interval
from getok_core.metrics.scene_parts import BOXES
from getok_core.metrics.stability import stability_parts
from getok_core.metrics.tally import Block, Part, Tally, quantile_interval
from getok_core.overlay import Question
from getok_core.scene import Answer, Scene

from .label_free import follows
from .recordings import label_name
from .replayed import Moment, Replayed

QUANTILES = {"median": 0.5, "95th percentile": 0.95, "99th percentile": 0.99, "longest": 1.0}
FALSE_PER_HOUR = "false obstacles, signs and lights on empty road, per hour"
MISSES = "frames later than the deadline"
FAULTS = "frames with a fault"
DROPS = "frames dropped by the node"
TRACKED = "frames on which something was carried over"
LONGEST_STEP_S = 1.0
"""a frame stands for the time to the next one, but for no more than this"""
Answered = Sequence[tuple[Question, Answer]]
SLICE_FRAMES = 5
"""slices of fewer frames are not shown"""


@dataclass
class Measured:
    """What one model's scenes add up to."""

    scenes: Tally = field(default_factory=Tally)
    answers: Tally = field(default_factory=Tally)
    speed: dict[str, Interval] = field(default_factory=dict[str, Interval])
    slices: dict[str, Tally] = field(default_factory=dict[str, Tally])
    pairs: Pairs = field(default_factory=dict[str, list[tuple[str, str]]])
    """row -> label and answer of each"""
    marks: Marks = field(default_factory=dict[str, list[tuple[float, bool]]])
    """kind of thing -> score, and whether it is there, of each thing drawn"""
    boxes: dict[str, list[BoxFrame]] = field(default_factory=dict[str, list[BoxFrame]])
    """kind of thing -> what average precision is made of, frame by frame"""

    def rows(self) -> dict[str, Interval]:
        """The table of scenes."""
        found = self.scenes.intervals()
        for name, frames in self.boxes.items():
            found |= precision_rows(name, frames)
        return {row: interval for row, interval in found.items() if np.isfinite(interval.value)}


def truths_of(run: Replayed, labels: Mapping[str, Labels]) -> dict[str, Truth]:
    """Name of a frame -> its truth in the pixels of its image, of those that are labelled. labels: by recording."""
    found: dict[str, Truth] = {}
    for moment in run.frames:
        known = next((known for name, known in labels.items() if moment.frame.startswith(f"{name}#")), None)
        name = label_name(moment.frame, moment.topic, moment.index, moment.stamp_ns)
        truth = known.of(**vars(name)) if known else None
        scene = next((said for model in run.models if (said := run.scene(moment.frame, model))), None)
        if truth is not None and scene is not None:
            found[moment.frame] = truth.sized((scene.width, scene.height))
    return found


def measure(
    run: Replayed, truths: Mapping[str, Truth], deadline_s: float | None, ground: Ground | None = None
) -> tuple[dict[str, Measured], list[dict[str, Any]]]:
    """Model -> what its scenes add up to, and the frames as metrics.json ranks them."""
    measured = {model: Measured() for model in run.models}
    before: dict[tuple[str, str], tuple[Moment, Scene]] = {}
    ranked, steps = [], _steps_s(run.frames)
    for at, moment in enumerate(run.frames):
        worst: tuple[float, str] | None = None
        faults = 0
        for model, one in measured.items():
            scene = run.scene(moment.frame, model)
            if scene is None:
                continue
            faults += len(scene.faults)
            one.scenes.add(at, {FAULTS: (float(bool(scene.faults)), 1.0)} | _stability(before, moment, model, scene))
            truth = truths.get(moment.frame)
            if truth is not None:
                seconds = scene.seconds.get("total")
                parts = frame_parts(truth, scene, ground, seconds) | _false_per_hour(truth, scene, steps[at])
                said = run.answers(moment.frame, model) if truth.questions else []
                _add(one, at, moment, truth, scene, parts, said)
                worst = min(filter(None, (worst, _worst(parts))), default=None)
        ranked.append({
            "frame": moment.frame, "score": worst and round(worst[0], 4), "worst": worst[1] if worst else "",
            "faults": faults,
        })  # fmt: skip
    for model, one in measured.items():
        one.speed = speed(run, model, deadline_s)
    return measured, ranked


def blocks(measured: Mapping[str, Measured], truths: Mapping[str, Truth], frames: int) -> list[Block]:
    """The tables, a column a model."""
    named = f"Scenes against labels: {len(truths)} of {frames} frames are labelled" if truths else "Scenes, no labels"
    tables = [
        (named, {model: one.rows() for model, one in measured.items()}),
        ("Questions about labelled frames", {model: one.answers.intervals() for model, one in measured.items()}),
        ("Time a frame", {model: one.speed for model, one in measured.items()}),
    ]
    return [Block(title, columns) for title, columns in tables if any(columns.values())]


def slice_rows(one: Measured) -> dict[str, dict[str, Interval]]:
    """Condition -> headline rows, of the conditions with enough frames."""
    rows = {name: tally.intervals() for name, tally in sorted(one.slices.items())}
    frames = {name: len({added[0] for row in tally.rows.values() for added in row})
              for name, tally in one.slices.items()}  # fmt: skip
    return {f"{name} ({frames[name]} frames)": cells for name, cells in rows.items() if frames[name] >= SLICE_FRAMES}


def slice_blocks(measured: Mapping[str, Measured]) -> list[Block]:
    """A table a model, a column a condition."""
    return [Block(f"By condition, {model}", rows) for model, one in measured.items() if (rows := slice_rows(one))]


def reliabilities(one: Measured) -> dict[str, Any]:
    """Kind of thing -> how far its scores can be believed."""
    pairs = {kind: tuple(zip(*marks, strict=True)) for kind, marks in sorted(one.marks.items()) if marks}
    return {kind: reliability(*pair).to_json() for kind, pair in pairs.items()}


def confusions(one: Measured) -> dict[str, dict[str, dict[str, int]]]:
    """Row -> label -> answer -> count."""
    return {row: Confusion.of(pairs).rows() for row, pairs in sorted(one.pairs.items()) if pairs}


def speed(run: Replayed, model: str, deadline_s: float | None) -> dict[str, Interval]:
    """Quantiles of the time a frame took, camera to scene where it came back from a node; deadline misses and drops."""
    lines = [line for (_, title), line in run.timing.items() if title == model]
    came = [float(line.get("age_s", line["seconds"].get("total", 0.0))) for line in lines if not line.get("dropped")]
    if not came:
        return {}
    rows = {f"{name}, ms": _times(quantile_interval(came, at), 1000) for name, at in QUANTILES.items()}
    tally = Tally()
    for at, seconds in enumerate(came):
        if deadline_s is not None:
            tally.add(at, {f"{MISSES} of {1000 * deadline_s:g} ms": (float(seconds > deadline_s), 1.0)})
    if any("age_s" in line for line in lines):
        for at, line in enumerate(lines):
            tally.add(at, {DROPS: (float(bool(line.get("dropped"))), 1.0)})
    if any("tracked" in line for line in lines):
        for at, line in enumerate(lines):
            tally.add(at, {TRACKED: (float("tracked" in line), 1.0)})
    return rows | tally.intervals()


def period_s(frames: Sequence[Moment]) -> float | None:
    """The camera's own period, the median step of its clock: the deadline unless another is given."""
    steps = [step for step in _steps_s(frames) if step > 0]
    return float(np.median(steps)) if len(steps) > 1 else None


def _add(one: Measured, at: int, moment: Moment, truth: Truth, scene: Scene, parts: Mapping[str, Part],
         answers: Answered) -> None:  # fmt: skip
    """Everything that one labelled frame adds to one model's account."""
    one.scenes.add(at, parts)
    for name in _conditions(moment, truth):
        one.slices.setdefault(name, Tally()).add(at, {row: part for row, part in parts.items() if row in HEADLINES})
    for row, pairs in pairs_of(truth, scene).items():
        one.pairs.setdefault(row, []).extend(pairs)
    for kind, marks in marks_of(truth, scene).items():
        one.marks.setdefault(kind, []).extend(marks)
    for kind in BOXES:
        if (boxes := box_frame(kind, truth, scene)) is not None:
            one.boxes.setdefault(kind, []).append(boxes)
    for task, label, said in _answered(truth, answers):
        one.answers.add(at, {task: (float(said == label), 1.0)})
        one.pairs.setdefault(task, []).append((label, said))


def _answered(truth: Truth, answers: Answered) -> Iterator[tuple[str, str, str]]:
    """Task, label and answer of each question about the frame; one never answered counts as ""."""
    said = {(query.text, _corners(query)): answer.answer for query, answer in answers}
    for query, label in truth.questions:
        yield query.name or query.text, label, said.get((query.text, _corners(query)), "")


def _corners(query: Any) -> Any:
    return None if query.region is None else tuple(map(tuple, query.region.xy.round(3).tolist()))


def _conditions(moment: Moment, truth: Truth) -> list[str]:
    tags = [f"{name}: {value}" for name, value in truth.slices.items()]
    return [*tags, f"camera: {moment.topic}"] if moment.topic else tags


def _stability(before: dict[tuple[str, str], tuple[Moment, Scene]], moment: Moment, model: str,
               scene: Scene) -> dict[str, Part]:  # fmt: skip
    """How still the lanes stand since the camera's frame before; keeps this one for the next."""
    last = before.get((moment.camera, model))
    before[moment.camera, model] = moment, scene
    return stability_parts(last[1], scene) if last and follows(last, moment, scene) else {}


def _false_per_hour(truth: Truth, scene: Scene, step_s: float) -> dict[str, Part]:
    """What is drawn on a road on which nothing stands, over the time that the frame stands for."""
    watched = {"obstacles", "signs", "lights"}
    if step_s <= 0 or not watched <= truth.known or any(getattr(truth.scene, kind) for kind in watched):
        return {}
    return {FALSE_PER_HOUR: (3600.0 * sum(len(getattr(scene, kind)) for kind in sorted(watched)), step_s)}


def _steps_s(frames: Sequence[Moment]) -> list[float]:
    """Seconds from each frame to the next of its camera, 0 where there is none or the clock goes back."""
    steps, last = [0.0] * len(frames), dict[str, int]()
    for at, moment in enumerate(frames):
        if moment.camera in last:
            before = last[moment.camera]
            step = (moment.stamp_ns - frames[before].stamp_ns) / 1e9
            steps[before] = min(step, LONGEST_STEP_S) if step > 0 else 0.0
        last[moment.camera] = at
    return steps


def _worst(parts: Mapping[str, Part]) -> tuple[float, str] | None:
    """The headline row on which the frame does worst."""
    ratios = ((above / below, row) for row, (above, below) in parts.items() if row in HEADLINES and below)
    return min(ratios, default=None)


def _times(interval: Interval, factor: float) -> Interval:
    return Interval(*(value * factor for value in interval))
