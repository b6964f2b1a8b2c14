"""Road users and small things on the road as shaded boxes; metres, x right, y up, z forward from their rear."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import Canvas
from .mood import Mood
from .texture import SIDE, noise

Faces = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(N, 4, 3) corners, counter-clockwise from outside, and (N, 3) colours"""
PAINTS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "white": ((232, 234, 236), (218, 220, 222)),
    "black": ((22, 23, 26), (36, 37, 40)),
    "grey": ((128, 131, 136), (98, 101, 106), (158, 161, 166)),
    "red": ((172, 22, 26), (198, 36, 32)),
    "blue": ((26, 58, 142), (46, 96, 178)),
    "green": ((28, 96, 56), (56, 124, 62)),
    "yellow": ((234, 192, 30),),
    "orange": ((228, 108, 24),),
    "brown": ((106, 64, 36), (124, 84, 54)),
}
"""colours of paint by their names, RGB"""
POPULAR = (0.19, 0.15, 0.2, 0.13, 0.13, 0.06, 0.05, 0.045, 0.045)
"""how often each is met: a little more colour than on real roads"""
SHADE = np.array([0.86, 0.72, 0.78, 0.70, 1.08])
"""rear, front, left, right, top"""


@dataclass(frozen=True)
class Body:
    """One thing to draw: label, faces in its own frame (x right, y up, z forward), and how many make its outline."""

    label: str
    corners: NDArray[np.float64]
    colours: NDArray[np.float64]
    outline: int
    size: tuple[float, float, float]
    """width, height, length"""
    lamps: tuple[tuple[float, float, float, str], ...] = ()
    """x, y, z and "rear" or "front" """
    hue: str = ""
    """name of its paint, one of PAINTS; "" when it has no one colour"""


def painted(rng: np.random.Generator) -> tuple[str, NDArray[np.float64]]:
    """A paint: its name and its colour (3,)."""
    hue = str(rng.choice(list(PAINTS), p=POPULAR))
    tones = PAINTS[hue]
    return hue, np.array(tones[int(rng.integers(len(tones)))]) * rng.uniform(0.9, 1.08)


def tinted(rng: np.random.Generator) -> NDArray[np.float64]:
    """Some colour (3,) of cloth or paint that nobody asks for."""
    return painted(rng)[1]


def block(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    colour: NDArray[np.float64],
    taper: float = 0.0,
    slope: tuple[float, float] = (0.0, 0.0),
) -> Faces:
    """Five faces of a box (no floor): rear, front, left, right, top. The top is narrower by taper, cut by slope (z)."""
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    a, b = x0 + taper, x1 - taper
    p, q = z0 + slope[0], z1 - slope[1]
    corners = np.array(
        [
            [[x0, y0, z0], [x1, y0, z0], [b, y1, p], [a, y1, p]],
            [[x1, y0, z1], [x0, y0, z1], [a, y1, q], [b, y1, q]],
            [[x0, y0, z1], [x0, y0, z0], [a, y1, p], [a, y1, q]],
            [[x1, y0, z0], [x1, y0, z1], [b, y1, q], [b, y1, p]],
            [[a, y1, p], [b, y1, p], [b, y1, q], [a, y1, q]],
        ]
    )
    return corners, np.asarray(colour)[None] * SHADE[:, None]


def inset(face: NDArray[np.float64], left: float, right: float, low: float, high: float) -> NDArray[np.float64]:
    """A part (4, 3) of a face (4, 3), by shares of its width and height."""
    return _shares(left, right, low, high) @ face


@lru_cache(maxsize=1024)
def _shares(left: float, right: float, low: float, high: float) -> NDArray[np.float64]:
    """(4, 4) how much of each corner of a face goes into each corner of a part of it."""
    across, up = np.array([left, right, right, left]), np.array([low, low, high, high])
    return np.stack([(1 - up) * (1 - across), (1 - up) * across, up * across, up * (1 - across)], axis=1)


def _join(
    label: str,
    solids: list[Faces],
    details: list[tuple[NDArray[np.float64], object]],
    size: tuple[float, float, float],
    lamps: tuple = (),
    hue: str = "",
) -> Body:
    corners = [c for c, _ in solids] + [d[None] for d, _ in details]
    colours = [c for _, c in solids] + [np.broadcast_to(np.asarray(c, float), (1, 3)) for _, c in details]
    return Body(
        label, np.concatenate(corners), np.concatenate(colours), sum(len(c) for c, _ in solids), size, lamps, hue
    )


