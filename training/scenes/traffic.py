"""Who is on the road and what stands beside it: movers, parked cars, work zones, signs and lights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import signs, vehicles
from .camera import Camera
from .layout import Layout


@dataclass(frozen=True)
class Mover:
    """Something on the road: where it is at time 0, how fast it goes along the road, how it stands."""

    body: vehicles.Body
    s: float
    d: float
    speed: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Post:
    """A sign or light beside or above the road (or put right before the camera: pixel given)."""

    thing: signs.Board | str
    s: float
    d: float
    up: float
    half: float
    turn: float
    pole: bool
    pixel: tuple[float, float] | None = None
    look: int = 0
    """seed of what is drawn at random on it"""


def movers(rng: np.random.Generator, layout: Layout, urban: bool, speed: float) -> tuple[Mover, ...]:
    amount = float(rng.choice([0.0, 0.35, 0.8, 1.5], p=[0.17, 0.35, 0.33, 0.15]))
    out: list[Mover] = []
    for lane, way in enumerate(layout.directions):
        s = rng.uniform(4, 30) if lane != layout.own else rng.uniform(6, 45)
        pace = way * speed * (1.0 if lane == layout.own else float(rng.uniform(0.85, 1.2)))
        for _ in range(int(rng.poisson(1.6 * amount))):
            label = str(rng.choice(["car", "truck", "bus", "motorcycle", "bicycle"], p=[0.62, 0.18, 0.07, 0.07, 0.06]))
            body = vehicles.MAKERS[label](rng)
            turn = 0.0 if way > 0 else np.pi
            at = s + (body.size[2] if way < 0 else 0)
            out.append(Mover(body, at, layout.centre(lane) + rng.normal(0, 0.25), pace, turn + rng.normal(0, 0.02)))
            s += body.size[2] + rng.uniform(4, 45)
    if urban and rng.random() < 0.5:
        out += _parked(rng, layout)
    for _ in range(int(rng.poisson(1.3 if urban else 0.15))):
        label = str(rng.choice(["pedestrian", "bicycle", "animal"], p=[0.78, 0.14, 0.08]))
        body = vehicles.MAKERS[label](rng)
        edge, outward = (layout.edges[1], 1) if rng.random() < 0.55 else (layout.edges[0], -1)
        d = edge + outward * rng.gamma(2, 0.9) if rng.random() < 0.8 else rng.uniform(*layout.edges)
        out.append(Mover(body, float(rng.uniform(5, 40)), float(d), float(rng.normal(0, 0.8)), rng.uniform(-3.1, 3.1)))
    if rng.random() < 0.09:
        out += _work_zone(rng, layout)
    if rng.random() < 0.04:
        out.append(
            Mover(
                vehicles.debris(rng),
                float(rng.uniform(6, 35)),
                float(rng.uniform(*layout.edges)),
                0.0,
                rng.uniform(-3, 3),
            )
        )
    return tuple(out)


def _parked(rng: np.random.Generator, layout: Layout) -> list[Mover]:
    edge, outward = (layout.edges[1], 1) if rng.random() < 0.7 else (layout.edges[0], -1)
    d, s, out = edge + outward * rng.uniform(-1.0, 1.3), rng.uniform(4, 12), []
    for _ in range(int(rng.integers(1, 6))):
        body = vehicles.car(rng)
        out.append(Mover(body, s, d, 0.0, rng.normal(0, 0.03)))
        s += body.size[2] + rng.uniform(0.8, 12)
    return out


def _work_zone(rng: np.random.Generator, layout: Layout) -> list[Mover]:
    s, d = rng.uniform(6, 20), layout.borders[int(rng.integers(len(layout.borders)))]
    drift, out = rng.normal(0, 0.08), []
    for _ in range(int(rng.integers(2, 8))):
        maker = vehicles.cone if rng.random() < 0.75 else vehicles.barrier
        step = rng.uniform(2, 6)
        s += step
        d += drift * step
        out.append(Mover(maker(rng), float(s), float(d), 0.0, rng.normal(0, 0.1)))
    return out


def posts(rng: np.random.Generator, layout: Layout, camera: Camera, urban: bool, drive: bool) -> tuple[Post, ...]:
    out: list[Post] = []
    left, right = layout.edges
    count = int(rng.choice([0, 1, 2, 3], p=[0.5, 0.2, 0.2, 0.1]))
    used: set[str] = set()
    for _ in range(count * (6 if drive else 1)):
        board = signs.random_board(rng, frozenset(used) if len(used) < 5 else frozenset())
        used.add(board.colour)
        s = float(rng.uniform(8, 800)) if drive else float(np.exp(rng.uniform(np.log(5), np.log(55))))
        if not urban and rng.random() < 0.2:
            out.append(
                Post(board, s + 15, rng.uniform(left, right), rng.uniform(5.4, 6.8), rng.uniform(0.7, 1.5), 0.0, False)
            )
            continue
        edge, outward = (right, 1) if rng.random() < 0.7 else (left, -1)
        d, up, half = edge + outward * rng.uniform(0.5, 4), rng.uniform(1.6, 3.2), rng.uniform(0.3, 0.75)
        out.append(Post(board, s, d, up, half, rng.normal(0, 0.15), True))
        while rng.random() < 0.3:
            up += 2.15 * half
            other = signs.random_board(rng, frozenset({board.colour}))
            out.append(Post(other, s - 0.01, d, up, half * rng.uniform(0.8, 1.0), out[-1].turn, False))
    if not drive and rng.random() < 0.14:
        out += close_ups(rng, camera, int(rng.integers(1, 3)))
    for _ in range(int(rng.integers(1, 4)) if rng.random() < (0.28 if urban else 0.03) else 0):
        state = str(rng.choice(["red", "yellow", "green", "off"], p=[0.36, 0.2, 0.34, 0.1]))
        over = rng.random() < 0.5
        d = rng.uniform(left, right) if over else rng.choice([left - 1, right + 1])
        out.append(
            Post(
                state,
                float(rng.uniform(8, 45)),
                float(d),
                rng.uniform(4.5, 6) if over else rng.uniform(2.4, 3.4),
                rng.uniform(0.8, 1.1),
                rng.normal(0, 0.1),
                True,
            )
        )
    return tuple(replace(post, look=int(rng.integers(2**31))) for post in out)


def close_ups(rng: np.random.Generator, camera: Camera, count: int) -> list[Post]:
    """Signs and lights right before the camera, up to a quarter of the image, as in photographs of signs."""
    out = []
    for _ in range(count):
        pixel = (rng.uniform(0.1, 0.9) * camera.width, rng.uniform(0.1, 0.75) * camera.height)
        share = float(np.exp(rng.uniform(np.log(0.08), np.log(0.55))))
        lit = rng.random() < 0.3
        thing = str(rng.choice(["red", "yellow", "green", "off"])) if lit else signs.random_board(rng)
        half = 1.0 if lit else 0.4
        span = half if lit else 2 * half
        out.append(
            Post(
                thing,
                camera.focal[1] * span / (share * camera.height),
                0.0,
                0.0,
                half,
                rng.normal(0, 0.25),
                rng.random() < 0.5,
                pixel,
            )
        )
    return out
