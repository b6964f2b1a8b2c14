"""What a labelled frame adds to every row of a replay's tables: those of training, and the measures of benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from getok_core.labels import Truth
from getok_core.scene import Scene

from .boxes import Match, box_ious, match_boxes
from .lanes import culane_counts, culane_ious, line_found
from .scene_parts import BOXES, scene_parts
from .tally import Part, f1_parts

Pairs = dict[str, list[tuple[str, str]]]
"""row -> label and what was said of each thing found"""
Marks = dict[str, list[tuple[float, bool]]]
"""kind of thing -> score of each thing drawn, and whether a label stands where it was drawn"""

HEADLINES = (
    "lanes within 2 %: F1",
    "drivable area: IoU",
    "obstacles at IoU 0.5: F1",
    "signs at IoU 0.5: F1",
    "lights at IoU 0.5: F1",
)
"""one row a task: by these frames are ranked and slices compared"""
CULANE = (0.5, 0.75)
RIGHT = 0.02
"""a drawn lane is right when it lies within this part of the width of a label"""


def frame_parts(truth: Truth, said: Scene) -> dict[str, Part]:
    """The truth, in the pixels of said, against what was said; only tasks whose truth is whole add anything."""
    parts = scene_parts(truth.scene, said, truth.known)
    if "lanes" in truth.known:
        labels, drawn = [lane.points for lane in truth.scene.lanes], [lane.points for lane in said.lanes]
        ious = culane_ious(labels, drawn, (said.width, said.height))
        for threshold in CULANE:
            parts |= f1_parts(f"lanes, CULane at IoU {threshold:g}", culane_counts(ious, threshold))
    return parts


def pairs_of(truth: Truth, said: Scene) -> Pairs:
    """Words of the things that were found, beside those of their labels."""
    found: Pairs = {}
    for name, (thresholds, row, word) in BOXES.items():
        truths, drawn = getattr(truth.scene, name), getattr(said, name)
        pairs = [(truths[m.truth], drawn[m.drawn]) for m in _matched(truths, drawn, thresholds[0])]
        found[row] = [(getattr(t, word), getattr(d, word)) for t, d in pairs if getattr(t, word)]
    return found


def marks_of(truth: Truth, said: Scene) -> Marks:
    """Scores of what was drawn, with whether it is right: a box matched at IoU 0.5, a lane near a label."""
    marks: Marks = {}
    for name in BOXES:
        if name in truth.known:
            drawn = getattr(said, name)
            right = {pair.drawn for pair in _matched(getattr(truth.scene, name), drawn, 0.5)}
            marks[name] = [(float(thing.score), at in right) for at, thing in enumerate(drawn)]
    if "lanes" in truth.known:
        labels = [lane.points for lane in truth.scene.lanes]
        marks["lanes"] = [
            (float(lane.score), any(line_found(label, lane.points, said.width, RIGHT) for label in labels))
            for lane in said.lanes
        ]
    return marks


def _matched(truths: Sequence[Any], drawn: Sequence[Any], threshold: float) -> list[Match]:
    ious = box_ious([one.box for one in truths], [one.box for one in drawn])
    return match_boxes(ious, [one.score for one in drawn], threshold)
