"""VisionReasoner's output: a thought, then JSON with a box and one point inside it for each object.

    <think> .. </think><answer>[{"bbox_2d": [10,100,200,210], "point_2d": [30,110]}, ..]</answer>

Pixels are those of the RESIZED image (840 x 840 there). Box and point together prompt the segmenter, so an object read
is a mask with one seed; a list is [] where nothing is meant. The format is that of JIA-Lab-research/VisionReasoner at
c013132, the wording of the question ours. What stands outside `<answer>` is not read; without these tags all is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from getok_core.queries import SceneQuery
from getok_core.view import RGB, View

from .json_text import numbers_of, objects_of, region_json
from .said import Said, Thing
from .words import in_words, is_none, thing_of, whole_pixels

WANTED = (
    "Think first, then answer with a JSON list of objects, each with bbox_2d and a point_2d inside it, in pixels,"
    " or [] if there are none."
)
"""without the tags that VisionReasoner's own question spells out: here they are tokens of the language"""
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL)


@dataclass(frozen=True)
class VisionReasoner:
    """Boxes, each with a point."""

    name = "VisionReasoner"
    spoken = True
    answers_at_once = False

    def ask(self, query: SceneQuery, kind: str, image: RGB, view: View) -> tuple[RGB, SceneQuery]:
        return image, in_words(query, lambda region: region_json(region, view), WANTED if kind != "text" else "")

    def step(self, view: View) -> tuple[float, float]:
        return 0.5 * view.size[0] / view.model[0], 0.5 * view.size[1] / view.model[1]

    def write(self, things: Sequence[Thing], view: View) -> str:
        """Only masks and boxes can be said; a box's point is its middle."""
        said = [pair for thing in things if (pair := _pair(thing, view))]
        listed = [{"bbox_2d": box.ravel().tolist(), "point_2d": point.tolist()} for box, point in said]
        return f"<think></think><answer>{json.dumps(listed)}</answer>"

    def parse(self, text: str, view: View) -> Said:
        inner = _ANSWER.search(text)
        body = inner[1] if inner else re.sub(r"<think>.*?(</think>|$)", "", text, flags=re.DOTALL)
        if is_none(body):
            return Said(text="none", faults=int(not inner))
        objects, faults = objects_of(body)
        things: list[Thing] = []
        for one in objects:
            box, point = numbers_of(one.get("bbox_2d"), view), numbers_of(one.get("point_2d"), view)
            boxed = thing_of("box", box, "") if box is not None else None
            whole = boxed is not None and point is not None and len(point) == 1
            things += [Thing("seg", point, box=boxed.xy.reshape(4))] if whole and boxed and point is not None else []
            faults += not whole
        return Said(tuple(things), "" if things else body.strip(), faults if things else max(faults, 1))


def _pair(thing: Thing, view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Box and point of a thing in whole pixels of the resized image."""
    box = thing.box.reshape(2, 2) if thing.box is not None else thing.xy
    if thing.kind not in ("box", "seg") or (thing.kind == "seg" and thing.box is None):
        return None
    corners = whole_pixels(box, view)
    point = thing.xy[:1] if thing.kind == "seg" else box.mean(0, keepdims=True)
    return (corners, whole_pixels(point, view)[0]) if (corners[1] > corners[0]).all() else None
