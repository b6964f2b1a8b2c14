"""Boxes against labels: intersection over union, and a one-to-one matching in which the surest box chooses first.

Boxes are (N, 4) left, top, right, bottom in float pixels, corner to corner: a box's area is width times height.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .lanes import Counts


class Match(NamedTuple):
    """A label and the box drawn for it, by their rows."""

    truth: int
    drawn: int


def box_ious(truths: ArrayLike, drawn: ArrayLike) -> NDArray[np.float64]:
    """IoU of every label (T, 4) with every drawn box (D, 4) -> (T, D), 0 where both are without area."""
    a, b = _as_boxes(truths)[:, None], _as_boxes(drawn)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = np.maximum(high - low, 0.0).prod(-1)
    either = _area(a) + _area(b) - both
    return np.where(either > 0, both / np.where(either > 0, either, 1.0), 0.0)


def match_boxes(ious: NDArray[np.float64], scores: ArrayLike, threshold: float) -> list[Match]:
    """Pairs of ious (T, D) with at least the threshold: drawn boxes, surest first, each take the best label left.

    COCO's rule. scores: (D,); boxes of equal score choose in their order. Raises ValueError on another number.
    """
    sure = np.asarray(scores, float).reshape(-1)
    if len(sure) != ious.shape[1]:
        raise ValueError(f"one score a drawn box: got {len(sure)} scores for {ious.shape[1]} boxes")
    left: NDArray[np.float64] = np.array(ious)
    pairs: list[Match] = []
    for drawn in np.argsort(-sure, kind="stable").tolist() if len(left) else ():
        truth = int(left[:, drawn].argmax())
        if left[truth, drawn] >= threshold:
            pairs.append(Match(truth, drawn))
            left[truth] = -1.0
    return pairs


def box_counts(ious: NDArray[np.float64], scores: ArrayLike, threshold: float = 0.5) -> Counts:
    """Counts of one image from its IoUs (T, D): labels matched, labels, drawn boxes."""
    return Counts(len(match_boxes(ious, scores, threshold)), *ious.shape)


def _as_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    xyxy = np.asarray(boxes, np.float64)
    if xyxy.size == 0:
        return np.zeros((0, 4))
    if xyxy.ndim != 2 or xyxy.shape[1] != 4:
        raise ValueError(f"boxes must have shape (N, 4), got {xyxy.shape}: give left, top, right, bottom")
    return xyxy


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0).prod(-1)
