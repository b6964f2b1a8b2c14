"""Text coordinates as Qwen2.5-VL was trained to write them: JSON with whole pixels of the RESIZED image.

    [{"bbox_2d": [10, 100, 200, 210], "label": "car"}, {"point_2d": [30, 110], "label": "cone"}]

bbox_2d and point_2d are Qwen's own keys. polyline_2d and polygon_2d, [[x, y], ..], and points_2d for the seeds of a
mask, with its bbox_2d, are ours in the same manner: Qwen has none. Reading takes a fenced block, single quotes and text
around them, and counts what is not readable; a list that is cut off keeps its whole objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from getok_core.geometry import XY, Shape
from getok_core.queries import SceneQuery
from getok_core.view import RGB, View

from .said import Said, Thing
from .words import in_words, is_none, thing_of, whole_pixels

KEYS = {"box": "bbox_2d", "pt": "point_2d", "pl": "polyline_2d", "poly": "polygon_2d", "seg": "points_2d"}
WANTED = "Answer with a JSON list of objects with label and coordinates in pixels, or [] if there are none."
_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class JsonText:
    """Qwen's grounding format."""

    name = "text coordinates (Qwen JSON)"
    spoken = True
    answers_at_once = True

    def ask(self, query: SceneQuery, kind: str, image: RGB, view: View) -> tuple[RGB, SceneQuery]:
        return image, in_words(query, lambda region: region_json(region, view), WANTED if kind != "text" else "")

    def step(self, view: View) -> tuple[float, float]:
        return 0.5 * view.size[0] / view.model[0], 0.5 * view.size[1] / view.model[1]

    def write(self, things: Sequence[Thing], view: View) -> str:
        return json.dumps([_object(one, view) for one in things if _sayable(one, view)], ensure_ascii=False)

    def parse(self, text: str, view: View) -> Said:
        if is_none(text):
            return Said(text="none")
        objects, faults = objects_of(text)
        things: list[Thing] = []
        for one in objects:
            thing = _thing(one, view)
            things += [thing] if thing else []
            faults += thing is None
        return Said(tuple(things), "" if things else text.strip(), faults if things else max(faults, 1))


def region_json(region: Shape, view: View) -> str:
    """A region as such an object, in a sentence."""
    return f"At {json.dumps(_object(Thing(region.kind, region.xy), view))}."


def objects_of(text: str) -> tuple[list[dict[str, Any]], int]:
    """The JSON objects in any text, and the number of pieces that look like one and are none."""
    found: list[dict[str, Any]] = []
    faults = 0
    for piece in _OBJECT.findall(text):
        try:
            said = json.loads(piece)
        except (ValueError, RecursionError):
            try:
                said = json.loads(piece.replace("'", '"'))
            except (ValueError, RecursionError):
                said = None
        found += [said] if isinstance(said, dict) else []
        faults += not isinstance(said, dict)
    cut = _OBJECT.sub("", text)
    return found, faults + cut.count("{")


def numbers_of(said: Any, view: View) -> XY | None:
    """Numbers in pixels of the resized image -> (N, 2) in pixels of the image, clipped; None of nonsense."""
    try:
        xy = np.asarray(said, np.float64).reshape(-1, 2)
    except (ValueError, TypeError, OverflowError):
        return None
    return np.clip(view.to_image(xy), 0, view.size) if xy.size and np.isfinite(xy).all() else None


def _object(thing: Thing, view: View) -> dict[str, Any]:
    pixels = whole_pixels(thing.xy, view)
    said: dict[str, Any] = {}
    if thing.box is not None:
        said["bbox_2d"] = whole_pixels(thing.box.reshape(2, 2), view).ravel().tolist()
    said[KEYS[thing.kind]] = (pixels.ravel() if thing.kind in ("pt", "box") else pixels).tolist()
    return said | ({"label": thing.label} if thing.label else {})


def _sayable(thing: Thing, view: View) -> bool:
    pixels = whole_pixels(thing.xy, view)
    return thing.kind != "box" or bool((pixels[1] > pixels[0]).all())


def _thing(said: dict[str, Any], view: View) -> Thing | None:
    label = said.get("label", "")
    kind = next((kind for kind in ("seg", "pl", "poly", "box", "pt") if KEYS[kind] in said), "")
    xy = numbers_of(said[KEYS[kind]], view) if kind else None
    if xy is None:
        return None
    box = numbers_of(said["bbox_2d"], view) if kind == "seg" and "bbox_2d" in said else None
    return thing_of(
        kind, xy, label if isinstance(label, str) else "", box if box is not None and len(box) == 2 else None
    )
