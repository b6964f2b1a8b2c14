"""BDD100K JSON: a list of frames with "labels" (boxes, lanes, drivable areas) and "attributes" (weather, time of day).

Read are the releases of 2018 and 2020, {"frames": [..]} around them, and files of one image. What is not named is
1280 x 720 pixels. A box names its first and last pixel: its right and lower end get +1, as in Scalabel. Lines between
vertices are straight where "types" says L, cubic Bezier curves where it says C. BDD100K draws both edges of a painted
line; two lines of the same kind side by side become the one along their middle. Faults: "file:frames[3].labels[7]".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import XY, Box, Polygon, Polyline, as_xy, resample
from getok_core.lattice import Size
from getok_core.metrics.lanes import distances

from .categories import Meaning
from .fields import as_key, as_list, as_object, as_size, document
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
    for at, described in enumerate(_frames(path)):
        try:
            one = as_object(described, "a frame")
            labels = _objects(one)
            frame = gathering.frame(as_key(one, "name"), _size(one), _slices(one))
        except ValueError as error:
            gathering.fault(f"frames[{at}]", f"{error}: skipped")
            continue
        lines: list[tuple[Meaning, XY]] = []
        for number, label in enumerate(labels):
            where = f"frames[{at}].labels[{number}]"
            name, is_line = str(label.get("category", "")), "box2d" not in label
            found = gathering.means(where, name, label["attributes"], is_line)
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


def _frames(path: Path) -> list[Any]:
    said = document(path)
    try:
        if isinstance(said, dict):
            one = cast("dict[str, Any]", said)
            said = [one] if "name" in one else one.get("frames")
        return as_list(said, "its frames")
    except ValueError as error:
        raise DataError(f"labels {path} are no BDD100K file: {error}") from None


def _objects(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is labelled; files of one image keep it one level deeper."""
    labels = as_list(one.get("labels"), "labels")
    for frame in as_list(one.get("frames"), "frames"):
        labels = [*labels, *as_list(as_object(frame, "a frame").get("objects"), "objects")]
    objects = [as_object(label, "a label") for label in labels]
    return [{**label, "attributes": as_object(label.get("attributes"), "attributes")} for label in objects]


def _size(one: Mapping[str, Any]) -> Size:
    size = as_object(one.get("size"), "size")
    return as_size(size.get("width"), size.get("height")) if size else SIZE


def _slices(one: Mapping[str, Any]) -> dict[str, str]:
    given = as_object(one.get("attributes"), "attributes")
    words = {ours: str(given.get(theirs, "undefined")) for theirs, ours in SLICES.items()}
    return {name: word for name, word in words.items() if word != "undefined"}
