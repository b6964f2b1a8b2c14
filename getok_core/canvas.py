"""Shapes drawn on an RGB picture, in the product's style: float pixels in, sizes follow the image, no geometry raises.

Knows strokes and boxes; captions.py knows text; neither knows a scene. Coordinates follow the product's convention
((0, 0) is the corner of the image); OpenCV's lie half a pixel further, which is subtracted here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .captions import Captions
from .palette import INK, WHITE, Colour, blend
from .stroking import apart, beside, cut, finite

_BITS = 4
"""OpenCV draws at 1/16 of a pixel"""
_DIM = 0.88
"""the frame steps back a little, so that thin lines stand out on bright roads"""
_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float64)
"""from each corner of a box, clockwise from the top left, towards its middle"""
_ELBOW = np.array([[1, 0], [0, 0], [0, 1]], np.float64)


@dataclass
class Canvas:
    """A picture being drawn. unit is the size in pixels of what is one pixel at 1280 x 720."""

    image: NDArray[np.uint8]
    unit: float
    captions: Captions
    """what is written on it"""

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> Canvas:
        """A dimmed copy of an (H, W, 3) uint8 RGB image. Raises ValueError on any other array."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"an image to draw on is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        dimmed = np.asarray(cv2.convertScaleAbs(np.ascontiguousarray(image), alpha=_DIM), np.uint8)
        unit = min(image.shape[1] / 1280, image.shape[0] / 720)
        return cls(dimmed, unit, Captions(dimmed, unit))

    @property
    def width(self) -> int:
        return self.image.shape[1]

    @property
    def height(self) -> int:
        return self.image.shape[0]

    def area(self, xy: NDArray[np.float64], colour: Colour) -> None:
        """A translucent polygon (N, 2), denser near the viewer, with its outline."""
        if len(xy) < 3:
            return
        mask = np.zeros(self.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._fixed(xy)], 255, cv2.LINE_AA, _BITS)
        top = int(finite(xy)[:, 1].min().clip(0, self.height - 1))
        fade = np.linspace(0.12, 0.46, self.height - top, dtype=np.float32)[:, None, None]
        part = self.image[top:]
        weight = mask[top:, :, None].astype(np.float32) * (fade / 255)
        blend(part, weight, colour)
        cv2.polylines(self.image, [self._fixed(xy)], True, colour, self._px(2), cv2.LINE_AA, _BITS)

    def mask(self, pixels: NDArray[np.bool_], colour: Colour) -> None:
        """A translucent mask (H, W) with its outline; of another size than the picture, it is stretched to fit."""
        inside = np.asarray(pixels, np.uint8)
        if inside.shape != self.image.shape[:2]:
            inside = cv2.resize(inside, (self.width, self.height), interpolation=cv2.INTER_NEAREST)
        self.image[inside > 0] = (self.image[inside > 0] * 0.5 + np.array(colour, np.float32) * 0.5).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(self.image, contours, -1, INK, self._px(3), cv2.LINE_AA)
        cv2.drawContours(self.image, contours, -1, colour, self._px(1.6), cv2.LINE_AA)

    def stroke(self, xy: NDArray[np.float64], colour: Colour, style: str = "solid") -> None:
        """A line (N, 2), wider near the bottom, with vertices that stand apart; style solid, dashed, double or dots."""
        if len(xy) == 0:
            return
        xy = finite(xy)
        spread = 2.6 if style == "double" else 1.0
        self._segments(xy, INK, 3 * self.unit, spread)
        if style == "double":
            for side in (-1, 1):
                self._segments(beside(xy, side * self._widths(xy)), colour, 0.0, 0.8)
        elif style in ("dashed", "dots"):
            dash = (26.0, 16.0) if style == "dashed" else (5.0, 14.0)
            for part in cut(xy, *(self.unit * length for length in dash)):
                self._segments(part, colour, 0.0)
        else:
            self._segments(xy, colour, 0.0)
        self.dots(apart(xy, 14 * self.unit), WHITE, 3.0)

    def dashes(self, xy: NDArray[np.float64], colour: Colour) -> None:
        """A thin dashed line (N, 2)."""
        for ink, extra in ((INK, 2), (colour, 0)):
            for part in cut(xy, 9 * self.unit, 7 * self.unit):
                cv2.polylines(self.image, [self._fixed(part)], False, ink, self._px(2 + extra), cv2.LINE_AA, _BITS)

    def dots(self, xy: NDArray[np.float64], colour: Colour, radius: float) -> None:
        """Vertices (N, 2), each a ringed dot."""
        for ink, extra in ((INK, 1.4), (colour, 0.0)):
            size = round(max((radius + extra) * self.unit, 0.5) * (1 << _BITS))
            for x, y in self._fixed(xy):
                cv2.circle(self.image, (int(x), int(y)), size, ink, -1, cv2.LINE_AA, _BITS)

    def crosses(self, xy: NDArray[np.float64], colour: Colour, radius: float) -> None:
        """Places (N, 2), each crossed out."""
        arm = np.array([radius, radius]) * self.unit
        for ink, extra in ((INK, 2), (colour, 0)):
            for at in xy:
                for side in (np.array([1, 1]), np.array([1, -1])):
                    ends = self._fixed(np.stack([at - side * arm, at + side * arm]))
                    cv2.polylines(self.image, [ends], False, ink, self._px(2 + extra), cv2.LINE_AA, _BITS)

    def arrow(self, start: NDArray[np.float64], end: NDArray[np.float64], colour: Colour) -> None:
        """A thin arrow between two places (2,); its head is at most half as long as it is."""
        length = float(np.hypot(*(end - start)))
        (x0, y0), (x1, y1) = self._fixed(np.stack([start, end])).tolist()
        head = min(0.5, 7 * self.unit / max(length, 1e-6))
        for ink, extra in ((WHITE, 1.5), (colour, 0)):
            thick = self._px(2 + extra)
            cv2.arrowedLine(self.image, (x0, y0), (x1, y1), ink, thick, cv2.LINE_AA, _BITS, head)

    def box(self, xyxy: NDArray[np.float64], colour: Colour) -> None:
        """A box (4,) with a light wash and strong corners."""
        left, top, right, bottom = finite(xyxy).clip(0, np.array([self.width, self.height] * 2))
        if not (right > left and bottom > top):
            return
        self._wash(round(left), round(top), round(right), round(bottom), colour, 0.10)
        ring = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        side = min(right - left, bottom - top)
        arm, weight = side * 0.28, min(max(side / (48 * self.unit), 0.45), 1.0)
        corners = [self._fixed(corner + arm * inward * _ELBOW) for corner, inward in zip(ring, _INWARD, strict=True)]
        for ink, extra in ((INK, 1.6), (colour, 0)):
            thin, thick = self._px(1.4 * weight + extra), self._px(3.6 * weight + extra)
            cv2.polylines(self.image, [self._fixed(ring)], True, ink, thin, cv2.LINE_AA, _BITS)
            cv2.polylines(self.image, corners, False, ink, thick, cv2.LINE_AA, _BITS)

    def _fixed(self, xy: NDArray[np.float64]) -> NDArray[np.int32]:
        """Corner-based float pixels (N, 2) -> OpenCV's centre-based fixed point; far away and NaN are brought near."""
        return np.rint((finite(xy) - 0.5) * (1 << _BITS)).astype(np.int32)

    def _px(self, size: float) -> int:
        return max(1, round(size * self.unit))

    def _widths(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) stroke width at each vertex: 3 at mid height and above, 7 at the bottom, times the unit."""
        return self.unit * (3 + 4 * (finite(xy)[:, 1] / self.height * 2 - 1).clip(0, 1))

    def _segments(self, xy: NDArray[np.float64], colour: Colour, extra: float, spread: float = 1.0) -> None:
        width = np.maximum(np.round(self._widths(xy) * spread + extra), 1).astype(int)
        fixed = self._fixed(xy)
        for a, b, thick in zip(fixed[:-1], fixed[1:], width[:-1], strict=True):
            cv2.line(self.image, a.tolist(), b.tolist(), colour, int(thick), cv2.LINE_AA, _BITS)

    def _wash(self, left: int, top: int, right: int, bottom: int, colour: Colour, alpha: float) -> None:
        part = self.image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if part.size:
            part[...] = (part * (1 - alpha) + np.array(colour, np.float32) * alpha).astype(np.uint8)
