"""The visual referring prompt: the region of a question is drawn on the image, and the question says so in words.

What the paper's driving study calls its baseline (table 4). Answers with geometry are written as another format does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from getok_core.geometry import Shape
from getok_core.queries import SceneQuery
from getok_core.view import RGB, View

from . import Format
from .json_text import JsonText
from .said import Said, Thing
from .words import in_words

RED = (255, 0, 0)
MARKED = "Look at what the red outline marks."


@dataclass(frozen=True)
class Marker:
    """A red outline on the image, two pixels of the model's input thick."""

    answers: Format = field(default_factory=JsonText)

    @property
    def name(self) -> str:
        return f"marker on the image, {self.answers.name}"

    @property
    def spoken(self) -> bool:
        return self.answers.spoken

    @property
    def answers_at_once(self) -> bool:
        return self.answers.answers_at_once

    def ask(self, query: SceneQuery, kind: str, image: RGB, view: View) -> tuple[RGB, SceneQuery]:
        if query.region is None:
            return self.answers.ask(query, kind, image, view)
        drawn = marked(view.resize(image), query.region.moved(view.to_model(query.region.xy)))
        return drawn, self.answers.ask(in_words(query, lambda _: MARKED), kind, drawn, view)[1]

    def step(self, view: View) -> tuple[float, float]:
        return self.answers.step(view)

    def write(self, things: Sequence[Thing], view: View) -> str:
        return self.answers.write(things, view)

    def parse(self, text: str, view: View) -> Said:
        return self.answers.parse(text, view)


def marked(image: RGB, region: Shape) -> RGB:
    """A copy of the image (H, W, 3) with the region's outline in red; a point is a ring around it."""
    out: RGB = np.array(image)
    at = np.round(region.xy - 0.5).astype(np.int32)
    if region.kind == "box":
        cv2.rectangle(out, tuple(map(int, at[0])), tuple(map(int, at[1])), RED, 2)
    elif region.kind in ("pt", "seg"):
        for x, y in at.tolist():
            cv2.circle(out, (x, y), max(4, min(image.shape[:2]) // 60), RED, 2)
    else:
        cv2.polylines(out, [at], region.kind == "poly", RED, 2)
    return out
