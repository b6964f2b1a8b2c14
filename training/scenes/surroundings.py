"""What stands beside the road and has no name in the truth: banks, fences, trees, buildings, poles, bridges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import UNNAMED, Canvas
from .chance import chosen
from .layout import Layout
from .mood import Mood
from .road import Road
from .texture import SIDE, picked
from .vehicles import block, inset

CROWN = np.stack([np.cos(np.arange(18) * np.pi / 9), np.sin(np.arange(18) * np.pi / 9)])
"""(2, 18) a circle, of which the crowns of trees are ragged copies"""


def stand(rng: np.random.Generator, canvas: Canvas, road: Road, layout: Layout, mood: Mood) -> None:
    """Trees, bushes, buildings and poles beside the road, far ones first."""
    urban, homes = layout.kind in ("urban", "street"), layout.kind == "street"
    left, right = layout.edges
    if layout.other is not None:
        left, right = min(left, layout.other[0]), max(right, layout.other[1])
    if layout.ramp is not None:
        aside = float(layout.ramp.outer[:, 1].max()) + 2.0
        left, right = (left - aside, right) if layout.ramp.side < 0 else (left, right + aside)
    roads = [(road.placed(one.ahead), one) for one in layout.crossings]
    for edge, outward in ((left, -1), (right, 1)):
        if any(not one.drive and (one.left if outward < 0 else one.right) for _, one in roads):
            continue
        if rng.random() < (0.25 if urban else 0.65):
            _border(rng, canvas, road, edge, outward, mood)
    count = int(rng.integers(0, 26))
    density = 1.0 if homes else chosen(rng, [0.3, 1.0])
    things = []
    for _ in range(int(count * density)):
        s = road.placed(float(np.exp(rng.uniform(np.log(7), np.log(150)))))
        away = float(rng.gamma(2.0, 2.0 if homes else 4.0) + 2.0)
        outward = 1 if rng.random() < 0.5 else -1
        things.append((s, right + away if outward > 0 else left - away, outward, int(rng.integers(2**31))))
    for s, d, outward, look in sorted(things, reverse=True):
        if not 1.0 < s < road.reach:
            continue
        if any(abs(s - at) < one.width / 2 + 3 and (one.left if outward < 0 else one.right) for at, one in roads):
            continue
        own = np.random.default_rng(look)
        base = road.at(np.array([s]), d)[0]
        kind = own.random()
        if urban and kind < 0.5:
            _building(own, canvas, base + np.array([4.0 * outward * homes, 0, 0]), mood, outward, homes)
        elif kind < 0.85:
            _tree(own, canvas, base, mood)
        else:
            _pole(own, canvas, base, mood, -outward)
    if rng.random() < 0.04 and road.reach > 60:
        _bridge(rng, canvas, road, mood, left, right)
    _leaves(rng, canvas)


def _leaves(rng: np.random.Generator, canvas: Canvas) -> None:
    """Break up all that was drawn flat so far with noise: foliage, masonry, dirt."""
    height, width = canvas.ids.shape
    top, left = rng.integers(0, SIDE // 2, 2)
    span = int(rng.integers(SIDE // 4, SIDE // 2))
    grain = cv2.resize(picked(rng, 1.0)[top : top + span, left : left + span], (width, height))
    strength = rng.uniform(0.2, 1.3)
    grain = cv2.addWeighted(grain, strength, grain, 0, 128 * (1 - strength))
    cv2.copyTo(
        cv2.multiply(canvas.image, cv2.merge([grain] * 3), scale=1 / 128),
        (canvas.ids == UNNAMED).astype(np.uint8),
        canvas.image,
    )


def _border(rng: np.random.Generator, canvas: Canvas, road: Road, edge: float, outward: int, mood: Mood) -> None:
    """A bank, a wall or fence, and a row of trees all along one side, each there or not."""
    s = np.concatenate([np.arange(-3.0, 15.0, 1.0), np.geomspace(15.0, max(road.reach, 20.0), 56)])
    away = rng.uniform(2, 5) + (rng.uniform(0, 10) if rng.random() < 0.5 else 0)
    d, base = edge + outward * away, 0.0
    depth = 30.0
    if rng.random() < 0.35:
        base = rng.uniform(0.5, 6.0)
        tone = np.array([[112, 116, 78], [176, 154, 112], [130, 118, 100]], float)[rng.integers(3)] * rng.uniform(
            0.6, 1.15
        )
        far = d + outward * base * rng.uniform(1.2, 4)
        _ribbon(canvas, road, s, (d, far), (0.0, base), _shade(canvas, tone, mood, depth))
        d = far
    if rng.random() < 0.7:
        for layer in range(2):
            tall = rng.uniform(1.5, 11)
            step = rng.uniform(1.0, 6.0)
            rough = np.interp((s + road.moved) / step % 60, np.arange(61), rng.uniform(0.35, 1.1, 61))
            rough *= np.interp((s + road.moved) / 1.3 % 90, np.arange(91), rng.uniform(0.8, 1.15, 91))
            if rng.random() < 0.3:
                rough *= np.sin((s + road.moved) / rng.uniform(3, 12)) > -0.6
            tone = np.array([58, 74, 42.0]) * rng.uniform(0.4, 1.2) * rng.uniform(0.85, 1.2, 3)
            _ribbon(
                canvas,
                road,
                s,
                (d + outward * (2 - layer), d + outward * (2 - layer)),
                (base, base + tall * rough),
                _shade(canvas, tone, mood, depth),
            )
    if rng.random() < 0.25:
        tall = rng.uniform(1.0, 5.0)
        tone = np.array([160, 152, 142.0]) * rng.uniform(0.5, 1.2)
        _ribbon(canvas, road, s, (d, d), (base, base + tall), _shade(canvas, tone, mood, depth))


def _ribbon(
    canvas: Canvas,
    road: Road,
    s: NDArray[np.float64],
    d: tuple[float, float],
    up: tuple[float, float | NDArray[np.float64]],
    colour: NDArray[np.float64],
) -> None:
    """Fill between two lines along the road, each at its own d and height above the ground."""
    ends = []
    for side, height in zip(d, up, strict=True):
        points = road.at(s, side)
        points[:, 1] += height
        pixels, depth = canvas.camera.project(points)
        ends.append(pixels[depth > NEAR])
    if min(map(len, ends)) > 1:
        canvas.fill(np.concatenate([ends[0], ends[1][::-1]]), colour, UNNAMED)


def _shade(canvas: Canvas, colour: NDArray[np.float64], mood: Mood, depth: float) -> NDArray[np.float64]:
    fade = np.exp(-max(depth - 5, 0) / mood.visibility)
    return np.minimum(colour * mood.upright, 255) * fade + mood.haze * (1 - fade)


def _tree(rng: np.random.Generator, canvas: Canvas, base: NDArray[np.float64], mood: Mood) -> None:
    tall, wide = rng.uniform(1.0, 13), rng.uniform(1.2, 4.5)
    trunk = rng.uniform(0, 0.35) * tall if tall > 3 else 0.0
    ends, depth = canvas.camera.project(base + np.array([[0, 0, 0], [0, tall, 0], [wide, tall / 2, 0]]))
    if depth.min() < 2.0:
        return
    per_metre_x = abs(ends[2, 0] - (ends[0, 0] + ends[1, 0]) / 2) / wide
    height = ends[0, 1] - ends[1, 1]
    tone = np.array([62, 84, 44.0]) * rng.uniform(0.45, 1.35) * rng.uniform(0.8, 1.2, 3)
    if trunk > 0.4:
        x, half = ends[0, 0], 0.14 * per_metre_x
        top = ends[0, 1] - height * (trunk + 1) / tall
        canvas.fill(
            np.array([[x - half, ends[0, 1]], [x + half, ends[0, 1]], [x + half, top], [x - half, top]]),
            _shade(canvas, np.array([72, 60, 48.0]), mood, depth[0]),
            UNNAMED,
        )
    low = ends[0, 1] - height * trunk / tall
    for layer in range(3 if height > 12 else 1):
        ragged = rng.uniform(0.75, 1.15, 18) * (1 - 0.22 * layer)
        x = ends[0, 0] + CROWN[0] * wide / 2 * per_metre_x * ragged + rng.normal(0, 0.06) * wide * per_metre_x * layer
        y = (low + ends[1, 1]) / 2 - CROWN[1] * (low - ends[1, 1]) / 2 * ragged - 0.06 * layer * height
        canvas.fill(np.stack([x, y], 1), _shade(canvas, tone * (1 + 0.22 * layer), mood, depth[0]), UNNAMED)


def _building(
    rng: np.random.Generator, canvas: Canvas, base: NDArray[np.float64], mood: Mood, outward: int, home: bool
) -> None:
    """A block with windows, or a house with a roof."""
    w, h, length = rng.uniform(6, 16), rng.uniform(2.6, 6.0) if home else rng.uniform(3, 22), rng.uniform(8, 25)
    tone = np.array([170, 150, 130.0]) * rng.uniform(0.5, 1.35) * rng.uniform(0.85, 1.15, 3)
    x = (0.0, w) if outward > 0 else (-w, 0.0)
    corners, colours = block(x, (-1.0, h), (0, length), tone)
    corners, colours = list(corners + base), list(colours * mood.upright)
    road_side = corners[2] if outward > 0 else corners[3]
    rows, columns = max(1, int(h / 3.2)), int(rng.integers(2, 6))
    glass = np.array([60, 70, 82.0]) * rng.uniform(0.5, 1.4)
    for face, many in ((road_side, columns), (corners[0], max(1, columns // 2))):
        for row in range(min(rows, 5)):
            for column in range(many):
                low, start = (row + 0.35) / rows, (column + 0.25) / many
                corners.append(inset(face, start, start + 0.5 / many, low, low + 0.4 / rows))
                colours.append(glass * mood.upright)
    count = 5
    if home:
        tile = np.array([128, 84, 66.0]) * rng.uniform(0.5, 1.2) * rng.uniform(0.85, 1.15, 3)
        low, high, half = h - 0.2, h + rng.uniform(1.5, 3.0), w / 2
        start = x[0]
        eaves = np.array([[start - 0.4, low], [start + half, high], [start + w + 0.4, low]])
        near, far = (np.insert(eaves, 2, z, axis=1) + base for z in (-0.4, length + 0.4))
        roof = [[near[0], near[1], far[1], far[0]], [near[1], near[2], far[2], far[1]]]
        gable = [[near[0], near[2], near[1], near[1]]]
        corners = [np.array(face) for face in roof] + [np.array(gable[0])] + corners
        colours = [tile * mood.upright * shade for shade in (0.95, 0.8)] + [tone * 0.9 * mood.upright] + colours
        count = 8
    canvas.quads(np.array(corners), np.array(colours), UNNAMED, outline=count)


def _pole(rng: np.random.Generator, canvas: Canvas, base: NDArray[np.float64], mood: Mood, inward: int) -> None:
    tall = rng.uniform(4, 11)
    r = 0.07
    faces = [[[-r, 0, 0], [r, 0, 0], [r * 0.7, tall, 0], [-r * 0.7, tall, 0]]]
    if rng.random() < 0.5:
        reach = inward * rng.uniform(1, 3)
        faces.append([[0, tall - 0.15, 0], [reach, tall, 0], [reach, tall + 0.12, 0], [0, tall, 0]])
    tone = np.full(3, rng.uniform(50, 170)) * mood.upright
    canvas.quads(np.array(faces, float) + base, np.repeat(tone[None], len(faces), 0), UNNAMED, cull=False)


def _bridge(rng: np.random.Generator, canvas: Canvas, road: Road, mood: Mood, left: float, right: float) -> None:
    base = road.at(np.array([max(5.0, road.placed(rng.uniform(35, 110)))]), 0.0)[0]
    low, thick = rng.uniform(5, 6.5), rng.uniform(0.8, 2.0)
    tone = np.full(3, rng.uniform(90, 180))
    parts = [
        block((left - 40, right + 40), (low, low + thick), (0, rng.uniform(8, 14)), tone),
        block((left - 3.0, left - 2.0), (0, low), (0, 8), tone * 0.8),
        block((right + 2.0, right + 3.0), (0, low), (0, 8), tone * 0.8),
    ]
    corners = np.concatenate([c for c, _ in parts]) + base
    canvas.quads(corners, np.concatenate([c for _, c in parts]) * mood.upright, UNNAMED)
