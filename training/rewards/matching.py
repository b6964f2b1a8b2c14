"""Which said instance is which true one: the Hungarian assignment of equations 6 to 9."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from .instances import Said, Truth
from .overlaps import box_overlap, closeness, hit_ratio, overlap


class Pair(NamedTuple):
    """A match of M, by places in the two lists."""

    said: int
    truth: int


def similarity(said: Said, truth: Truth) -> float:
    """Equation 9: Sim = IoU + H + S, in 0..3. Instances of another kind have none (ours).

    IoU is that of the boxes, equation 6, also of seeds that have a mask; where no box was said, and of points, lines
    and outlines, their own overlap stands in its place (ours).
    """
    if said.kind != truth.kind:
        return 0.0
    iou = box_overlap(said, truth) if said.box is not None else overlap(said, truth)
    return iou + hit_ratio(said, truth) + closeness(said, truth)


def match(saids: Sequence[Said], truths: Sequence[Truth]) -> list[Pair]:
    """The assignment M with the least sum of costs 3 - Sim.

    A pair without any similarity is no match (ours): the assignment only paired what was left over. Labels play no
    part, as in the paper: a well placed car called a truck is still that car.
    """
    merit = np.array([[similarity(said, truth) for truth in truths] for said in saids]).reshape(len(saids), len(truths))
    pairs = zip(*linear_sum_assignment(merit, maximize=True), strict=True)
    return [Pair(int(said), int(truth)) for said, truth in pairs if merit[said, truth] > 0]