def car(rng: np.random.Generator) -> Body:
    """A saloon, estate, SUV or pick-up."""
    w, h, length = rng.uniform(1.7, 2.0), rng.uniform(1.4, 1.85), rng.uniform(3.9, 5.0)
    hue, paint = painted(rng)
    glass = np.full(3, rng.uniform(25, 75))
    low, belt, x = 0.22, h * rng.uniform(0.54, 0.62), w / 2
    trunk = rng.choice([0.05, 0.1, rng.uniform(0.5, 0.9)])
    lower = block((-x, x), (low, belt), (0, length), paint, 0.03, (0.04, 0.05))
    cabin = block(
        (-x + 0.05, x - 0.05),
        (belt, h),
        (trunk, length - rng.uniform(1.0, 1.4)),
        paint,
        rng.uniform(0.1, 0.2),
        (rng.uniform(0.15, 0.5), 0.6),
    )
    rear, front = lower[0][0], lower[0][1]
    details = _wheels(x, length, 0.31)
    details += [
        (inset(cabin[0][0], 0.07, 0.93, 0.14, 0.88), glass * 0.9),
        (inset(cabin[0][1], 0.06, 0.94, 0.08, 0.9), glass),
        (inset(cabin[0][2], 0.08, 0.48, 0.15, 0.85), glass * 0.8),
        (inset(cabin[0][2], 0.52, 0.92, 0.15, 0.85), glass * 0.8),
        (inset(cabin[0][3], 0.08, 0.48, 0.15, 0.85), glass * 0.8),
        (inset(cabin[0][3], 0.52, 0.92, 0.15, 0.85), glass * 0.8),
    ]
    tall = rng.uniform(0.15, 0.3)
    for one, two in ((0.02, 0.22), (0.78, 0.98)):
        details += [
            (inset(rear, one, two, 0.85 - tall, 0.88), [165, 20, 22]),
            (inset(front, one, two, 0.6, 0.82), [225, 225, 215]),
        ]
    details += [
        (inset(rear, 0.36, 0.64, 0.38, 0.58), [215, 215, 205]),
        (inset(rear, 0, 1, 0, 0.2), [38, 38, 40]),
        (inset(front, 0.25, 0.75, 0.3, 0.62), [28, 28, 30]),
        (inset(front, 0, 1, 0, 0.18), [38, 38, 40]),
        (inset(front, 0.38, 0.62, 0.16, 0.3), [215, 215, 205]),
    ]
    return _join("car", [lower, cabin], details, (w, h, length), _lamps(x, belt * 0.85, length), hue)


def truck(rng: np.random.Generator) -> Body:
    """A lorry: a tall load behind a cab."""
    w, h, length = rng.uniform(2.3, 2.6), rng.uniform(2.8, 4.1), rng.uniform(6.0, 15.0)
    x = w / 2
    hue, paint = painted(rng) if rng.random() < 0.6 else ("white", np.full(3, rng.uniform(220, 240)))
    cab_hue, cab_paint = (hue, paint) if rng.random() < 0.7 else painted(rng)
    frame = block((-x + 0.1, x - 0.1), (0.45, 1.05), (0, length), np.array([52, 52, 55.0]))
    cab = block((-x + 0.05, x - 0.05), (0.5, min(h, 2.9)), (length - 2.1, length), cab_paint, 0.05, (0, 0.25))
    load = block((-x, x), (1.0, h), (0, length - 2.4), paint)
    rear, front = load[0][0], cab[0][1]
    details = _wheels(x, length, 0.5)
    details += [
        (inset(rear, 0.03, 0.49, 0.03, 0.97), paint * 0.8),
        (inset(rear, 0.51, 0.97, 0.03, 0.97), paint * 0.8),
        (inset(frame[0][0], 0.02, 0.2, 0.3, 0.7), [165, 22, 22]),
        (inset(frame[0][0], 0.8, 0.98, 0.3, 0.7), [165, 22, 22]),
        (inset(frame[0][0], 0.38, 0.62, 0.3, 0.6), [210, 210, 200]),
        (inset(front, 0.06, 0.94, 0.52, 0.88), [45, 50, 58]),
        (inset(front, 0.1, 0.9, 0.12, 0.4), [40, 40, 42]),
        (inset(front, 0.02, 0.2, 0.04, 0.14), [225, 225, 215]),
        (inset(front, 0.8, 0.98, 0.04, 0.14), [225, 225, 215]),
        (inset(cab[0][2], 0.3, 0.8, 0.55, 0.85), [45, 50, 58]),
        (inset(cab[0][3], 0.2, 0.7, 0.55, 0.85), [45, 50, 58]),
    ]
    if rng.random() < 0.25:
        band = tinted(rng)
        details += [(inset(load[0][side], 0.1, 0.9, 0.35, 0.65), band * SHADE[side]) for side in (2, 3)]
    return _join(
        "truck",
        [frame, cab, load],
        details,
        (w, h, length),
        _lamps(x, 0.8, length),
        hue if hue == cab_hue else "",
    )


