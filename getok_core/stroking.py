"""The geometry of stroking a line in pixels: moved beside it, thinned to vertices that stand apart, cut into dashes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def beside(xy: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line (N, 2) moved sideways by distance (N,) pixels."""
    if len(xy) < 2:
        return xy
    ends = np.concatenate([xy[:1], xy, xy[-1:]])
    along = ends[2:] - ends[:-2]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    return xy + np.stack([-along[:, 1], along[:, 0]], axis=1) * (distance / length)[:, None]


def apart(xy: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """The vertices (N, 2) that stand at least so many pixels along the line from the one kept before."""
    steps = np.sqrt((np.diff(xy, axis=0) ** 2).sum(axis=1))
    kept, since = [0], 0.0
    for at, step in enumerate(steps.tolist(), 1):
        since += step
        if since >= least:
            kept.append(at)
            since = 0.0
    return xy[kept]


def cut(xy: NDArray[np.float64], on: float, off: float) -> list[NDArray[np.float64]]:
    """The dashes of a line (N, 2): pieces on pixels long, off pixels apart, at most 400."""
    xy = finite(xy)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(xy, axis=0) ** 2).sum(axis=1)))])
    period = max(on + off, along[-1] / 400, 1e-6)
    pieces: list[NDArray[np.float64]] = []
    for start in np.arange(0.0, along[-1], period):
        end = min(start + period * on / (on + off), along[-1])
        inner = along[(along > start) & (along < end)]
        at = np.concatenate([[start], inner, [end]])
        pieces.append(np.stack([np.interp(at, along, xy[:, 0]), np.interp(at, along, xy[:, 1])], axis=1))
    return pieces


def finite(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN and what lies very far away brought where OpenCV can count."""
    return np.nan_to_num(np.asarray(xy, np.float64), nan=-1e4).clip(-1e4, 1e4)
