"""Which frames a person should label next: those the model is unsure of, or says two different things about.

The way back into training: the list goes to CVAT with what the model proposes, and comes back corrected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.errors import GetokError
from getok_core.labels import Truth, cvat
from getok_core.scene import Scene

from .film import make_folder
from .frames import PICTURES
from .label_free import BEFORE, MIRROR, MODELS, Checked, Frames
from .replayed import Moment, Replayed
from .scene_picture import jpeg

WORTH, TASK = "worth_labelling.jsonl", "cvat"
APART_NS = 1_000_000_000
"""of frames nearer to each other than this, only the worthiest is listed: they show nearly the same"""
REASONS = {
    BEFORE: "the frame before says otherwise",
    MIRROR: "the mirrored frame says otherwise",
    MODELS: "the models say different things",
}
"""check -> what its failing says"""
UNSURE = "the model is unsure of what it drew"
LEAST = 0.1
"""a doubt smaller than this is no reason"""


@dataclass(frozen=True)
class Worth:
    """A frame, how much would be learned from labelling it, and why."""

    moment: Moment
    worth: float
    """sum of what its doubts exceed the usual ones of this replay by"""
    reasons: Sequence[tuple[str, float]]
    """in words, with the doubt in 0..1, the most unusual first"""

    def to_json(self) -> dict[str, Any]:
        """{"frame", "index", "topic", "stamp_ns", "worth", "reasons": [{"reason", "doubt"}]}."""
        reasons = [{"reason": reason, "doubt": round(doubt, 3)} for reason, doubt in self.reasons]
        return {**vars(self.moment), "worth": round(self.worth, 3), "reasons": reasons}


def rank(out: Path | str, checked: Iterable[Checked], frames: Frames | None = None, limit: int = 100) -> list[Worth]:
    """Writes worth_labelling.jsonl, and for CVAT the pictures and the first model's proposals under cvat/.

    At most limit frames, the worthiest first. Without frames only the list is written. Raises GetokError when the
    folder cannot be written.
    """
    run = Replayed(out)
    ranked = ranking(checked, limit)
    try:
        (run.out / WORTH).write_text("".join(json.dumps(one.to_json()) + "\n" for one in ranked), encoding="utf-8")
        if frames is not None and ranked:
            _write_task(run, [one.moment for one in ranked], frames)
    except OSError as error:
        raise GetokError(f"cannot write into {run.out}: {error.strerror}; choose another place") from None
    return ranked


def ranking(checked: Iterable[Checked], limit: int = 100) -> list[Worth]:
    """The worthiest frames, no two within a second of one camera; frames without any doubt are not among them."""
    doubts: dict[Moment, dict[str, float]] = {}
    for one in checked:
        mine = doubts.setdefault(one.moment, {})
        for reason, doubt in _doubts(one).items():
            mine[reason] = max(mine.get(reason, 0.0), doubt)
    usual = _usual(doubts.values())
    every = [_worth(moment, mine, usual) for moment, mine in doubts.items()]
    chosen: list[Worth] = []
    for one in sorted(every, key=lambda one: (-one.worth, one.moment.index)):
        if one.reasons and len(chosen) < limit and not any(near(one.moment, other.moment) for other in chosen):
            chosen.append(one)
    return chosen


def _doubts(one: Checked) -> dict[str, float]:
    """Reason -> 0..1."""
    found = {words: 1 - one.agreed(name) for name, words in REASONS.items() if one.agreements.get(name)}
    if one.scores:
        found[UNSURE] = 1 - float(np.mean(one.scores))
    for fault in one.faults[:1]:
        found[f"{fault.kind}: {fault.detail}".removesuffix(": ")] = 1.0
    return {reason: doubt for reason, doubt in found.items() if np.isfinite(doubt)}


def _usual(doubts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Reason -> its median over the frames it was looked for in; a fault is never usual."""
    found: dict[str, list[float]] = {}
    for mine in doubts:
        for reason, doubt in mine.items():
            found.setdefault(reason, []).append(doubt)
    return {reason: float(np.median(found[reason])) for reason in (*REASONS.values(), UNSURE) if reason in found}


def _worth(moment: Moment, doubts: Mapping[str, float], usual: Mapping[str, float]) -> Worth:
    """By how much its doubts exceed the usual ones; the most unusual reason first."""
    unusual = {reason: doubt - usual.get(reason, 0.0) for reason, doubt in doubts.items()}
    reasons = sorted((reason for reason in doubts if doubts[reason] >= LEAST), key=lambda one: -unusual[one])
    worth = sum(max(excess, 0.0) for excess in unusual.values())
    return Worth(moment, worth, [(reason, doubts[reason]) for reason in reasons])


def near(one: Moment, other: Moment) -> bool:
    """Whether two frames of a camera were taken within a second: they show nearly the same."""
    return one.camera == other.camera and 0 < abs(one.stamp_ns - other.stamp_ns) < APART_NS


def _write_task(run: Replayed, chosen: Sequence[Moment], frames: Frames) -> None:
    """cvat/: images/, images.txt in order of worth, annotations.xml with the proposals, labels.json for the task."""
    folder = run.out / TASK
    proposals: dict[str, Truth] = {}
    for moment in run.frames:  # pictures are decoded once when they are asked for in their order
        image = frames(moment.frame) if moment in chosen else None
        if image is not None:
            name, scene = image_name(run, moment), run.scene(moment.frame, run.models[0])
            make_folder((folder / "images" / name).parent)
            (folder / "images" / name).write_bytes(jpeg(image))
            proposals[name] = Truth(scene or Scene(image.shape[1], image.shape[0]))
    make_folder(folder)
    cvat.write(folder / "annotations.xml", proposals)
    names = [name for moment in chosen if (name := image_name(run, moment)) in proposals]
    (folder / "images.txt").write_text("".join(name + "\n" for name in names), encoding="utf-8")
    (folder / "labels.json").write_text(json.dumps(cvat.label_specs(), indent=1), encoding="utf-8")


def image_name(run: Replayed, moment: Moment) -> str:
    """The frame's own name as a .jpg, in a folder a camera where there are several: labels find the frame by it."""
    own = Path(moment.frame.rpartition("#")[2])
    own = own.with_suffix(".jpg") if own.suffix.lower() in PICTURES else own.with_name(f"{own.name}.jpg")
    if len(run.cameras) == 1:
        return own.name
    return f"{re.sub('[^0-9A-Za-z]+', '_', moment.camera).strip('_')}/{own.name}"
