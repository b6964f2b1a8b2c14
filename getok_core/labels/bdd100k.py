"""BDD100K JSON: a list of frames with "labels" (boxes, lanes, drivable areas) and "attributes" (weather, time of day).

Read are the releases of 2018 and 2020, {"frames": [..]} around them, and files of one image. What is not named is
1280 x 720 pixels. A box names its first and last pixel: its right and lower end get +1, as in Scalabel. Lines between
vertices are straight where "types" says L, cubic Bezier curves where it says C. BDD100K draws both edges of a painted
line; two lines of the same kind side by side become the one along their middle. Faults: "file:frames[3].labels[7]".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import XY, Box, Polygon, Polyline, as_xy, resample
from getok_core.metrics.lanes import distances

from .categories import Meaning
from .gathering import Gathered, Gathering
from .truth import Labels

SIZE = (1280, 720)
SLICES = {"weather": "weather", "scene": "scene", "timeofday": "time of day"}
PAINT_WIDTH = 0.03
"""of the image width: as far apart, in the mean, the edges of one painted line may be"""
CURVE = 12
"""points that stand for one Bezier curve"""


def read(path: Path) -> Labels:
    """A file of labels; frames are named by "name"."""
    gathering = Gathering(path)
    for at, one in enumerate(_frames(path)):
        name = one.get("name")
        if not isinstance(name, str) or not name:
            gathering.fault(f"frames[{at}]", "it has no name: skipped")
            continue
        frame = gathering.frame(name, _size(one), _slices(one))
        lines: list[tuple[Meaning, XY]] = []
        for number, label in enumerate(_objects(one)):
            where = f"frames[{at}].labels[{number}]"
            attributes = _dict(label.get("attributes"))
            found = gathering.means(where, str(label.get("category", "")), attributes, line="box2d" not in label)
            with gathering.reading(where, frame, found.task):
                if found.task == "lanes":
                    lines += [(found, Polyline(xy).xy) for xy in _curves(label)]
                elif found.task:
                    _add(frame, found, label)
        for found, xy in _middles(lines, PAINT_WIDTH * frame.size[0]):
            frame.add(found, Polyline(xy))
    return gathering.labels()


def _add(frame: Gathered, found: Meaning, label: Mapping[str, Any]) -> None:
    if found.task == "drivable area":
        for xy in _curves(label):
            frame.add(found, Polygon(xy))
    else:
        left, top, right, bottom = (float(label["box2d"][side]) for side in ("x1", "y1", "x2", "y2"))
        frame.add(found, Box.of((left, top, right + 1, bottom + 1)))


def _middles(lines: list[tuple[Meaning, XY]], apart: float) -> Iterator[tuple[Meaning, XY]]:
    """Lines with the two edges of one painted line, at most `apart` pixels from each other, as one."""
    left = list(lines)
    while left:
        kind, xy = left.pop(0)
        gaps = [_gap(xy, other) if kind == other_kind else np.inf for other_kind, other in left]
        if gaps and min(gaps) <= apart:
            _, other = left.pop(int(np.argmin(gaps)))
            if np.hypot(*(xy[0] - other[0])) > np.hypot(*(xy[0] - other[-1])):
                other = other[::-1]
            xy = (resample(xy, 2 * CURVE) + resample(other, 2 * CURVE)) / 2
        yield kind, xy


def _gap(one: XY, other: XY) -> float:
    """Mean distance in pixels of two lines, each from the other."""
    a, b = resample(one, 2 * CURVE), resample(other, 2 * CURVE)
    return float((distances(a, b).mean() + distances(b, a).mean()) / 2)


def _curves(label: Mapping[str, Any]) -> list[XY]:
    """Vertices of each line or ring: [[x, y], ..] with "types", or [x, y, type] as in the first release."""
    drawn: list[Any] = label["poly2d"]
    if drawn and isinstance(drawn[0], dict):
        return [_curve(as_xy(one["vertices"]), one.get("types") or "L" * len(one["vertices"])) for one in drawn]
    return [_curve(as_xy([point[:2] for point in drawn]), "".join(point[2] for point in drawn))]


def _curve(xy: XY, types: str) -> XY:
    if len(types) != len(xy):
        raise ValueError(f"{len(xy)} vertices have {len(types)} types")
    out, at = [xy[:1]], 1
    while at < len(xy):
        if types[at : at + 3] == "CCC":
            t = np.linspace(0, 1, CURVE + 1)[1:, None]
            start, one, two, end = out[-1][-1], *xy[at : at + 3]
            out.append((1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * one + 3 * t**2 * (1 - t) * two + t**3 * end)
            at += 3
        else:
            out.append(xy[at : at + 1])
            at += 1
    return np.concatenate(out)


def _frames(path: Path) -> list[dict[str, Any]]:
    try:
        said = json.loads(path.read_text("utf-8", "replace"))
    except ValueError as error:
        raise DataError(f"labels {path} are no JSON ({error}): export them again") from None
    if isinstance(said, dict):
        one = cast("dict[str, Any]", said)
        said = [one] if "name" in one else one.get("frames")
    if not isinstance(said, list):
        raise DataError(f"labels {path} are no BDD100K file: a list of frames is needed")
    return [_dict(one) for one in cast("list[Any]", said)]


def _objects(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is labelled; files of one image keep it one level deeper."""
    inner = [found for frame in one.get("frames") or () for found in _dict(frame).get("objects", ())]
    return [_dict(label) for label in (one.get("labels") or inner)]


def _size(one: Mapping[str, Any]) -> tuple[int, int]:
    size = _dict(one.get("size"))
    return (int(size["width"]), int(size["height"])) if size.keys() >= {"width", "height"} else SIZE


def _slices(one: Mapping[str, Any]) -> dict[str, str]:
    given = _dict(one.get("attributes"))
    words = {ours: str(given.get(theirs, "undefined")) for theirs, ours in SLICES.items()}
    return {name: word for name, word in words.items() if word != "undefined"}


def _dict(said: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
