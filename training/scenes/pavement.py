"""What joins or borders a carriageway: ramps, side roads, driveways, gutters and pavements for those who walk."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import OTHER, ROAD, SHIFT, Canvas, fixed
from .layout import Layout, Side
from .openings import Crossing
from .road import Road
from .surface import strip

SLAB = np.array([168, 164, 156.0])
"""colour of concrete slabs"""
OUTWARD = np.array([0.05, 0.12, 0.25, 0.45, 0.7, 1.0])
"""where a side road's edges are bent, in shares of its reach"""


def lay_ramp(canvas: Canvas, road: Road, layout: Layout, colour: NDArray[np.float64]) -> None:
    """Draw the extra pavement of a ramp, with its shoulders."""
    ramp = layout.ramp
    if ramp is None:
        return
    inner, outer = ramp.pavement(road.stations + road.moved)
    wide = outer > 0.1
    s, inner, outer = road.stations[wide], inner[wide], outer[wide]
    if len(s) < 3:
        return
    border, side = (layout.borders[-1], layout.right) if ramp.side > 0 else (layout.borders[0], layout.left)
    start = border + ramp.side * np.where(inner > 0.5, inner - 0.5, -0.2)
    outline = strip(canvas.camera, road, s, start, border + ramp.side * (outer + side.shoulder))
    if outline is not None:
        _lay(canvas, outline, colour, ROAD)


def lay_beside(
    rng: np.random.Generator, canvas: Canvas, road: Road, layout: Layout, terrain: NDArray[np.float64], snowy: bool
) -> None:
    """Draw gutters and walkways beside kerbs."""
    white = np.array([226, 230, 236.0])
    slab = SLAB * rng.uniform(0.75, 1.2) * (1 + rng.normal(0, 0.02, 3))
    slab = slab * 0.3 + white * 0.7 if snowy else slab
    gutter, green, wide, deep = rng.random(), rng.random(), rng.uniform(0.25, 0.6), rng.uniform(1.2, 3.0)
    for side, edge, outward in _sides(layout):
        if side.kind != "curb" or not len(road.stations):
            continue
        strips = []
        if gutter < 0.3:
            strips.append((edge - outward * wide, edge, slab, ROAD))
        start = edge + outward * (rng.uniform(0.8, 2.5) if green < 0.4 else 0.0)
        strips += [(edge, start, terrain, OTHER), (start, start + outward * deep, slab * 1.03, OTHER)]
        for one, two, colour, ident in strips:
            outline = strip(canvas.camera, road, road.stations, one, two)
            if outline is not None:
                _lay(canvas, outline, colour, ident)


def lay_crossings(
    rng: np.random.Generator, canvas: Canvas, road: Road, layout: Layout, colour: NDArray[np.float64]
) -> None:
    """Draw side roads, which belong to the road, and driveways, which do not."""
    slab = SLAB * rng.uniform(0.6, 1.15)
    for one in layout.crossings:
        tone = (slab if rng.random() < 0.6 else colour) * rng.uniform(0.85, 1.12)
        if not one.drive:
            tone = colour * rng.uniform(0.93, 1.07)
        for _, edge, outward in _sides(layout):
            if one.left if outward < 0 else one.right:
                outline = mouth(canvas, road, one, edge, outward)
                if outline is not None:
                    _lay(canvas, outline, tone, OTHER if one.drive else ROAD)


def mouth(canvas: Canvas, road: Road, one: Crossing, edge: float, outward: int) -> NDArray[np.float64] | None:
    """The outline (N, 2) in pixels of a side road from an edge outward; None when it is behind or out of sight."""
    s, half = road.placed(one.ahead), one.width / 2
    if not 1.5 < s - half < road.reach - 5 or not road.visible(np.array([s]))[0]:
        return None
    away = np.concatenate([[-0.3, 0.0, one.flare / 3, one.flare], one.flare + (one.reach - one.flare) * OUTWARD])
    round_off = one.flare * np.maximum(0.0, 1 - away / max(one.flare, 0.1)) ** 2
    along = np.concatenate([s - half - round_off, (s + half + round_off)[::-1]])
    d = edge + outward * np.concatenate([away, away[::-1]])
    pixels, depth = canvas.camera.project(road.at(along, d))
    keep = depth > NEAR
    return pixels[keep] if keep.sum() > 3 else None


def _sides(layout: Layout) -> tuple[tuple[Side, float, int], ...]:
    left, right = layout.edges
    return (layout.left, left, -1), (layout.right, right, 1)


def _lay(canvas: Canvas, outline: NDArray[np.float64], colour: NDArray[np.float64], ident: int) -> None:
    canvas.fill(outline, np.clip(colour, 0, 255).tolist())
    cv2.fillPoly(canvas.ids, [fixed(outline)], ident, cv2.LINE_8, SHIFT)