def bus(rng: np.random.Generator) -> Body:
    """A coach or city bus: one long box with a band of windows."""
    w, h, length = 2.5, rng.uniform(2.9, 3.4), rng.uniform(9.0, 13.0)
    x = w / 2
    hue, paint = painted(rng)
    glass = np.array([38, 44, 52.0])
    body = block((-x, x), (0.35, h), (0, length), paint, 0.04)
    details = _wheels(x, length, 0.48)
    details += [(inset(body[0][0], 0.1, 0.9, 0.5, 0.88), glass), (inset(body[0][1], 0.05, 0.95, 0.32, 0.86), glass)]
    for side in (2, 3):
        details += [
            (inset(body[0][side], left, left + 0.125, 0.48, 0.86), glass) for left in np.arange(0.03, 0.9, 0.14)
        ]
    for one, two in ((0.02, 0.14), (0.86, 0.98)):
        details += [
            (inset(body[0][0], one, two, 0.1, 0.3), [165, 22, 22]),
            (inset(body[0][1], one, two, 0.08, 0.18), [225, 225, 215]),
        ]
    details += [
        (inset(body[0][1], 0.2, 0.8, 0.89, 0.98), [230, 150, 30]),
        (inset(body[0][0], 0.38, 0.62, 0.1, 0.18), [215, 215, 205]),
    ]
    return _join("bus", [body], details, (w, h, length), _lamps(x, 0.9, length), hue)


def motorcycle(rng: np.random.Generator) -> Body:
    """A motorcycle with its rider, rounder than a car and much narrower."""
    return _two_wheels(rng, "motorcycle", 0.22, 0.42, True)


def bicycle(rng: np.random.Generator) -> Body:
    """A bicycle with its rider: thin wheels, upright body."""
    return _two_wheels(rng, "bicycle", 0.06, 0.5, False)


def _two_wheels(rng: np.random.Generator, label: str, thick: float, wide: float, motor: bool) -> Body:
    cloth, legs = tinted(rng), tinted(rng) * 0.6
    skin = np.array([186, 140, 112.0]) * rng.uniform(0.5, 1.15)
    length = 2.0 if motor else 1.75
    tyre = np.array([26, 26, 28.0])
    t = thick / 2
    solids = [block((-t, t), (0, 0.64), (0, 0.62), tyre), block((-t, t), (0, 0.64), (length - 0.62, length), tyre)]
    if motor:
        solids.append(block((-0.2, 0.2), (0.4, 0.9), (0.2, length - 0.3), tinted(rng)))
    else:
        solids.append(block((-0.03, 0.03), (0.5, 0.62), (0.4, length - 0.4), tinted(rng)))
    solids += [
        block((-wide / 2, -wide / 6), (0.35, 0.95), (0.6, 1.0), legs),
        block((wide / 6, wide / 2), (0.35, 0.95), (0.6, 1.0), legs),
        block((-wide / 2, wide / 2), (0.85, 1.45), (0.55, 0.95), cloth, 0.04),
        block((-0.11, 0.11), (1.45, 1.74), (0.65, 0.93), tinted(rng) if motor else skin),
    ]
    lamps = ((0.0, 0.75, 0.0, "rear"), (0.0, 0.8, length, "front")) if motor else ()
    return _join(label, solids, [], (max(wide, 0.5), 1.75, length), lamps)


