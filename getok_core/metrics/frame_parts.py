"""What a labelled frame adds to every row of a replay's tables: those of training, and the measures of benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from getok_core.ground import Ground
from getok_core.labels import Truth
from getok_core.queries import STANDING_TASKS
from getok_core.scene import Scene

from . import boundaries
from .areas import union
from .average_precision import BoxFrame
from .boxes import Match, box_ious, match_boxes
from .lanes import culane_counts, culane_ious, line_found
from .lateral import lateral_parts
from .scene_parts import BOXES, scene_parts
from .tally import Part, f1_parts
from .tusimple import tusimple_parts

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


def frame_parts(
    truth: Truth, said: Scene, ground: Ground | None = None, seconds: float | None = None
) -> dict[str, Part]:
    """The truth, in the pixels of said, against what was said; only tasks whose truth is whole add anything.

    ground: of the camera, for distances in metres; seconds: what the frame took, for TuSimple's clock.
    """
    parts = scene_parts(truth.scene, said, truth.known) | fine_parts(truth.scene, said, truth.known)
    if "lanes" in truth.known:
        labels, drawn = [lane.points for lane in truth.scene.lanes], [lane.points for lane in said.lanes]
        parts |= tusimple_parts(labels, drawn, (said.width, said.height), truth.rows, seconds)
        parts |= lateral_parts(labels, drawn, (said.width, said.height), ground)
    return parts


def fine_parts(truth: Scene, said: Scene, known: Collection[str] = STANDING_TASKS) -> dict[str, Part]:
    """What refinement is for: lanes as CULane counts them, and how far borders of the drivable area lie apart."""
    parts: dict[str, Part] = {}
    size = said.width, said.height
    if "lanes" in known:
        ious = culane_ious([lane.points for lane in truth.lanes], [lane.points for lane in said.lanes], size)
        for threshold in CULANE:
            parts |= f1_parts(f"lanes, CULane at IoU {threshold:g}", culane_counts(ious, threshold))
    if "drivable area" in known:
        areas = [union([area.points for area in scene.drivable_areas], size) for scene in (truth, said)]
        parts[boundaries.ROW] = boundaries.boundary_part(*areas)
    return parts


def box_frame(name: str, truth: Truth, said: Scene) -> BoxFrame | None:
    """Boxes of obstacles, signs or lights for average precision; None where their truth is not whole.

    A thing labelled without its word is scored under "", as one class.
    """
    if name not in truth.known:
        return None
    word = BOXES[name][2]
    labels, drawn = getattr(truth.scene, name), getattr(said, name)
    blind = any(not getattr(one, word) for one in labels)
    return BoxFrame(
        np.array([one.box for one in labels], np.float64).reshape(-1, 4),
        ["" if blind else getattr(one, word) for one in labels],
        np.array([one.box for one in drawn], np.float64).reshape(-1, 4),
        ["" if blind else getattr(one, word) for one in drawn],
        [float(one.score) for one in drawn],
        float(said.width),
    )


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
