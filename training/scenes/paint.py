"""Paint on the road: lane lines, and everything else that is painted or dark and is not a lane line."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import SHIFT, Canvas, fixed
from .chance import chosen
from .layout import Layout, Line
from .road import Road
from .surface import strip
from .texture import GroundMap


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


def dash_spans(line: Line, origin: float, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start and end (N,) of the painted pieces of a dashed line, in s from the camera; they lie still on the course."""
    on, gap, phase = line.dash or (1.0, 0.0, 0.0)
    first = np.floor((origin - 6 - phase) / (on + gap))
    start = phase + (first + np.arange(int((reach + 6) / (on + gap)) + 2)) * (on + gap) - origin
    return start, start + on


def paint_lines(
    rng: np.random.Generator, canvas: Canvas, ground: GroundMap, road: Road, layout: Layout, whiteness: float
) -> None:
    """Paint the lines of a layout, and the distractors that are painted too."""
    white, yellow = Coat(canvas, road), Coat(canvas, road)
    yellow_tone = np.array([rng.uniform(200, 245), rng.uniform(150, 195), rng.uniform(20, 95)]) * (whiteness / 235)
    black, rim = Coat(canvas, road), rng.uniform(0.08, 0.2) if rng.random() < 0.12 else 0.0
    studs = rng.random() < 0.2
    for line in layout.lines:
        if line.width <= 0:
            continue
        if line.dash is not None and line.dash[0] > 1 and line.shift is None and line.span[0] < -1e3:
            if rim:
                start, end = dash_spans(line, road.origin, min(road.reach, 90.0))
                black.patches(start - rim, end + rim, line.d, line.width + rim, 0.8)
            if studs:
                on, gap, phase = line.dash
                middle = dash_spans(replace(line, dash=(on + gap, 0.0, phase + on + gap / 2)), road.origin, 60.0)[0]
                white.patches(middle, middle + 0.12, line.d, 0.12, 0.9)
        coat = yellow if "yellow" in line.label else white
        offsets = (-1, 1) if line.gap else (0,)
        for offset in offsets:
            coat.line(line, offset * (line.gap + line.width) / 2)
    junction_paint(rng, [white, yellow], layout)
    _other_paint(rng, white, road, layout)
    black.apply(np.full(3, rng.uniform(15, 60)), None)
    wear = None
    if rng.random() < 0.6:
        grain = ground.sample(rng, 1.0, rng.uniform(3, 9)) * ground.blunt
        wear = np.clip(rng.uniform(170, 290) + grain * rng.uniform(1, 5), 25, 255).astype(np.uint8)
        wear = cv2.resize(wear, canvas.image.shape[1::-1])
    white.apply(np.full(3, whiteness) * (1 + rng.normal(0, 0.015, 3)), wear)
    yellow.apply(yellow_tone, wear)


def junction_paint(rng: np.random.Generator, coats: list[Coat], layout: Layout) -> None:
    """Leave lines out where side roads meet the road, and paint stop lines and crosswalks before them."""
    left, right = layout.edges
    white = coats[0]
    for one in layout.crossings:
        s, half, (stop, walk) = white.road.placed(one.ahead), one.width / 2, rng.random(2)
        both, edge = one.left and one.right, 0.8 if one.width < 12 else 3.0
        low = left - 1 if both or one.left else right - edge
        high = right + 1 if both or one.right else left + edge
        if one.drive or s - half < 1.5:
            continue
        for coat in coats:
            coat.clear(s - half, s + half, low, high)
        if not layout.highway and both and walk < 0.45:
            crosswalk(white, s - half - 4.0, layout, walk / 0.45)
        if not layout.highway and stop < 0.4:
            start, own = np.array([s - half - (5.5 if walk < 0.45 else 1.5)]), layout.directions.index(1)
            low, high = (layout.borders[own], right) if layout.borders[own] < 1 else (left, layout.borders[own + 1])
            white.patches(start, start + 0.45, (low + high) / 2, high - low, 0.9)


def crosswalk(coat: Coat, s: float, layout: Layout, look: float) -> None:
    """A crossing for those who walk, from kerb to kerb: bars along the road, or two lines across it; look is 0 to 1."""
    left, right = layout.edges
    if look < 0.35:
        for start in (s, s + 2.6):
            coat.patches(np.array([start]), np.array([start + 0.3]), (left + right) / 2, right - left, 0.85)
        return
    wide, gap = 0.35 + 0.3 * look, 0.45 + 0.35 * (look * 7 % 1)
    for d in np.arange(left + 0.3, right - 0.3, wide + gap):
        coat.patches(np.array([s]), np.array([s + 2.5 + look]), d + wide / 2, wide, 0.9)


