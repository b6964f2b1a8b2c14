"""What one frame adds to every row of a scene's table: the truth against what was said, in the same pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from getok_core.queries import STANDING_TASKS
from getok_core.scene import Scene

from .areas import overlap, union
from .boxes import box_ious, match_boxes
from .lanes import Counts, lane_counts
from .tally import FALSE, OBJECTS, Part, f1_parts

TOLERANCES = (0.04, 0.02, 0.01)
COLOUR, STATE, CLASS = "signs: colour of those found", "lights: state of those found", "obstacles: class of those found"
BOXES = {
    "obstacles": ((0.5, 0.8), CLASS, "label"),
    "signs": ((0.5,), COLOUR, "colour"),
    "lights": ((0.5,), STATE, "state"),
}
"""things with a box -> IoUs they are matched at; row and name of the word scored on those found at the first IoU"""


def scene_parts(truth: Scene, said: Scene, known: Collection[str] = STANDING_TASKS) -> dict[str, Part]:
    """What one frame adds to every row, both scenes in the same pixels.

    known: standing tasks whose truth is whole; the others add nothing. A word that is "" in the truth is not scored.
    """
    size = truth.width, truth.height
    parts: dict[str, Part] = {}
    if "lanes" in known:
        truths, drawn = [lane.points for lane in truth.lanes], [lane.points for lane in said.lanes]
        for tolerance in TOLERANCES:
            parts |= f1_parts(f"lanes within {100 * tolerance:g} %", lane_counts(truths, drawn, size, tolerance))
    if "drivable area" in known:
        areas = [union([area.points for area in scene.drivable_areas], size) for scene in (truth, said)]
        parts["drivable area: IoU"] = overlap(*areas)
    for name, (thresholds, row, word) in BOXES.items():
        if name in known:
            parts |= _box_parts(name, getattr(truth, name), getattr(said, name), thresholds, row, word)
    parts[OBJECTS] = objects(said), 1
    if not objects(truth) and set(STANDING_TASKS) <= set(known):
        parts[FALSE] = 1000 * objects(said), 1
    return parts


def objects(scene: Scene) -> int:
    """Lanes, areas, obstacles, signs and lights together."""
    return sum(map(len, (scene.lanes, scene.drivable_areas, scene.obstacles, scene.signs, scene.lights)))


def _box_parts(name: str, truths: Sequence[Any], drawn: Sequence[Any], thresholds: Sequence[float], row: str,
               word: str) -> dict[str, Part]:  # fmt: skip
    """Precision, recall and F1 at each IoU; `word` of what was found at the first. A drawn class need not be right."""
    ious = box_ious([one.box for one in truths], [one.box for one in drawn])
    pairs = [match_boxes(ious, [one.score for one in drawn], threshold) for threshold in thresholds]
    parts: dict[str, Part] = {}
    for threshold, found in zip(thresholds, pairs, strict=True):
        parts |= f1_parts(f"{name} at IoU {threshold:g}", Counts(len(found), len(truths), len(drawn)))
    labelled = [pair for pair in pairs[0] if getattr(truths[pair.truth], word)]
    right = [getattr(truths[pair.truth], word) == getattr(drawn[pair.drawn], word) for pair in labelled]
    return {**parts, row: (sum(right), len(right))}
