"""Checks that need no labels: does a scene agree with another one of the same road, and can its geometry be at all?

The other scene may be that of the frame before, of the mirrored frame, or of another model. Agreement proves nothing
right, since two can be wrong alike; disagreement proves that one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.scene import THINGS, DrivableArea, Fault, Lane, Scene, scaled

from .areas import overlap, union
from .boxes import box_counts, box_ious
from .lanes import Counts, lane_counts, total
from .tally import Part

TASKS = ("lanes", "drivable area", "obstacles", "signs", "lights")
TOLERANCE = 0.02
"""lanes agree that lie within this part of the width of each other"""
WIDTH_PX = 480
"""scenes are compared at this width: ratios stay, outlines fill faster"""
MARGIN_PX = 0.5
"""beyond the image's border by so much is outside; JSON rounds to 0.1"""
LARGEST = 0.95
"""no box covers more of the image"""
TURN = 0.03
"""a lane, near to far, may come back down by this part of the image's height"""


def agreement(one: Scene, other: Scene) -> dict[str, Part]:
    """What two scenes in the same pixels add to each of TASKS' agreement, as parts of a ratio in 0..1.

    F1 of one against the other for lanes and boxes (at IoU .5), IoU for the drivable area; symmetric. A task of which
    neither says anything adds (0, 0).
    """
    one, other = _narrow(one), _narrow(other)
    size = one.width, one.height
    these, those = ([lane.points for lane in scene.lanes] for scene in (one, other))
    areas = (union([area.points for area in scene.drivable_areas], size) for scene in (one, other))
    lanes = lane_counts(these, those, size, TOLERANCE), lane_counts(those, these, size, TOLERANCE)
    boxes = {name: _f1(_boxes(name, one, other), _boxes(name, other, one)) for name in TASKS[2:]}
    return {"lanes": _f1(*lanes), "drivable area": overlap(*areas), **boxes}


def _f1(there: Counts, back: Counts) -> Part:
    """Both directions as one ratio."""
    hits, truths, drawn = total((there, back))
    return 2 * hits, truths + drawn


def _boxes(name: str, truth: Scene, drawn: Scene) -> Counts:
    these, those = getattr(truth, name), getattr(drawn, name)
    return box_counts(box_ious([a.box for a in these], [b.box for b in those]), [b.score for b in those])


def agreed(parts: Mapping[str, Part]) -> float:
    """Mean over the tasks that say anything of their agreement; NaN when none does."""
    ratios = [above / below for above, below in parts.values() if below]
    return float(np.mean(ratios)) if ratios else float("nan")


def mirrored(scene: Scene) -> Scene:
    """The scene of the same picture flipped left to right; its own inverse. Words are left as they are."""
    flipped = {name: tuple(_flipped(thing, scene.width) for thing in getattr(scene, name)) for name in THINGS}
    flipped["lanes"] = tuple(
        sorted(flipped["lanes"], key=lambda lane: float(lane.points[lane.points[:, 1].argmax(), 0]))
    )
    return replace(scene, **flipped)


def out_of_range(scene: Scene) -> list[Fault]:
    """Geometry that no road has, each a fault of kind "out of range" with its query and what is wrong.

    Vertices outside the image, boxes without area or as large as the image, lanes that turn back towards the viewer or
    cross each other, outlines that cross themselves.
    """
    found: list[tuple[str, str]] = []
    for name in THINGS:
        query = name.replace("_", " ").replace("areas", "area")
        for at, thing in enumerate(getattr(scene, name)):
            xy = np.asarray(getattr(thing, "points", getattr(thing, "box", None)), np.float64).reshape(-1, 2)
            found += [(query, f"{query} {at}: {wrong}") for wrong in _wrong(name, xy, scene)]
    lanes = [lane.points for lane in scene.lanes]
    pairs = ((i, j) for i in range(len(lanes)) for j in range(i + 1, len(lanes)))
    found += [("lanes", f"lanes {i} and {j} cross") for i, j in pairs if crossings(lanes[i], lanes[j])]
    return [Fault("out of range", detail, query) for query, detail in found]


def crossings(one: XY, other: XY) -> int:
    """How many segments of the polyline one (N, 2) properly cross a segment of other (M, 2); touching ends do not."""
    if len(one) < 2 or len(other) < 2:
        return 0
    a, b, c, d = one[:-1, None], one[1:, None], other[None, :-1], other[None, 1:]
    apart = (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)
    return int(apart.sum())


def _wrong(name: str, xy: XY, scene: Scene) -> list[str]:
    """What is wrong with one thing's vertices; those of a box are its two corners."""
    wrong: list[str] = []
    size = np.array([scene.width, scene.height], np.float64)
    beyond = float(np.maximum(-xy, xy - size).max(initial=0.0))
    if beyond > MARGIN_PX:
        wrong.append(f"{beyond:.0f} px outside the image")
    if name == "lanes":
        back = float(np.max(xy[:, 1] - np.minimum.accumulate(xy[:, 1]), initial=0.0))
        if back > TURN * scene.height:
            wrong.append(f"turns back by {back:.0f} px")
    elif name == "drivable_areas":
        if crossings(np.concatenate([xy, xy[:1]]), np.concatenate([xy, xy[:1]])):
            wrong.append("its outline crosses itself")
    else:
        sides = xy[1] - xy[0]
        if (sides <= 0).any():
            wrong.append("a box without area")
        elif sides.prod() > LARGEST * size.prod():
            wrong.append("as large as the image")
    return wrong


def _side(a: NDArray[np.float64], b: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """On which side of the line a..b p lies: the sign of twice the triangle's area."""
    u, v = b - a, p - a
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0], np.float64)


def _narrow(scene: Scene) -> Scene:
    by = min(1.0, WIDTH_PX / max(scene.width, 1))
    return scaled(scene, (by, by))


def _flipped(thing: Any, width: int) -> Any:
    if isinstance(thing, Lane):
        return replace(thing, points=thing.points * [-1, 1] + [width, 0])
    if isinstance(thing, DrivableArea):
        return replace(thing, points=_clockwise(thing.points * [-1, 1] + [width, 0]))
    left, top, right, bottom = thing.box
    return replace(thing, box=np.array([width - right, top, width - left, bottom]))


def _clockwise(xy: XY) -> XY:
    """A mirrored outline (N, 2) turned again, from its lowest left vertex."""
    xy = xy[::-1]
    first = int(np.lexsort((xy[:, 0], -xy[:, 1]))[0])
    return np.roll(xy, -first, axis=0)
