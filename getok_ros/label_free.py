"""What a replay shows without labels: each scene against the frame before, the mirrored frame and the other models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from getok_core.metrics.consistency import agreed, agreement, mirrored, out_of_range
from getok_core.metrics.tally import Part, Tally, as_json
from getok_core.scene import THINGS, Fault, Scene
from getok_core.view import RGB

from .progress import bar
from .replayed import Moment, Replayed

Frames = Callable[[str], RGB | None]
"""name of a frame -> its picture (H, W, 3), None where it cannot be read"""
Ask = Callable[[str, RGB], Scene]
"""title of a model, picture -> what it says"""

BEFORE, MIRROR, MODELS = "from frame to frame", "with the mirrored frame", "between models"
NEXT_NS = 500_000_000
"""frames further apart show another road"""
MIRRORS = 50
"""frames of a replay that are asked about again, mirrored; spread evenly"""


@dataclass(frozen=True, eq=False)
class Checked:
    """What one frame and model add."""

    moment: Moment
    model: str
    agreements: Mapping[str, Mapping[str, Part]]
    """BEFORE, MIRROR or MODELS -> task -> part of its agreement"""
    faults: Sequence[Fault]
    """of the model's words, and of geometry out of range"""
    scores: Sequence[float]
    """of all that was drawn"""

    def agreed(self, check: str) -> float:
        """Agreement in 0..1 over all tasks; NaN where nothing was compared."""
        return agreed(self.agreements.get(check, {}))


def check(run: Replayed, frames: Frames | None = None, ask: Ask | None = None) -> Iterator[Checked]:
    """Checks every frame and model in their order.

    Without frames and ask no mirrored frame is looked at. Pictures of a folder have no clock and no frame before.
    """
    spread: list[int] = np.linspace(0, len(run.frames) - 1, min(MIRRORS, len(run.frames))).astype(int).tolist()
    asked = {run.frames[at].frame for at in spread}
    before: dict[tuple[str, str], tuple[Moment, Scene]] = {}
    for moment in bar(run.frames, "checks", len(run.frames)):
        said = {model: scene for model in run.models if (scene := run.scene(moment.frame, model)) is not None}
        picture = frames(moment.frame) if frames and ask and moment.frame in asked else None
        for model, scene in said.items():
            agreements: dict[str, Mapping[str, Part]] = {}
            last = before.get((moment.camera, model))
            if last and follows(last, moment, scene):
                agreements[BEFORE] = agreement(last[1], scene)
            if picture is not None and ask is not None:
                agreements[MIRROR] = agreement(scene, mirrored(ask(model, np.ascontiguousarray(picture[:, ::-1]))))
            others = [agreement(scene, other) for name, other in said.items() if name != model]
            if others:
                agreements[MODELS] = _sum(others)
            before[moment.camera, model] = moment, scene
            yield Checked(moment, model, agreements, (*scene.faults, *out_of_range(scene)), _scores(scene))


def follows(last: tuple[Moment, Scene], now: Moment, scene: Scene) -> bool:
    """Whether a camera's frame shows the same road as its last one: taken soon after, and of the same size."""
    near = 0 < now.stamp_ns - last[0].stamp_ns <= NEXT_NS
    return near and (last[1].width, last[1].height) == (scene.width, scene.height)


def table(checked: Iterable[Checked]) -> dict[str, dict[str, list[float | None]]]:
    """model -> row -> [value, low, high], ratios with 95 % bootstrap intervals over frames; None: nothing measured."""
    tallies: dict[str, Tally] = {}
    for at, one in enumerate(checked):
        parts = {f"{task}, {name}": part for name, tasks in one.agreements.items() for task, part in tasks.items()}
        parts["frames at fault"] = float(bool(one.faults)), 1.0
        parts["frames with geometry out of range"] = float(any(f.kind == "out of range" for f in one.faults)), 1.0
        tallies.setdefault(one.model, Tally()).add(at, parts)
    return {model: _rows(tally) for model, tally in tallies.items()}


def by_frame(checked: Iterable[Checked]) -> dict[str, dict[str, float]]:
    """Name of a frame -> check -> agreement in 0..1, the lowest of all models; checks that say nothing are left out."""
    found: dict[str, dict[str, float]] = {}
    for one in checked:
        mine = found.setdefault(one.moment.frame, {})
        for name in one.agreements:
            if np.isfinite(value := one.agreed(name)):
                mine[name] = round(min(value, mine.get(name, 1.0)), 4)
    return found


def _rows(tally: Tally) -> dict[str, list[float | None]]:
    """The checks in the order in which they are named, then what is said of whole frames."""
    order = {name: at for at, name in enumerate((BEFORE, MIRROR, MODELS))}
    intervals = tally.intervals()
    rows = sorted(intervals, key=lambda row: order.get(row.partition(", ")[2], len(order)))
    return {row: as_json(intervals[row]) for row in rows}


def _sum(some: Sequence[Mapping[str, Part]]) -> dict[str, Part]:
    return {task: (sum(one[task][0] for one in some), sum(one[task][1] for one in some)) for task in some[0]}


def _scores(scene: Scene) -> list[float]:
    return [float(thing.score) for name in THINGS for thing in getattr(scene, name)]
