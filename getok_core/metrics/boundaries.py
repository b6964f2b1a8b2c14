"""How far the border of an area lies from the border of its label, in pixels."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .areas import Area
from .tally import Part

ROW = "drivable area: distance of borders, px"


def boundary_part(truth: Area, drawn: Area) -> Part:
    """Sum of distances and number of border pixels: their ratio is the mean distance of the two borders.

    Border: pixels of the area (H, W) one of whose four neighbours in the image is outside it; the image's own edge is
    no border. From each border pixel of either area the distance to the nearest of the other one's. (0, 0) when an area
    has no border: IoU says what is missing. Raises ValueError on different shapes.
    """
    if truth.shape != drawn.shape:
        raise ValueError(f"areas must have the same shape, got {truth.shape} and {drawn.shape}: use one image size")
    one, other = border(truth), border(drawn)
    if not one.any() or not other.any():
        return 0.0, 0.0
    total = float(_distances_to(other)[one].sum() + _distances_to(one)[other].sum())
    return total, float(one.sum() + other.sum())


def border(area: Area) -> Area:
    """Pixels of the area with one of their four neighbours in the image outside it, (H, W)."""
    around = np.pad(area, 1, mode="edge")
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return area & ~inner


def _distances_to(marked: Area) -> NDArray[np.float64]:
    """Distance in pixels of every pixel from the nearest marked one."""
    far = cv2.distanceTransform((~marked).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(cast("NDArray[np.float32]", far), np.float64)
