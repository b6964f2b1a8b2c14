"""What the report knows of each frame: its place, its score, and what each model said in a few words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from getok_core.scene import Scene

from .replayed import Moment, Replayed
from .worth_labelling import WORTH, near

COUNTED = {"lanes": "lane", "obstacles": "obstacle", "signs": "sign", "lights": "light"}


@dataclass(frozen=True)
class Said:
    """One model about one frame."""

    total_ms: float | None
    things: int
    """lanes, obstacles, signs and lights"""
    words: str
    faults: Sequence[str]


@dataclass(frozen=True)
class FrameFacts:
    """One frame; scores are there where it has labels."""

    moment: Moment
    time_s: float
    """since its camera's first frame"""
    score: float | None
    worst: str
    """the row in which it lost most"""
    agreed: Mapping[str, float]
    """check without labels -> agreement in 0..1"""
    said: Mapping[str, Said]
    """by model"""

    @property
    def faults(self) -> int:
        return sum(len(one.faults) for one in self.said.values())


def gather(run: Replayed) -> list[FrameFacts]:
    """The facts of every frame, in the order of the replay."""
    ranked = {line["frame"]: line for line in run.metrics.get("frames", ())}
    began = {camera: run.time_ns(moments[0]) for camera, moments in run.cameras.items()}
    return [
        FrameFacts(
            moment,
            (run.time_ns(moment) - began[moment.camera]) / 1e9,
            ranked.get(moment.frame, {}).get("score"),
            ranked.get(moment.frame, {}).get("worst") or "",
            ranked.get(moment.frame, {}).get("agreed", {}),
            {model: _said(scene) for model in run.models if (scene := run.scene(moment.frame, model)) is not None},
        )
        for moment in run.frames
    ]


def worst(facts: Sequence[FrameFacts], most: int) -> list[FrameFacts]:
    """Frames with labels that scored less than 1, the lowest first, no two within a second; else those at fault."""
    lost = [one for one in facts if one.faults or (one.score is not None and one.score < 1)]
    chosen: list[FrameFacts] = []
    for one in sorted(lost, key=lambda one: (1.0 if one.score is None else one.score, -one.faults)):
        if len(chosen) < most and not any(near(one.moment, other.moment) for other in chosen):
            chosen.append(one)
    return chosen


def worth_labelling(run: Replayed, most: int) -> list[tuple[str, str]]:
    """Frames of worth_labelling.jsonl with their reasons in words; [] where it is not there."""
    path = run.out / WORTH
    lines: list[dict[str, Any]] = []
    if path.is_file():
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:most]]
    return [(line["frame"], "; ".join(reason["reason"] for reason in line["reasons"][:2])) for line in lines]


def clock(seconds: float) -> str:
    """1:02.5"""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _said(scene: Scene) -> Said:
    counts = {word: len(getattr(scene, name)) for name, word in COUNTED.items()}
    words = ", ".join(f"{count} {word}{'s' * (count > 1)}" for word, count in counts.items() if count)
    faults = Counter(f"{fault.kind}{f' ({fault.query})' * bool(fault.query)}" for fault in scene.faults)
    told = [kind if count == 1 else f"{count} x {kind}" for kind, count in faults.items()]
    total = scene.seconds.get("total")
    cut = ["truncated"] if scene.truncated else []
    return Said(None if total is None else 1000 * total, sum(counts.values()), words or "nothing", cut + told)
