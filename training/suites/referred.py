"""Referring expressions: is the thing boxed, pointed at, and is nothing found where nothing is meant?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from getok_core.geometry import XY
from getok_core.lattice import Lattice
from getok_core.metrics.boxes import box_counts, box_ious
from getok_core.metrics.tally import Part
from getok_core.queries import SceneQuery
from getok_core.scene import Answer
from training.questions import referred_target
from training.scenes.referring import referring
from training.targets import Frame

EACH = 4
"""expressions a frame"""
REC, EVERY, POINTING = "one thing meant: Acc@.5 of its box", "all boxes: F1 at IoU 0.5", "pointing: F1 in the mask"
NOTHING, NOTHING_POINTED = "nothing meant: none is boxed", "nothing meant: none is pointed at"


@dataclass(frozen=True)
class Referred:
    """An expression with the indices of the frame's things that it means, near to far."""

    expression: str
    meant: tuple[int, ...]

    @property
    def queries(self) -> list[SceneQuery]:
        """As a box, and as a point."""
        return [SceneQuery(name, self.expression) for name in ("referred boxes", "referred points")]


def referred_of(seed: int, frame: Frame) -> list[Referred]:
    """Expressions of one frame, the same for the same seed; none of a photograph."""
    if frame.ids is None:
        return []
    rng = np.random.default_rng([29, seed])
    return [Referred(*one) for one in referring(frame.things, frame.size, rng, EACH)]


def referred_parts(frame: Frame, one: Referred, boxes: Sequence[NDArray[np.float64]], scores: Sequence[float],
                   points: Sequence[XY]) -> dict[str, Part]:  # fmt: skip
    """What one expression adds: boxes (4,) with their scores, and points (1, 2), in pixels of the frame."""
    if not one.meant:
        silent = {NOTHING: (float(not boxes), 1.0), NOTHING_POINTED: (float(not points), 1.0)}
        return silent | _f1(0, 0, len(boxes), EVERY)
    ious = box_ious([frame.things[index].box for index in one.meant], boxes)
    counts = box_counts(ious, scores)
    parts = _f1(*counts, EVERY) | _f1(*_pointed(frame, one, points), POINTING)
    if len(one.meant) == 1:
        surest = int(np.argmax(scores)) if boxes else -1
        parts[REC] = float(bool(boxes) and bool(ious[0, surest] >= 0.5)), 1.0
    return parts


def answer_parts(frame: Frame, one: Referred, boxed: Answer, pointed: Answer) -> dict[str, Part]:
    """The same of a model's two answers."""
    found = boxed.scene.obstacles
    return referred_parts(frame, one, [o.box for o in found], [o.score for o in found], pointed.points)


def ceiling_parts(frame: Frame, one: Referred, lattice: Lattice, rounds: int) -> dict[str, Part]:
    """The truth as the lattice can say it after so many rounds."""

    def said(name: str) -> list[XY]:
        targets = [target for index in one.meant if (target := referred_target(name, frame, index, lattice))]
        codes = [lattice.encode(target.uv, (lattice.n, lattice.n), rounds) for target in targets]
        return [lattice.decode(code.ij, frame.size, code.offsets) for code in codes]

    boxes = [_with_sides(xy, lattice, frame, rounds) for xy in said("referred boxes")]
    return referred_parts(frame, one, boxes, [1.0] * len(boxes), said("referred points"))


def _with_sides(xy: XY, lattice: Lattice, frame: Frame, rounds: int) -> NDArray[np.float64]:
    """Corners (2, 2) -> box (4,), a side without length one step long, as a scene has it."""
    flat = np.where(xy[1] > xy[0], 0.0, lattice.error_px(frame.size, rounds))
    return np.concatenate([xy[0] - flat, xy[1] + flat])


def _pointed(frame: Frame, one: Referred, points: Sequence[XY]) -> tuple[int, int, int]:
    """Things hit, meant and points drawn: a point hits a thing whose visible pixels it lies on, one to one."""
    width, height = frame.size
    flat = [xy for group in points for xy in group]
    if not flat or frame.ids is None:
        return 0, len(one.meant), len(flat)
    x, y = np.clip(np.floor(flat), 0, [width - 1, height - 1]).astype(int).T
    hits = np.asarray([frame.ids[y, x] == frame.things[index].ident for index in one.meant])
    rows, columns = linear_sum_assignment(hits, maximize=True)
    return int(hits[rows, columns].sum()), len(one.meant), len(flat)


def _f1(hits: int, truths: int, drawn: int, row: str) -> dict[str, Part]:
    return {row: (2 * hits, truths + drawn)}
