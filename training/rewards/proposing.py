"""Rewards of the first stage, S1: what a proposal earns, component by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .instances import Proposal, Truth
from .matching import match
from .overlaps import box_overlap, closeness, overlap
from .points import critical_points

PROPOSING: Mapping[str, float] = {
    "format": 1.0, "non-repetition": 1.0, "label": 1.0, "mask": 1.0, "box": 1.0, "points": 1.0,
}  # fmt: skip
"""component -> weight; "mask" itself goes up to 2. The weights are those of the paper's figure, label is ours."""
MANNERS = ("format", "non-repetition", "label")
"""components that are paid only for geometry that reaches something"""
PAID_IN_FULL = 0.5
"""mean overlap from which manners are paid in full, below it by the square (ours): a box over everything gets little"""
GRADES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""IoUs each of which is worth a fifth more (ours: the paper says "graded")"""


@dataclass(frozen=True)
class Reward:
    """What a reply earned."""

    components: Mapping[str, float]
    """name -> value; those that its kind of answer cannot have are missing"""
    reached: float
    """0..1 how much of its manners is paid: what fits nothing earns nothing for its form (ours)"""

    def total(self, weights: Mapping[str, float]) -> float:
        """Weighted sum; a weight left out counts 0, so an ablation names what it keeps."""
        return sum(
            weights.get(name, 0.0) * value * (self.reached if name in MANNERS else 1.0)
            for name, value in self.components.items()
        )


def graded(iou: float) -> float:
    """Mask IoU in 0..1 -> 0..2: the IoU, and a fifth for each of GRADES that it reaches."""
    return iou + sum(iou >= grade for grade in GRADES) / len(GRADES)


def paid(fit: float) -> float:
    """Mean overlap 0..1 -> share of the manners that is paid."""
    return min(1.0, (fit / PAID_IN_FULL) ** 2)


def proposal_reward(proposal: Proposal, truths: Sequence[Truth]) -> Reward:
    """Everything S1 pays for, from one matching.

    format          1 where the reply parses without a fault, else 0
    non-repetition  share of vertices and instances that repeat none
    label           sum over M of 1{label is right} / C                                         ours
    mask            sum over M of graded(IoU) / C, up to 2; of boxes and lines their own overlap (overlaps.py)
    box             sum over M of (IoU + S) / 2 / C, equations 6 and 8 (ours: the paper says "box")
    points          T of equation 12

    C = (P + G) / 2, so that a sum over matches counts as F1 does (ours: the paper does not say how objects share).
    P counts every instance the reply tried to name, so one that counts as nothing still costs. With nothing to find,
    nothing said earns everything and anything said nothing.
    """
    saids, lines = proposal.instances, proposal.lines
    pairs, count = match(saids, truths), (lines + len(truths)) / 2

    def shared(values: Sequence[float], full: float = 1.0) -> float:
        return sum(values) / count if count else full

    fits = [overlap(saids[p], truths[g]) for p, g in pairs]
    components = {
        "format": float(proposal.formed),
        "non-repetition": proposal.distinct,
        "label": shared([float(saids[p].label == truths[g].label) for p, g in pairs]),
        "mask": shared([graded(fit) for fit in fits], 2.0),
    }
    if proposal.kind in ("box", "seg", "any"):
        near = [(box_overlap(saids[p], truths[g]) + closeness(saids[p], truths[g])) / 2 for p, g in pairs]
        components["box"] = shared(near)
    if proposal.kind != "box":
        components["points"] = critical_points(saids, truths, pairs, lines)
    return Reward(components, paid(shared(fits)))
