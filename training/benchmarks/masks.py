"""Masks against masks, by the rules of those who made the benchmarks. Two means, which rank models differently:

gIoU   the mean of each sample's IoU: every sample counts the same, a small object as much as a large one.
cIoU   intersections of all samples, added up, over unions, added up: cumulative, so that large objects decide. It is no
       mean of IoUs, and cIoU of two halves of a set does not average to that of the whole.

Samples in which nothing is meant (gRefCOCO's no-target samples, a few of ReasonSeg's) are where the rules differ:

LISA     (RES, ReasonSeg)  an empty answer to an empty truth has IoU 1, any other answer to it nearly 0; 1e-5 is added
         below each IoU; pixels that the truth says to ignore are left out of intersections and unions. As validate()
         of dvlab-research/LISA at 3cb2d43 has it.
gRES     (gRefCOCO)  whether an answer is empty is what the model SAYS, not whether its mask has pixels: IoU is 1 where
         nothing is meant and none was said, 0 where nothing is meant and something was said, whose pixels then count in
         cIoU's unions; where something is meant and none was said, the intersection is 0. N-acc: empty samples answered
         by none; T-acc: others answered by something; Pr@X: the share of the others whose IoU is X or more. As
         ReferEvaluator of henghuiding/ReLA at 3ca9551 has it.
"""

from __future__ import annotations

import numpy as np

from getok_core.metrics.areas import Area, overlap
from getok_core.metrics.tally import Part

GIOU, CIOU = "gIoU", "cIoU"
NO_TARGET, TARGET = "N-acc", "T-acc"
PRECISION_AT = (0.7, 0.8, 0.9)
LISA_BELOW = 1e-5


def lisa_parts(truth: Area, drawn: Area, ignored: Area | None = None) -> dict[str, Part]:
    """What one sample adds to gIoU and cIoU; all (H, W). ignored: pixels that count neither way, whatever was drawn."""
    both, either = overlap(truth, drawn) if ignored is None else overlap(truth & ~ignored, drawn & ~ignored)
    return {GIOU: (both / (either + LISA_BELOW) if either else 1.0, 1.0), CIOU: (float(both), float(either))}


def gres_parts(truth: Area, drawn: Area, none: bool) -> dict[str, Part]:
    """What one sample adds. none: the model said that nothing is there; what it drew besides finds nothing."""
    both, either = overlap(truth, drawn)
    if not truth.any():
        return {GIOU: (float(none), 1.0), CIOU: (0.0, 0.0 if none else float(either)), NO_TARGET: (float(none), 1.0)}
    both = 0 if none else both
    iou = both / either
    parts: dict[str, Part] = {GIOU: (iou, 1.0), CIOU: (float(both), float(either)), TARGET: (float(not none), 1.0)}
    return parts | {f"Pr@{at}": (float(iou >= at), 1.0) for at in PRECISION_AT}


def united(areas: list[Area], shape: tuple[int, int]) -> Area:
    """(H, W) pixels of any of the areas."""
    return np.logical_or.reduce([np.zeros(shape, np.bool_), *areas])
