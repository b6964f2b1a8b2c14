"""A body on the canvas: its shadow, its faces in the light of the scene, its lamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import Canvas
from .mood import Mood
from .texture import SIDE, noise
from .vehicles import Body

COARSE = 11.0
"""pixels of height below which windows, wheels and the like are not drawn"""


def draw_body(
    canvas: Canvas,
    body: Body,
    place: NDArray[np.float64],
    heading: float,
    ident: int,
    mood: Mood,
    ground: NDArray[np.float64],
) -> bool:
    """Draw a body and its shadow, its rear middle at place (3,), turned right by heading (rad); False if too near.

    ground (3,) is the colour of the road below, for the shadow.
    """
    ahead, across = _depth_and_aside(canvas, place)
    width, tall, length = body.size
    if ahead < -length or across - length - width > 1.2 * canvas.camera.reach * max(ahead + length, 0.1):
        return False
    faces = body.outline if ahead > 0 and canvas.camera.focal[1] * tall < COARSE * ahead else len(body.corners)
    c, s = np.cos(heading), np.sin(heading)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    corners = body.corners[:faces] @ turn.T + place
    x, z = 0.55 * width, length + 0.2
    foot = np.array([[-x, 0.01, -0.25], [x, 0.01, -0.25], [x, 0.01, z], [-x, 0.01, z]]) @ turn.T + place
    pixels, depth = canvas.camera.project(foot)
    if depth.min() < NEAR or canvas.camera.to_camera(corners)[..., 2].min() < NEAR:
        return False
    fade = float(np.exp(-max(depth.mean() - 5, 0) / mood.visibility))
    canvas.fill(pixels, ground * 0.42 * fade + mood.haze * (1 - fade))
    sun = 0.9 + 0.25 * np.cos(mood.sun[0]) * (mood.shadows > 0)
    if not canvas.quads(corners, body.colours[:faces] * (mood.upright * sun), ident, body.outline):
        return False
    canvas.close(ident)
    corner = int(1000 * (width + length)) % (SIDE // 2)
    canvas.stain(ident, noise(corner % 5, 1.6)[corner : corner + SIDE // 3, corner : corner + SIDE // 3])
    if mood.dark:
        _light_up(canvas, body, turn, place, ident)
    return True


def _depth_and_aside(canvas: Canvas, place: NDArray[np.float64]) -> tuple[float, float]:
    """Metres of a place (3,) along the optical axis, and away from it to either side."""
    across, _, ahead = canvas.camera.to_camera(place)
    return float(ahead), abs(float(across))


def _light_up(canvas: Canvas, body: Body, turn: NDArray[np.float64], place: NDArray[np.float64], ident: int) -> None:
    for x, y, z, kind in body.lamps:
        forward = turn @ np.array([0, 0, 1.0 if kind == "front" else -1.0])
        point = turn @ np.array([x, y, z]) + place
        if forward @ (np.array([0, canvas.camera.altitude, 0]) - point) <= 0:
            continue
        (u, v), depth = canvas.camera.project(point)
        colour = (255.0, 40.0, 30.0) if kind == "rear" else (255.0, 250.0, 225.0)
        canvas.glows.append((float(u), float(v), float(canvas.camera.focal[0] * 0.13 / depth), colour, ident))
