"""COCO JSON: {"images", "annotations", "categories"}, boxes [x, y, width, height] and polygons, corner-based.

A drivable area is read from its polygons or from a mask of plain run lengths; of everything else the box is taken, or
the extent of its polygons. COCO has no lines: lanes come from another format. Attributes, as CVAT writes them, give
colour, state, shape. A task counts as labelled throughout when the file declares a category of it. Faults are given by
their place in the list, for JSON has no lines: "file:annotations[12]".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import Box, Polygon, Shape
from getok_core.metrics.areas import Area
from getok_core.metrics.outlines import outlined

from .categories import Meaning
from .gathering import Gathered, Gathering
from .truth import Labels


def read(path: Path) -> Labels:
    """A file of annotations; frames are named by file_name. Where a crowd (iscrowd) is, its task is not scored."""
    said = _document(path)
    gathering = Gathering(path)
    images = {_id(one): _frame(gathering, at, one) for at, one in enumerate(_list(said, "images"))}
    names = {_id(one): str(one.get("name", "")) for one in _list(said, "categories")}
    for name in names.values():
        gathering.declare(name)
    for at, one in enumerate(_list(said, "annotations")):
        where, frame = f"annotations[{at}]", images.get(one.get("image_id"))
        if frame is None:
            gathering.fault(where, f"image_id {one.get('image_id')!r} is none of the images: skipped")
            continue
        if one.get("category_id") not in names:
            gathering.fault(where, f"category_id {one.get('category_id')!r} is none of the categories: skipped")
            continue
        found = gathering.means(where, names[one["category_id"]], _attributes(one))
        if one.get("iscrowd") and found.task != "drivable area":
            frame.spoiled.add(found.task)
            continue
        with gathering.reading(where, frame, found.task):
            for shape in _shapes(found, one, frame):
                frame.add(found, shape)
    return gathering.labels()


def _document(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_text("utf-8", "replace"))
    except ValueError as error:
        raise DataError(f"labels {path} are no JSON ({error}): export them again") from None
    if not isinstance(said, dict):
        raise DataError(f"labels {path} are no COCO file: an object with images, annotations and categories is needed")
    return cast("dict[str, Any]", said)


def _list(said: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries: Any = said.get(name, [])
    return [cast("dict[str, Any]", one) if isinstance(one, dict) else {} for one in entries]


def _id(one: Mapping[str, Any]) -> Any:
    return one.get("id")


def _attributes(one: Mapping[str, Any]) -> dict[str, Any]:
    given = one.get("attributes")
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _frame(gathering: Gathering, at: int, image: Mapping[str, Any]) -> Gathered | None:
    try:
        return gathering.frame(str(image["file_name"]), (int(image["width"]), int(image["height"])))
    except (KeyError, ValueError, TypeError) as error:
        gathering.fault(f"images[{at}]", f"file_name, width and height are needed ({error}): skipped")
        return None


def _shapes(found: Meaning, one: Mapping[str, Any], frame: Gathered) -> list[Shape]:
    """What of an annotation becomes geometry."""
    drawn: Any = one.get("segmentation") or []
    masked = isinstance(drawn, dict)
    if not found.task:
        return []
    if found.task == "lanes":
        raise ValueError("COCO has no lines to label lanes with")
    if found.task == "drivable area":
        rings = outlined(run_lengths(cast("dict[str, Any]", drawn), frame.size)) if masked else _rings(drawn)
        return [Polygon(ring) for ring in rings]
    if one.get("bbox"):
        sides = [float(value) for value in one["bbox"]]
        if len(sides) != 4:
            raise ValueError(f"a bbox of {len(sides)} values: x, y, width and height are needed")
        x, y, width, height = sides
        return [Box.of((x, y, x + width, y + height))]
    return [Polygon(np.concatenate(_rings(drawn)))]


def _rings(drawn: Any) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in drawn]
    if not rings:
        raise ValueError("it has neither bbox nor segmentation")
    return rings


def run_lengths(mask: Mapping[str, Any], size: tuple[int, int]) -> Area:
    """COCO's plain run lengths, column by column, zeros first -> (H, W) bool. Raises ValueError."""
    counts = mask.get("counts")
    if isinstance(counts, str):
        raise ValueError("its mask is packed into text: export polygons or plain run lengths")
    runs = np.asarray(counts, np.int64)
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError(f"its run lengths sum to {runs.sum()}, not to {size[0]} x {size[1]} pixels")
    columns: Area = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size)
    return np.transpose(columns)
