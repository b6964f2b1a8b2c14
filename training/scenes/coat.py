"""A coat of paint of one colour, laid on the road in stripes and patches, and blended into the picture at once."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import SHIFT, Canvas, fixed
from .markings import Line, dash_spans
from .road import Road
from .surface import strip


class Coat:
    """A layer of one colour: coverage (H, W) uint8, drawn finer than the picture so that thin paint keeps its share."""

    def __init__(self, canvas: Canvas, road: Road) -> None:
        self.canvas, self.road = canvas, road
        height, width = canvas.ids.shape
        self.fine = 2 if width <= 640 else 1
        self.mask = np.zeros((height * self.fine, width * self.fine), np.uint8)
        self.s = road.stations
        self.empty = True

    def polygons(self, outlines: list[NDArray[np.float64]], strength: float) -> None:
        """Cover polygons (N, 2) in pixels of the picture."""
        if outlines:
            self.empty = False
            points = [fixed(outline * self.fine) for outline in outlines]
            cv2.fillPoly(self.mask, points, 255 * min(max(strength, 0.0), 1.0), cv2.LINE_AA, SHIFT)

    def stripe(self, d: float, width: float, strength: float) -> None:
        """Cover a stripe all along the road."""
        if len(self.s) > 3:
            outline = strip(self.canvas.camera, self.road, self.s, d - width / 2, d + width / 2)
            if outline is not None:
                self.polygons([outline], strength)

    def line(self, line: Line, offset: float) -> None:
        """Cover one stripe of a line, offset metres to the right of its middle, where the line is."""
        first, last = line.span[0] - self.road.moved, line.span[1] - self.road.moved
        if line.dash is not None:
            start, end = dash_spans(line, self.road.origin, min(self.road.reach, 120.0))
            inside = (start >= first) & (end <= last)
            self.patches(start[inside], end[inside], line, line.width, line.strength, offset)
            return
        s = self.s[(self.s >= first) & (self.s <= last)]
        if len(s) > 3:
            middle = line.across(s + self.road.moved) + offset
            outline = strip(self.canvas.camera, self.road, s, middle - line.width / 2, middle + line.width / 2)
            if outline is not None:
                self.polygons([outline], line.strength)

    def patches(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        d: float | Line,
        width: float,
        strength: float,
        offset: float = 0.0,
    ) -> None:
        """Cover pieces of a stripe, from start (N,) to end (N,) metres along the road, at d or along a line."""
        start = np.maximum(start, -3.0)
        keep = (end > start) & (end < self.road.reach) & self.road.visible(end)
        if not keep.any():
            return
        share = np.array([0.0, 1 / 3, 2 / 3, 1.0])
        s = start[keep, None] + (end - start)[keep, None] * share
        s = np.concatenate([s, s[:, ::-1]], axis=1)
        middle = d.across(s + self.road.moved) if isinstance(d, Line) else d
        side = np.array([-0.5] * 4 + [0.5] * 4) * width + offset + middle
        pixels, depth = self.canvas.camera.project(self.road.at(s, side))
        self.polygons([xy[good] for xy, good in zip(pixels, depth > NEAR, strict=True) if good.sum() > 2], strength)

    def clear(self, start: float, end: float, left: float, right: float) -> None:
        """Take away what lies between two s and two d."""
        pixels, depth = self.canvas.camera.project(
            self.road.at(np.array([start, start, end, end]), np.array([left, right, right, left]))
        )
        if not self.empty and (depth > NEAR).all():
            cv2.fillPoly(self.mask, [fixed(pixels * self.fine)], 0, cv2.LINE_8, SHIFT)

    def apply(self, colour: NDArray[np.float64], wear: NDArray[np.uint8] | None) -> None:
        """Blend the colour into the picture by coverage, less where it is worn (H, W) uint8."""
        if self.empty:
            return
        left, top, wide, tall = (value // self.fine for value in cv2.boundingRect(self.mask))
        rows, columns = slice(top, top + tall + 2), slice(left, left + wide + 2)
        image = self.canvas.image[rows, columns]
        mask = self.mask[self.fine * top : self.fine * rows.stop, self.fine * left : self.fine * columns.stop]
        if not mask.size:
            return
        if self.fine > 1:
            mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        if wear is not None:
            mask = cv2.multiply(mask, wear[rows, columns], scale=1 / 255)
        blend(image, mask, colour)


def blend(image: NDArray[np.uint8], mask: NDArray[np.uint8], colour: NDArray[np.float64]) -> None:
    """Mix a colour (3,) into the image in place, by mask 0 to 255."""
    cover = cv2.merge([mask, mask, mask])
    kept = cv2.multiply(image, cv2.bitwise_not(cover), scale=1 / 255)
    image[:] = cv2.add(kept, cv2.multiply(cover, (*(np.clip(colour, 0, 255) / 255), 1.0)))
