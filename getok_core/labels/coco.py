"""COCO JSON: {"images", "annotations", "categories"}, boxes [x, y, width, height] and polygons, corner-based.

A drivable area is read from its polygons or from a mask of plain run lengths; of everything else the box is taken, or
the extent of its polygons. COCO has no lines: lanes come from another format. Attributes, as CVAT writes them, give
colour, state, shape. A task counts as labelled throughout when the file declares a category of it. Faults are given by
their place in the list, for JSON has no lines: "file:annotations[12]".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import XY, Box, Polygon, Shape
from getok_core.metrics.outlines import outlined

from .categories import Meaning
from .fields import as_key, as_list, as_object, as_size, document
from .gathering import Gathered, Gathering
from .segmentation import area_of, rings_of
from .truth import Labels


def read(path: Path) -> Labels:
    """A file of annotations; frames are named by file_name. Where a crowd (iscrowd) is, its task is not scored."""
    try:
        said = as_object(document(path), "a COCO file")
        listed = {name: as_list(said.get(name), name) for name in ("images", "categories", "annotations")}
        named = [as_object(one, "a category") for one in listed["categories"]]
        names = {as_key(one, "id"): str(one.get("name", "")) for one in named}
    except ValueError as error:
        raise DataError(f"labels {path} are no COCO file: {error}") from None
    gathering = Gathering(path)
    for name in names.values():
        gathering.declare(name)
    images = _images(gathering, listed["images"])
    for at, annotation in enumerate(listed["annotations"]):
        where = f"annotations[{at}]"
        try:
            one = as_object(annotation, "an annotation")
            frame = images.get(as_key(one, "image_id"))
            category, given = as_key(one, "category_id"), as_object(one.get("attributes"), "attributes")
            if frame is None or category not in names:
                what = "image_id" if frame is None else "category_id"
                raise ValueError(f"{what} {one[what]!r} is none of those listed")
        except ValueError as error:
            gathering.fault(where, f"{error}: skipped")
            continue
        found = gathering.means(where, names[category], given)
        if one.get("iscrowd") and found.task != "drivable area":
            frame.spoiled.add(found.task)
            continue
        with gathering.reading(where, frame, found.task):
            for shape in _shapes(found, one, frame):
                frame.add(found, shape)
    return gathering.labels()


def _images(gathering: Gathering, listed: list[Any]) -> dict[str, Gathered]:
    """The frames by their ids."""
    images: dict[str, Gathered] = {}
    for at, image in enumerate(listed):
        try:
            one = as_object(image, "an image")
            key, name = as_key(one, "id"), as_key(one, "file_name")
            images[key] = gathering.frame(name, as_size(one.get("width"), one.get("height")))
        except ValueError as error:
            gathering.fault(f"images[{at}]", f"{error}: skipped")
    return images


def _shapes(found: Meaning, one: Mapping[str, Any], frame: Gathered) -> list[Shape]:
    """What of an annotation becomes geometry."""
    drawn: Any = one.get("segmentation") or []
    if not found.task:
        return []
    if found.task == "lanes":
        raise ValueError("COCO has no lines to label lanes with")
    if found.task == "drivable area":
        rings = outlined(area_of(drawn, frame.size)) if isinstance(drawn, dict) else _rings(drawn)
        return [Polygon(ring) for ring in rings]
    if one.get("bbox"):
        sides = [float(value) for value in one["bbox"]]
        if len(sides) != 4:
            raise ValueError(f"a bbox of {len(sides)} values: x, y, width and height are needed")
        x, y, width, height = sides
        return [Box.of((x, y, x + width, y + height))]
    return [Polygon(np.concatenate(_rings(drawn)))]


def _rings(drawn: Any) -> list[XY]:
    rings = rings_of(drawn)
    if not rings:
        raise ValueError("it has neither bbox nor segmentation")
    return rings
