"""What the model is measured against: the same answer to every image, and a classical lane finder without learning.

Both are called as `predict(image (H, W, 3) uint8 RGB) -> list of (N, 2) lines`, near to far, float pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY, resample
from getok_core.view import RGB


@dataclass(frozen=True)
class ConstantLines:
    """The same lines whatever the image shows: the median of labels, which know the camera but not the frame."""

    lines: tuple[XY, ...]

    @classmethod
    def median_of(cls, frames: Iterable[Sequence[XY]], vertices: int = 12) -> ConstantLines:
        """From the labels of many frames, the same number of lines in each, in the same order: their median, vertex
        by vertex at equal arc length. Frames it is scored on may be among them: that only makes it stronger."""
        stacked = np.array([[resample(line, vertices) for line in lines] for lines in frames])
        return cls(tuple(np.median(stacked, axis=0)))

    def __call__(self, image: RGB) -> list[XY]:
        return list(self.lines)


TRAPEZOID = ((0.05, 1.0), (0.45, 0.6), (0.55, 0.6), (0.95, 1.0))
"""where the textbook looks: a lane straight ahead of a camera in the middle of the car"""
LOWER_HALF = ((0.0, 1.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0))


@dataclass(frozen=True)
class ClassicalLanes:
    """Paint by colour, edges by Canny, pieces by Hough; those that lean each way make one line. Nothing is learned.

    It knows that paint is white or yellow, that the own lane's lines are straight and lean towards each other, and
    where to look. `fixed_region` is the finder of the textbooks, `consensus` one that survives a lane elsewhere in the
    image. Lengths are parts of the image height.
    """

    region: tuple[tuple[float, float], ...]
    """corners (x, y) of the part looked at, in parts of width and height"""
    vote: bool
    """False: pieces are averaged, weighted by length. True: the piece most others lie along is fitted to those."""
    white: int = 170
    """least HSV value of white paint (0..255); its saturation stays below 60"""
    lean: tuple[float, float] = (20.0, 80.0)
    """degrees between a line of the own lane and the horizontal"""
    near: float = 0.025
    """how far a piece may lie from the line it votes for: both edges of the nearest paint"""
    shortest: float = 0.05
    gap: float = 0.1

    @classmethod
    def fixed_region(cls) -> ClassicalLanes:
        """The textbook's: a fixed trapezoid straight ahead, slopes of at least a half, pieces averaged."""
        return cls(TRAPEZOID, vote=False, lean=(26.6, 80.0))

    @classmethod
    def consensus(cls) -> ClassicalLanes:
        """The stronger one: all of the lower half, and a vote among the pieces."""
        return cls(LOWER_HALF, vote=True)

    def __call__(self, image: RGB) -> list[XY]:
        pieces = self._pieces(image)
        right, down = (pieces[:, 1] - pieces[:, 0]).T
        angle = np.degrees(np.arctan2(np.abs(down), np.abs(right)))
        leans = (angle > self.lean[0]) & (angle < self.lean[1])
        sides = [pieces[leans & (np.sign(right * down) == side)] for side in (-1, 1)]
        return [self._line(side, image.shape[0]) for side in sides if len(side)]

    def _paint(self, image: RGB) -> NDArray[np.uint8]:
        """(H, W), 255 where the colour is that of paint."""
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        white = cv2.inRange(hsv, np.array([0, 0, self.white]), np.array([180, 60, 255]))
        yellow = cv2.inRange(hsv, np.array([15, 90, 110]), np.array([35, 255, 255]))
        return np.asarray(cv2.bitwise_or(white, yellow), np.uint8)

    def _pieces(self, image: RGB) -> NDArray[np.float64]:
        """(N, 2, 2) straight pieces of the paint's edges inside the region."""
        height, width = image.shape[:2]
        edges = np.asarray(cv2.Canny(cv2.GaussianBlur(self._paint(image), (5, 5), 0), 50, 150), np.uint8)
        region = np.zeros_like(edges)
        cv2.fillPoly(region, [np.round(np.array(self.region) * [width, height]).astype(np.int32)], 255)
        found = cv2.HoughLinesP(
            edges & region, 1, np.pi / 180, 25, minLineLength=self.shortest * height, maxLineGap=self.gap * height
        )
        return np.zeros((0, 2, 2)) if found is None else np.asarray(found, np.float64).reshape(-1, 2, 2) + 0.5

    def _line(self, pieces: NDArray[np.float64], height: int) -> XY:
        """Pieces (N, 2, 2) of one side -> their line from the bottom of the image to the highest of them, (2, 2)."""
        along = pieces[:, 1] - pieces[:, 0]
        length = np.hypot(*along.T)
        if self.vote:
            normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None]
            offsets = np.abs(((pieces[None] - pieces[:, None, :1]) * normal[:, None, None]).sum(-1))
            beside = (offsets < self.near * height).all(-1)
            voted = beside[np.argmax(beside @ length)]
            ends = pieces[voted].reshape(-1, 2)
            slope, start = np.polyfit(ends[:, 1], ends[:, 0], 1, w=np.repeat(np.sqrt(length[voted]), 2))
        else:
            ends = pieces.reshape(-1, 2)
            slopes = along[:, 0] / along[:, 1]
            slope = np.average(slopes, weights=length)
            start = np.average(pieces[:, 0, 0] - slopes * pieces[:, 0, 1], weights=length)
        y = np.array([float(height), ends[:, 1].min()])
        return np.stack([slope * y + start, y], axis=1)
