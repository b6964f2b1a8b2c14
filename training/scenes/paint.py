"""Paint on the road: lane lines, and everything else that is painted or dark and is not a lane line."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import Canvas
from .chance import chosen
from .coat import Coat
from .layout import Layout
from .markings import Line, dash_spans
from .road import Road
from .texture import GroundMap


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
