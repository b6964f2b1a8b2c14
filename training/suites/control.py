"""Is an answer about a region about the region? The image taken away, the region moved to another sign, or off it.

And of regions that hold nothing of what is asked about: does the answer say so, and only there?
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import Box
from getok_core.metrics.tally import Part
from getok_core.queries import ABSENT, TASKS, SceneQuery
from getok_core.view import RGB
from training.absent import ASKED, WHERE, Absent, absent_questions
from training.targets import Frame

from .frames import inside

RIGHT = "colour of the sign in the region"
FOLLOWS = "both of two signs right: the answer follows the region"
GREY = "the same on a grey image"
ELSEWHERE = "region without a sign: the sign's colour all the same"
NOTHING = "region without a sign: says that there is none"
TRIES = 30
SAYS_NONE = "{}, asked about {}: says that there is none"
SAYS_NONE_ALL_THE_SAME = "a region that holds what is asked about: says that there is none all the same"
NOTHING_ROWS = (*(SAYS_NONE.format(where, kind) for kind in ASKED for where in WHERE), SAYS_NONE_ALL_THE_SAME)
MOST_ABSENT = 4
"""questions of a frame about regions that hold nothing of the kind asked about"""


@dataclass(frozen=True)
class Control:
    """Two signs of one frame with different colours, and a box of the first one's size that no thing touches."""

    boxes: tuple[Box, Box]
    colours: tuple[str, str]
    away: Box | None

    @property
    def queries(self) -> list[SceneQuery]:
        """The colour of the first, of the second, and of the place without a sign if there is one."""
        regions = [*self.boxes, *([self.away] if self.away else [])]
        return [SceneQuery("sign colour", TASKS["sign colour"].prompt, region) for region in regions]


def control_of(seed: int, frame: Frame) -> Control | None:
    """The two nearest signs of different colours, None where there are none; the same for the same seed."""
    signs = [sign for sign in frame.scene.signs if sign.colour]
    other = next((sign for sign in signs[1:] if sign.colour != signs[0].colour), None)
    if other is None:
        return None
    first = signs[0]
    away = _away(frame, first.box[2:] - first.box[:2], np.random.default_rng([31, seed]))
    return Control((Box.of(first.box), Box.of(other.box)), (first.colour, other.colour), away)


def control_parts(control: Control, answers: list[str], grey: list[str]) -> dict[str, Part]:
    """answers: to control.queries on the image; grey: to the first two on a grey one."""
    right = [said == colour for said, colour in zip(answers, control.colours, strict=False)]
    parts: dict[str, Part] = {
        RIGHT: (sum(right), 2),
        FOLLOWS: (float(all(right)), 1),
        GREY: (sum(said == colour for said, colour in zip(grey, control.colours, strict=True)), 2),
    }
    if control.away:
        parts[ELSEWHERE] = float(answers[2] == control.colours[0]), 1
        parts[NOTHING] = float(answers[2] in ABSENT), 1
    return parts


def absent_of(seed: int, frame: Frame) -> list[Absent]:
    """Questions of one frame to which the answer is none, the same for the same seed."""
    asked = absent_questions(frame, np.random.default_rng([37, seed]), MOST_ABSENT)
    return [one for one in asked if inside(one.query, frame.size)]


def absent_parts(absent: Sequence[Absent], answers: Sequence[str],
                 present: Iterable[tuple[SceneQuery, str, str]]) -> dict[str, Part]:  # fmt: skip
    """answers: one to each of absent; present: other questions of the frame, with their true answer and the one given.

    Rows by where the region lies and what is asked about; without the last a model that always says none would do best.
    """
    parts: dict[str, Part] = {}
    for one, said in zip(absent, answers, strict=True):
        row = SAYS_NONE.format(one.where, one.kind)
        above, below = parts.get(row, (0.0, 0.0))
        parts[row] = above + (said in ABSENT), below + 1
    held = [said in ABSENT for query, truth, said in present if query.region is not None and truth not in ABSENT]
    return {**parts, SAYS_NONE_ALL_THE_SAME: (sum(held), len(held))}


def greyed(image: RGB) -> RGB:
    """An image of the same size in its mean colour, without anything to see."""
    return np.broadcast_to(np.full(3, image.mean(), np.uint8), image.shape).copy()


def _away(frame: Frame, sides: NDArray[np.float64], rng: np.random.Generator) -> Box | None:
    things = [one.box for group in (frame.scene.signs, frame.scene.lights, frame.scene.obstacles) for one in group]
    for _ in range(TRIES):
        corner = rng.uniform(0, 1, 2) * (np.asarray(frame.size) - sides)
        low, high = corner, corner + sides
        if all((high < box[:2] - sides).any() or (low > box[2:] + sides).any() for box in things):
            return Box(np.stack([low, high]))
    return None