def _other_paint(rng: np.random.Generator, coat: Coat, road: Road, layout: Layout) -> None:
    """Crosswalks, stop lines, arrows and letters: painted, and not lane lines."""
    urban = not layout.highway
    left, right = layout.borders[0], layout.borders[-1]
    if rng.random() < (0.16 if urban else 0.01):
        crosswalk(coat, road.placed(rng.uniform(5, 40)), layout, rng.random())
    if rng.random() < (0.12 if urban else 0.01):
        start = road.placed(rng.uniform(4, 40))
        coat.patches(
            np.array([start]), np.array([start + rng.uniform(0.3, 0.6)]), (left + right) / 2, right - left, 0.9
        )
    if rng.random() < (0.25 if urban else 0.08):
        lane = int(rng.integers(len(layout.directions)))
        _arrow(rng, coat, road, road.placed(rng.uniform(5, 35)), layout.centre(lane))
    if rng.random() < 0.05:
        outer = layout.borders[-1] + rng.uniform(0.2, 0.6) if rng.random() < 0.6 else layout.borders[0] - 0.4
        start = np.arange(-road.origin % 0.6, 45, 0.6)
        coat.patches(start, start + 0.25, outer, 0.4, rng.uniform(0.1, 0.35))
    if rng.random() < 0.06:
        lane = int(rng.integers(len(layout.directions)))
        _letters(rng, coat, road.placed(rng.uniform(6, 30)), layout.centre(lane))
    if rng.random() < 0.12:
        _ghost(rng, coat, road, layout)


def _ghost(rng: np.random.Generator, coat: Coat, road: Road, layout: Layout) -> None:
    """What is left of markings that were scraped off: a faint stripe or faint dashes beside today's lines."""
    d = chosen(rng, layout.borders) + rng.uniform(0.4, 1.6) * chosen(rng, (-1, 1))
    strength, (start, long) = rng.uniform(0.05, 0.16), rng.uniform((0, 10), (40, 60))
    if rng.random() < 0.5:
        coat.patches(np.array([road.placed(start)]), np.array([road.placed(start) + long]), d, 0.12, strength)
        return
    begin, end = dash_spans(Line(d, "dashed white", dash=(3.0, 6.0, start)), road.origin, 70.0)
    coat.patches(begin, end, d, 0.13, strength)


def _arrow(rng: np.random.Generator, coat: Coat, road: Road, s: float, d: float) -> None:
    turn = chosen(rng, [-1, 0, 1])
    stem = np.array([[0, -0.08], [2.4, -0.08], [2.4, 0.08], [0, 0.08]])
    head = np.array([[2.2, -0.35], [4.0, 0.0], [2.2, 0.35]])
    if turn:
        head = np.array([[1.6, turn * 0.5], [2.4, turn * 1.1], [3.2, turn * 0.5]])
        stem = np.concatenate([stem, [[2.3, 0.0]]])
    for part in (stem, head):
        pixels, depth = coat.canvas.camera.project(road.at(s + part[:, 0], d + part[:, 1]))
        if (depth > NEAR).all():
            coat.polygons([pixels], 0.9)


def _letters(rng: np.random.Generator, coat: Coat, s: float, d: float) -> None:
    for column in np.arange(-0.9, 1.0, 0.5):
        if rng.random() < 0.7:
            coat.patches(np.array([s]), np.array([s + 2.2]), d + column, 0.12, 0.9)
        for bar in rng.choice([0.0, 1.0, 2.0], 2, replace=False):
            coat.patches(np.array([s + bar]), np.array([s + bar + 0.25]), d + column + 0.15, 0.35, 0.9)


def damage(rng: np.random.Generator, canvas: Canvas, road: Road, layout: Layout, colour: NDArray[np.float64]) -> None:
    """Dark or light seams, patches, cracks and skid marks: long and thin like lines, and not lines."""
    left, right = layout.edges
    coat = Coat(canvas, road)
    if rng.random() < 0.35:
        borders = np.array(layout.borders)
        for d in rng.choice(borders, int(rng.integers(1, len(borders) + 1)), replace=False):
            coat.stripe(d + rng.normal(0, 0.25), rng.uniform(0.02, 0.07), rng.uniform(0.3, 0.9))
    if rng.random() < 0.35:
        step = rng.uniform(4, 12)
        start = np.arange(-(road.origin % step), 70, step)
        coat.patches(start, start + rng.uniform(0.03, 0.15), (left + right) / 2, right - left, rng.uniform(0.2, 0.8))
    for _ in range(int(rng.integers(0, 5)) if rng.random() < 0.4 else 0):
        s = road.placed(rng.uniform(3, 45)) + np.cumsum(rng.uniform(0.2, 2.0, 8))
        d = rng.uniform(left, right) + np.cumsum(rng.normal(0, 0.22, 8))
        side = np.concatenate([d - 0.02, (d + 0.02)[::-1]])
        pixels, depth = canvas.camera.project(road.at(np.concatenate([s, s[::-1]]), side))
        if (depth > NEAR).all():
            coat.polygons([pixels], rng.uniform(0.4, 0.9))
    coat.apply(colour * rng.uniform(0.25, 0.6), None)
    coat = Coat(canvas, road)
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.3 else 0):
        start, d = road.placed(rng.uniform(2, 50)), rng.uniform(left, right)
        coat.patches(
            np.array([start]), np.array([start + rng.uniform(1, 14)]), d, rng.uniform(0.5, 3.4), rng.uniform(0.2, 0.8)
        )
    coat.apply(colour * rng.uniform(0.6, 1.3), None)
    coat = Coat(canvas, road)
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.15 else 0):
        start, d = road.placed(rng.uniform(2, 40)), rng.uniform(left, right)
        for wheel in (-0.8, 0.8):
            coat.patches(
                np.array([start]), np.array([start + rng.uniform(4, 20)]), d + wheel, 0.22, rng.uniform(0.15, 0.5)
            )
    coat.apply(colour * 0.35, None)
