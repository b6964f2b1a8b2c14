"""Does what stands still stand still? Lanes from one frame of a camera to its next, without any label.

Between two frames a camera moves little, so the same line should be drawn at nearly the same place: what jumps more
than the road does is the model's doing. A perfect model on a moving camera does not score 0; compare models on the same
recording.
"""

from __future__ import annotations

import numpy as np

from getok_core.geometry import as_xy, resample
from getok_core.scene import Scene

from .lanes import SAMPLES, lane_pairs, row_offsets
from .tally import Part

TOLERANCE = 0.04
"""of the image width: a line that moves further is another one"""
JITTER = "lanes: jitter from frame to frame, of the width"
COME_OR_GONE = "lanes: come or gone from frame to frame"


def stability_parts(before: Scene, after: Scene) -> dict[str, Part]:
    """What two consecutive scenes of one camera add, both of the same image size.

    Jitter: mean distance along image rows between a lane and the same one a frame later, as part of the width; its
    denominator counts lanes. Come or gone: part of all the lanes of both that have no partner.
    """
    first, second = [lane.points for lane in before.lanes], [lane.points for lane in after.lanes]
    pairs = lane_pairs(first, second, before.width, TOLERANCE)
    moved: list[float] = []
    for one, other in pairs:
        away = np.abs(row_offsets(resample(as_xy(first[one]), SAMPLES), second[other]))
        if np.isfinite(away).any():
            moved.append(float(away[np.isfinite(away)].mean()) / before.width)
    lanes = len(first) + len(second)
    return {JITTER: (sum(moved), float(len(moved))), COME_OR_GONE: (float(lanes - 2 * len(pairs)), float(lanes))}