def pedestrian(rng: np.random.Generator) -> Body:
    """A person standing or walking, seen from anywhere."""
    h = rng.uniform(1.1, 1.95)
    cloth, legs = tinted(rng), tinted(rng) * 0.7
    skin = np.array([200, 150, 120.0]) * rng.uniform(0.45, 1.15)
    stride, k = rng.uniform(0.0, 0.3), h / 1.75
    solids = [
        block((-0.19 * k, -0.02 * k), (0, 0.85 * k), (-stride / 2, 0.16), legs, 0.01),
        block((0.02 * k, 0.19 * k), (0, 0.85 * k), (stride / 2, stride / 2 + 0.16), legs, 0.01),
        block((-0.22 * k, 0.22 * k), (0.8 * k, 1.45 * k), (0, 0.24), cloth, 0.03),
        block((-0.30 * k, -0.21 * k), (0.8 * k, 1.4 * k), (0.05, 0.18), cloth * 0.9),
        block((0.21 * k, 0.30 * k), (0.8 * k, 1.4 * k), (0.05, 0.18), cloth * 0.9),
        block((-0.1 * k, 0.1 * k), (1.47 * k, 1.75 * k), (0.02, 0.22), skin, 0.03),
    ]
    return _join("pedestrian", solids, [], (0.6, h, 0.5))


def animal(rng: np.random.Generator) -> Body:
    """Something on four legs, from dog to cow."""
    k = rng.uniform(0.5, 1.5)
    coat = np.array([[120, 84, 56], [50, 44, 40], [190, 170, 140], [150, 150, 150]], float)[rng.integers(4)]
    solids = [
        block((x, x + 0.1 * k), (0, 0.55 * k), (z, z + 0.1 * k), coat * 0.8)
        for x in (-0.2 * k, 0.1 * k)
        for z in (0.05 * k, 0.95 * k)
    ]
    solids += [
        block((-0.24 * k, 0.24 * k), (0.45 * k, 0.95 * k), (0, 1.1 * k), coat, 0.05 * k),
        block((-0.12 * k, 0.12 * k), (0.8 * k, 1.2 * k), (1.0 * k, 1.4 * k), coat * 0.95, 0.03 * k),
    ]
    return _join("animal", solids, [], (0.5 * k, 1.2 * k, 1.4 * k))


def cone(rng: np.random.Generator) -> Body:
    """A traffic cone with white bands."""
    h, r = rng.uniform(0.45, 0.95), rng.uniform(0.13, 0.2)
    orange = np.array([232, 96, 30.0]) * rng.uniform(0.85, 1.1)
    foot = block((-r * 1.3, r * 1.3), (0, 0.05), (-r * 1.3, r * 1.3), np.array([40, 40, 42.0]))
    parts, edges = [foot], np.array([0.05, 0.35 * h, 0.55 * h, 0.72 * h, 0.85 * h, h])
    for index, (low, high) in enumerate(pairwise(edges)):
        wide, narrow = r * (1 - low / h * 0.82), r * (1 - high / h * 0.82)
        colour = np.array([235, 235, 230.0]) if index in (1, 3) else orange
        parts.append(block((-wide, wide), (low, high), (-wide, wide), colour, wide - narrow, (wide - narrow,) * 2))
    return _join("cone", parts, [], (2.6 * r, h, 2.6 * r))


def barrier(rng: np.random.Generator) -> Body:
    """A work-zone board across the lane, striped red or orange and white."""
    w, h = rng.uniform(1.0, 2.2), rng.uniform(0.8, 1.2)
    tone = np.array([[205, 40, 36], [230, 110, 30]], float)[rng.integers(2)]
    white = np.array([236, 236, 232.0])
    board = block((-w / 2, w / 2), (h - 0.35, h), (0, 0.06), white)
    legs = [block((x - 0.05, x + 0.05), (0, h - 0.3), (0, 0.06), np.array([90, 90, 92.0])) for x in (-w * 0.4, w * 0.4)]
    details = []
    for start in np.arange(0.0, 0.9, 0.22):
        for face in (board[0][0], board[0][1]):
            details.append((inset(face, start, start + 0.11, 0, 1), tone * 0.85))
    return _join("barrier", [*legs, board], details, (w, h, 0.1))


