"""Lines without the zigzag of cells: inside the last cell it was put in, each vertex goes where the line bends least.

Ours; the paper draws vertices at the centres of their cells. Whittaker's smoother, a penalty on second differences,
with moves cut at half of the last step: no vertex leaves the places that its code stands for, so nothing that was said
changes, and in a sharp bend the cut holds.
"""

from __future__ import annotations

import numpy as np

from .geometry import XY

WEIGHT = 2.0
"""of squared second differences beside squared moves. As measured, less leaves zigzag and more cuts corners"""


def smoothed(xy: XY, reach: tuple[float, float], weight: float = WEIGHT) -> XY:
    """The vertices of a line (N, 2), each moved by at most `reach` in x and y; the line itself if it can't bend."""
    if len(xy) < 3 or weight <= 0:
        return xy
    bend = np.asarray(np.diff(np.eye(len(xy)), 2, axis=0), np.float64)
    cost = np.asarray(np.eye(len(xy)) + weight * bend.T @ bend, np.float64)
    moves = np.linalg.solve(cost, xy) - xy
    limit = np.asarray(reach, np.float64)
    return xy + np.minimum(np.maximum(moves, -limit), limit)
