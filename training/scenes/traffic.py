"""Who is on the road and what stands beside it: movers, parked cars, work zones, signs and lights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import blockage, signs
from .camera import Camera
from .catalogue import pick
from .chance import chosen
from .layout import Layout
from .mover import Mover, Post


def movers(rng: np.random.Generator, layout: Layout, urban: bool, speed: float) -> tuple[Mover, ...]:
    """Traffic in every lane, parked cars, people, work zones, and what blocks the road."""
    amount = float(chosen(rng, [0.0, 0.35, 0.8, 2.2], [0.17, 0.29, 0.29, 0.25]))
    out: list[Mover] = []
    for lane, way in enumerate(layout.directions):
        s = rng.uniform(4, 30) if lane != layout.own else rng.uniform(6, 45)
        pace = way * speed * (1.0 if lane == layout.own else float(rng.uniform(0.85, 1.2)))
        for _ in range(int(rng.poisson(1.6 * amount))):
            label = chosen(rng, ["car", "truck", "bus", "motorcycle", "bicycle"], [0.62, 0.18, 0.07, 0.07, 0.06])
            body = pick(label, rng)
            turn = 0.0 if way > 0 else np.pi
            at = s + (body.size[2] if way < 0 else 0)
            out.append(Mover(body, at, layout.centre(lane) + rng.normal(0, 0.25), pace, turn + rng.normal(0, 0.02)))
            s += body.size[2] + rng.uniform(4, 45)
    if urban:
        chance = 0.6 if layout.kind == "street" else 0.3
        for edge, outward in ((layout.edges[1], 1), (layout.edges[0], -1)):
            if rng.random() < chance:
                out += _parked(rng, edge, outward)
    for _ in range(int(rng.poisson(1.3 if urban else 0.15))):
        body = pick(chosen(rng, ["pedestrian", "bicycle", "animal"], [0.76, 0.14, 0.1]), rng)
        edge, outward = (layout.edges[1], 1) if rng.random() < 0.55 else (layout.edges[0], -1)
        d = edge + outward * rng.gamma(2, 0.9) if rng.random() < 0.8 else rng.uniform(*layout.edges)
        out.append(Mover(body, float(rng.uniform(5, 40)), float(d), float(rng.normal(0, 0.8)), rng.uniform(-3.1, 3.1)))
    if rng.random() < 0.06:
        out += _work_zone(rng, layout)
    if rng.random() < 0.04:
        out.append(
            Mover(
                pick("debris", rng),
                float(rng.uniform(6, 35)),
                float(rng.uniform(*layout.edges)),
                0.0,
                rng.uniform(-3, 3),
            )
        )
    return tuple(replace(mover, smeared=rng.random() < 0.12) for mover in blockage.closures(rng, layout, out))


def _parked(rng: np.random.Generator, edge: float, outward: int) -> list[Mover]:
    """A row of cars along the edge of the road, some of them half on the kerb."""
    d, s, out = edge - outward * rng.uniform(0.9, 1.3), rng.uniform(3, 12), []
    d += outward * 1.2 * (rng.random() < 0.25)
    gap = rng.uniform(0.8, 3) if rng.random() < 0.5 else rng.uniform(3, 15)
    away = 0.0 if outward > 0 or rng.random() < 0.4 else np.pi
    for _ in range(int(rng.integers(1, 9))):
        body = pick("truck" if rng.random() < 0.06 else "car", rng)
        rear = s if away == 0 else s + body.size[2]
        out.append(Mover(body, rear, d + rng.normal(0, 0.08), 0.0, away + rng.normal(0, 0.03)))
        s += body.size[2] + rng.uniform(0.6, 1.4) * gap
    return out


def _work_zone(rng: np.random.Generator, layout: Layout) -> list[Mover]:
    s, d = rng.uniform(6, 20), layout.borders[int(rng.integers(len(layout.borders)))]
    drift, out = rng.normal(0, 0.08), []
    for _ in range(int(rng.integers(2, 8))):
        kind = "cone" if rng.random() < 0.75 else "barrier"
        step = rng.uniform(2, 6)
        s += step
        d += drift * step
        out.append(Mover(pick(kind, rng), float(s), float(d), 0.0, rng.normal(0, 0.1)))
    return out


def posts(rng: np.random.Generator, layout: Layout, camera: Camera, urban: bool, drive: bool) -> tuple[Post, ...]:
    out: list[Post] = []
    left, right = layout.edges
    """Signs of different colours beside and above the road, some held before the camera, and traffic lights."""
    count = int(chosen(rng, [0, 1, 2, 3, 4], [0.47, 0.15, 0.19, 0.13, 0.06]))
    used: set[str] = set()
    for _ in range(count * (6 if drive else 1)):
        board = signs.random_board(rng, frozenset(used) if len(used) < 5 else frozenset())
        used.add(board.colour)
        s = float(rng.uniform(8, 800)) if drive else float(np.exp(rng.uniform(np.log(5), np.log(45))))
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
        state = chosen(rng, ["red", "yellow", "green", "off"], [0.36, 0.2, 0.34, 0.1])
        over = rng.random() < 0.5
        d = rng.uniform(left, right) if over else chosen(rng, [left - 1, right + 1])
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
    return tuple(
        replace(post, look=int(rng.integers(2**31)), covered=rng.random() < 0.2 and not isinstance(post.thing, str))
        for post in out
    )


def close_ups(rng: np.random.Generator, camera: Camera, count: int) -> list[Post]:
    """Signs and lights right before the camera, up to a quarter of the image, as in photographs of signs."""
    out = []
    for _ in range(count):
        pixel = (rng.uniform(0.1, 0.9) * camera.width, rng.uniform(0.1, 0.75) * camera.height)
        share = float(np.exp(rng.uniform(np.log(0.08), np.log(0.55))))
        lit = rng.random() < 0.3
        thing = chosen(rng, ["red", "yellow", "green", "off"]) if lit else signs.random_board(rng)
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