def debris(rng: np.random.Generator) -> Body:
    """Something lost on the road: a box, a plank or a tyre."""
    w, h, length = rng.uniform(0.3, 1.1), rng.uniform(0.12, 0.5), rng.uniform(0.2, 0.8)
    tone = np.array([[150, 112, 70], [32, 32, 34], [120, 120, 122], [170, 60, 50]], float)[rng.integers(4)]
    return _join("debris", [block((-w / 2, w / 2), (0, h), (0, length), tone, rng.uniform(0, 0.1))], [], (w, h, length))


MAKERS = {
    "car": car,
    "truck": truck,
    "bus": bus,
    "motorcycle": motorcycle,
    "bicycle": bicycle,
    "pedestrian": pedestrian,
    "animal": animal,
    "cone": cone,
    "barrier": barrier,
    "debris": debris,
}


def _wheels(x: float, length: float, radius: float) -> list[tuple[NDArray[np.float64], object]]:
    out = []
    for z in (length * 0.18, length * 0.8):
        for side, order in ((-x - 0.01, 1), (x + 0.01, -1)):
            turn = np.linspace(0, 2 * np.pi, 5)[:4] + np.pi / 4
            ring = np.stack(
                [np.full(4, side), radius + radius * 1.05 * np.sin(turn), z + radius * 1.05 * np.cos(turn)], 1
            )
            out.append((ring[::order], [24, 24, 26]))
    for side in (-x + 0.14, x - 0.14):
        for z, order in ((0.12, 1), (length - 0.12, -1)):
            tread = np.array(
                [[side - 0.11, 0, z], [side + 0.11, 0, z], [side + 0.11, radius, z], [side - 0.11, radius, z]]
            )
            out.append((tread if order == 1 else tread[[1, 0, 3, 2]], [22, 22, 24]))
    return out


def _lamps(x: float, y: float, length: float) -> tuple[tuple[float, float, float, str], ...]:
    return tuple((side, y, z, kind) for side in (-x * 0.8, x * 0.8) for z, kind in ((0.0, "rear"), (length, "front")))


def draw(
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
    c, s = np.cos(heading), np.sin(heading)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    width, _, length = body.size
    corners = body.corners @ turn.T + place
    x, z = 0.55 * width, length + 0.2
    foot = np.array([[-x, 0.01, -0.25], [x, 0.01, -0.25], [x, 0.01, z], [-x, 0.01, z]]) @ turn.T + place
    pixels, depth = canvas.camera.project(foot)
    if depth.min() < NEAR or canvas.camera.to_camera(corners)[..., 2].min() < NEAR:
        return False
    fade = float(np.exp(-max(depth.mean() - 5, 0) / mood.visibility))
    canvas.fill(pixels, ground * 0.42 * fade + mood.haze * (1 - fade))
    sun = 0.9 + 0.25 * np.cos(mood.sun[0]) * (mood.shadows > 0)
    if not canvas.quads(corners, body.colours * (mood.gain * sun), ident, body.outline):
        return False
    canvas.close(ident)
    corner = int(1000 * (width + length)) % (SIDE // 2)
    canvas.stain(ident, noise(corner % 5, 1.6)[corner : corner + SIDE // 3, corner : corner + SIDE // 3])
    if mood.dark:
        _light_up(canvas, body, turn, place, ident)
    return True


def _light_up(canvas: Canvas, body: Body, turn: NDArray[np.float64], place: NDArray[np.float64], ident: int) -> None:
    for x, y, z, kind in body.lamps:
        forward = turn @ np.array([0, 0, 1.0 if kind == "front" else -1.0])
        point = turn @ np.array([x, y, z]) + place
        if forward @ (np.array([0, canvas.camera.altitude, 0]) - point) <= 0:
            continue
        (u, v), depth = canvas.camera.project(point)
        colour = (255.0, 40.0, 30.0) if kind == "rear" else (255.0, 250.0, 225.0)
        canvas.glows.append((float(u), float(v), float(canvas.camera.focal[0] * 0.13 / depth), colour, ident))
