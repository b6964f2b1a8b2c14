"""Road users and small things on the road as shaded boxes; metres, x right, y up, z forward from their rear."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .chance import chosen

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
    hue = chosen(rng, list(PAINTS), POPULAR)
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


def join(
    label: str,
    solids: list[Faces],
    details: list[tuple[NDArray[np.float64], object]],
    size: tuple[float, float, float],
    lamps: tuple = (),
    hue: str = "",
) -> Body:
    """A body of solids, which make its outline, and details drawn over them."""
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
    trunk = chosen(rng, [0.05, 0.1, rng.uniform(0.5, 0.9)])
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
    return join("car", [lower, cabin], details, (w, h, length), _lamps(x, belt * 0.85, length), hue)


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
    return join(
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
    return join("bus", [body], details, (w, h, length), _lamps(x, 0.9, length), hue)


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
