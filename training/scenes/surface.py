"""The ground: terrain, verges, carriageways, their grain and damage, barriers along them, and shadows across."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR, Camera
from .canvas import OTHER, ROAD, SHIFT, UNNAMED, Canvas, fixed, plain
from .chance import chosen
from .layout import Layout, Side
from .mood import Mood
from .road import Road
from .texture import GroundMap

TERRAIN: dict[str, tuple[int, int, int]] = {
    "grass": (104, 114, 74),
    "gravel": (150, 140, 124),
    "curb": (150, 148, 144),
    "sand": (186, 160, 120),
}


def strip(
    camera: Camera,
    road: Road,
    s: NDArray[np.float64],
    left: NDArray[np.float64] | float,
    right: NDArray[np.float64] | float,
    up: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64] | None:
    """The outline (N, 2) in pixels of the ribbon between two d, at heights up; None when all of it is behind."""
    ends = []
    for d, height in ((left, up[0]), (right, up[1])):
        pixels, depth = camera.project(road.at(s, d, height))
        ends.append(pixels[depth > NEAR])
    if min(len(ends[0]), len(ends[1])) < 2:
        return None
    return np.concatenate([ends[0], ends[1][::-1]])


def asphalt(rng: np.random.Generator, mood: Mood) -> NDArray[np.float64]:
    """(3,) the colour of a carriageway: mostly greys, sometimes brown or nearly white concrete."""
    level = rng.uniform(62, 140) if rng.random() < 0.72 else rng.uniform(140, 205)
    if mood.surface in ("wet", "ice"):
        level *= rng.uniform(0.5, 0.75)
    tint = np.array([1.0, 0.0, -1.0]) * rng.normal(1.5, 4.5) + np.array([0, 1.0, 0]) * rng.normal(0, 1.5)
    return np.clip(level + tint * level / 110, 15, 230)


def lay_ground(
    rng: np.random.Generator,
    canvas: Canvas,
    ground: GroundMap,
    road: Road,
    layout: Layout,
    mood: Mood,
    road_colour: NDArray[np.float64],
    on_photo: bool,
) -> NDArray[np.float64]:
    """Draw terrain, verges and carriageways: the id buffer says ROAD where one may drive; gives the colour of grass."""
    camera = canvas.camera
    s = road.stations
    season = rng.uniform(0.75, 1.2, 3) * rng.uniform(0.8, 1.15)
    white = np.array([228, 232, 238.0])
    snowy = {"snow": rng.uniform(0.6, 0.9), "ice": rng.uniform(0.0, 0.5)}.get(mood.surface, 0.0)

    def terrain(kind: str) -> NDArray[np.float64]:
        colour = np.array(TERRAIN[kind]) * season
        return colour * (1 - snowy) + white * snowy

    grass = terrain("grass")
    if len(s) < 4:
        return grass
    if not on_photo:
        kind = layout.left.kind if layout.left.kind != "curb" else chosen(rng, ["grass", "gravel", "curb"])
        _fill_mask(canvas.image, ground, terrain(kind))
    left, right = layout.edges
    bands: list[tuple[float, float, NDArray[np.float64], int]] = []
    for side, edge, outward in ((layout.left, left, -1), (layout.right, right, 1)):
        wide = rng.uniform(1.0, 4.0) if side.kind != "grass" else rng.uniform(3.0, 30.0)
        bands.append((edge, edge + outward * wide, terrain(side.kind) * rng.uniform(0.85, 1.15), OTHER))
    if layout.other is not None:
        bands.append((*layout.other, road_colour * rng.uniform(0.85, 1.1), ROAD))
    bands.append((left, right, road_colour, ROAD))
    for side, inner, outer in ((layout.left, left, layout.borders[0]), (layout.right, layout.borders[-1], right)):
        if side.shoulder > 0.9 and rng.random() < 0.45:
            bands.append((inner, outer, road_colour * rng.uniform(0.82, 1.15), ROAD))
    for one, two, colour, ident in bands:
        outline = strip(camera, road, s, one, two)
        if outline is not None:
            canvas.fill(outline, colour)
            cv2.fillPoly(canvas.ids, [fixed(outline)], ident, cv2.LINE_8, SHIFT)
    for side, edge, outward in ((layout.left, left, -1), (layout.right, right, 1)):
        if side.kind == "curb":
            _curb(rng, canvas, road, s, edge, outward)
    return grass


def _fill_mask(image: NDArray[np.uint8], ground: GroundMap, colour: NDArray[np.float64]) -> None:
    cv2.copyTo(plain(image, colour), ground.mask(), image)


def _curb(
    rng: np.random.Generator, canvas: Canvas, road: Road, s: NDArray[np.float64], edge: float, outward: int
) -> None:
    height, wide = rng.uniform(0.08, 0.18), rng.uniform(0.12, 0.3)
    colour = np.full(3, rng.uniform(120, 210))
    for one, two, up, shade in (
        (edge, edge + outward * 0.02, (0, height), 0.72),
        (edge + outward * 0.02, edge + outward * wide, (height, height), 1.0),
    ):
        outline = strip(canvas.camera, road, s, one, two, up)
        if outline is not None:
            canvas.fill(outline, colour * shade)
            cv2.fillPoly(canvas.ids, [fixed(outline)], OTHER, cv2.LINE_8, SHIFT)


def grain(rng: np.random.Generator, canvas: Canvas, ground: GroundMap) -> None:
    """Multiply noise of several scales into the ground; on the road also tracks that run along it."""
    rough = np.exp(rng.uniform(np.log(0.008), np.log(0.13)))
    fine = ground.sample(rng, 0.5, rng.uniform(3, 7)) * ground.sharp
    coarse = ground.sample(rng, 1.6, rng.uniform(25, 60)) * ground.blunt
    tracks = ground.sample(rng, 1.0, rng.uniform(150, 500), rng.uniform(9, 16)) * ground.blunt
    land = fine * np.float32(rng.uniform(0.2, 0.9)) + coarse * np.float32(rng.uniform(0.2, 0.9))
    mixed = fine * np.float32(rough * 6) + coarse * np.float32(rng.uniform(0.1, 0.5))
    mixed += tracks * np.float32(rng.uniform(0.05, 0.45))
    bounds = canvas.image.shape[1::-1]
    on_land = cv2.resize(np.clip(128 + land, 0, 255).astype(np.uint8), bounds)
    on_road = cv2.resize(np.clip(128 + mixed, 0, 255).astype(np.uint8), bounds)
    cv2.copyTo(on_road, (canvas.ids == ROAD).astype(np.uint8), on_land)
    factor = cv2.merge([on_land, on_land, on_land])
    top = ground.first * ground.STEP
    canvas.image[top:] = cv2.multiply(canvas.image[top:], factor[top:], scale=1 / 128)


def barriers(rng: np.random.Generator, canvas: Canvas, road: Road, layout: Layout, mood: Mood) -> None:
    """Draw guard rails, walls and cables beside the road; they hide what is behind them."""
    s = road.stations
    left, right = layout.edges
    for side, edge, outward in ((layout.left, left, -1), (layout.right, right, 1)):
        if side.barrier and len(s) > 4:
            _barrier(rng, canvas, road, s, side, edge + outward * side.setback, outward)


def _barrier(
    rng: np.random.Generator, canvas: Canvas, road: Road, s: NDArray[np.float64], side: Side, d: float, outward: int
) -> None:
    grey = np.full(3, rng.uniform(110, 215)) * (1 + rng.normal(0, 0.03, 3))
    if side.barrier in ("rail", "cable"):
        bands = (
            [(0.38, 0.50, 0.8), (0.50, 0.58, 0.55), (0.58, 0.72, 1.0)]
            if side.barrier == "rail"
            else [(0.5, 0.53, 0.8), (0.66, 0.69, 0.8), (0.82, 0.85, 0.8)]
        )
        _posts(canvas, road, np.arange(4 - road.origin % 4, min(60.0, road.reach), 4.0), d, 0.65, grey * 0.6)
        for low, high, shade in bands:
            outline = strip(canvas.camera, road, s, d, d, (low, high))
            if outline is not None:
                canvas.fill(outline, grey * shade, UNNAMED)
        return
    height = rng.uniform(0.75, 1.1) if side.barrier == "jersey" else rng.uniform(1.5, 4.0)
    foot = rng.uniform(0.15, 0.3)
    for one, two, low, high, shade in (
        (d, d + outward * foot, 0.0, height * 0.3, 0.95),
        (d + outward * foot, d + outward * (foot + 0.05), height * 0.3, height, 0.8),
        (d + outward * (foot + 0.05), d + outward * (foot + 0.2), height, height, 1.1),
    ):
        outline = strip(canvas.camera, road, s, one, two, (low, high))
        if outline is not None:
            canvas.fill(outline, np.clip(grey * shade, 0, 255), UNNAMED)


def _posts(
    canvas: Canvas, road: Road, s: NDArray[np.float64], d: float, height: float, colour: NDArray[np.float64]
) -> None:
    base = road.at(s, d)
    base = base[canvas.camera.to_camera(base)[:, 2] > 2 * NEAR]
    if len(base):
        corner = np.array([[-0.06, 0, 0], [0.06, 0, 0], [0.06, height, 0], [-0.06, height, 0]])
        canvas.quads(base[:, None] + corner, np.tile(colour, (len(base), 1)), UNNAMED, cull=False)


def cast_shadows(
    rng: np.random.Generator, canvas: Canvas, ground: GroundMap, road: Road, layout: Layout, mood: Mood
) -> None:
    """Darken the ground where trees, poles, bridges or something beside the road stand in the sun."""
    if mood.shadows <= 0 or rng.random() < 0.45:
        return
    mask = np.zeros(canvas.ids.shape, np.uint8)
    kind = rng.random()
    left, right = layout.edges
    if kind < 0.6:
        for _ in range(int(rng.integers(1, 9))):
            start, reach = road.placed(rng.uniform(3, 70)), rng.uniform(1, 7)
            edge, inside = (
                (left - 6, rng.uniform(left - 1, right))
                if rng.random() < 0.5
                else (right + 6, rng.uniform(left, right + 1))
            )
            lobe = np.array([start + reach * 0.5 * np.cos(a) + rng.normal(0, 0.3) for a in np.linspace(0, 6.28, 14)])
            side = np.array([inside + (edge - inside) * 0.5 * (1 + np.sin(a)) for a in np.linspace(0, 6.28, 14)])
            _shade(canvas, road, lobe, side + rng.normal(0, 0.3, 14), mask)
    elif kind < 0.8:
        start = road.placed(rng.uniform(6, 50))
        wide, slant = rng.uniform(0.3, 12), rng.uniform(-8, 8)
        _shade(
            canvas,
            road,
            np.array([start, start + slant, start + slant + wide, start + wide]),
            np.array([left - 8, right + 8, right + 8, left - 8]),
            mask,
        )
    else:
        inner = rng.uniform(left, right)
        outer = left - 9 if rng.random() < 0.5 else right + 9
        s = np.arange(1.5, 70, 3.0)
        ragged = inner + np.interp((s + road.moved) / 3 % 40, np.arange(41), rng.normal(0, 0.35, 41))
        _shade(canvas, road, np.concatenate([s, s[::-1]]), np.concatenate([ragged, np.full(len(s), outer)]), mask)
    if rng.random() < 0.7:
        dapple = np.clip(128 + ground.sample(rng, 1.0, rng.uniform(8, 20)) * 3, 0, 255).astype(np.uint8)
        mask = cv2.multiply(mask, cv2.resize(dapple, mask.shape[::-1]), scale=1 / 200)
    mask = cv2.blur(mask, (3, 3))
    factor = (255 - mask.astype(np.float32) * mood.shadows).astype(np.uint8)
    canvas.image[:] = cv2.multiply(canvas.image, cv2.merge([factor] * 3), scale=1 / 255)


def _shade(canvas: Canvas, road: Road, s: NDArray[np.float64], d: NDArray[np.float64], mask: NDArray[np.uint8]) -> None:
    pixels, depth = canvas.camera.project(road.at(np.maximum(s, 1.5), d))
    if (depth > NEAR).all():
        cv2.fillPoly(mask, [fixed(pixels)], 255, cv2.LINE_AA, SHIFT)
