"""What closes lanes: rows of cones and barriers, vehicles that stand across them; and what is true of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .catalogue import pick
from .chance import chosen
from .layout import Layout
from .mover import Mover
from .things import Thing

SIGHT = 50.0
"""metres to which a closed lane counts"""


def closures(rng: np.random.Generator, layout: Layout, movers: Sequence[Mover]) -> list[Mover]:
    """The movers, and in every third scene a row of things across some lanes or all, with nobody driving before it."""
    kind = rng.random()
    if kind > 0.34:
        return list(movers)
    same = [lane for lane, way in enumerate(layout.directions) if way > 0]
    lanes = same if rng.random() < 0.4 else list(range(len(layout.directions)))
    if kind > 0.17:
        count = int(rng.integers(1, max(2, len(lanes))))
        lanes = [lane for lane in lanes[:count] if lanes[:count] != same] or _half(rng, layout)
    start = float(rng.uniform(7, 26))
    row = _row(rng, layout, lanes, start) if lanes else _narrowed(rng, layout, start)
    kept = [m for m in movers if not (_lane(layout, m.d) in lanes and -5 < m.s < start + 18)]
    return kept + row


def _half(rng: np.random.Generator, layout: Layout) -> list[int]:
    """On a road with one lane each way: the other one is closed, or only a part of the own one."""
    against = [lane for lane, way in enumerate(layout.directions) if way < 0]
    return against if rng.random() < 0.5 else []


def _narrowed(rng: np.random.Generator, layout: Layout, start: float) -> list[Mover]:
    """Things along one side of the own lane that leave room beside them."""
    side = layout.borders[layout.own + 1] - 0.35
    kind = chosen(rng, ["cone", "debris"], [0.6, 0.4])
    return [
        Mover(pick(kind, rng), start + step * rng.uniform(1.5, 3.5), float(side + rng.normal(0, 0.1)), blocks=True)
        for step in range(int(rng.integers(1, 5)))
    ]


def _row(rng: np.random.Generator, layout: Layout, lanes: Sequence[int], start: float) -> list[Mover]:
    """Cones, barriers, water-filled walls or vehicles standing across lanes."""
    out: list[Mover] = []
    kind = chosen(rng, ["cone", "barrier", "water barrier", "vehicle"], [0.35, 0.25, 0.2, 0.2])
    slant = rng.uniform(-0.6, 0.6)
    for lane in lanes:
        low, high = layout.borders[lane], layout.borders[lane + 1]
        if kind == "vehicle":
            body = pick(chosen(rng, ["car", "truck"], [0.75, 0.25]), rng)
            turn = float(chosen(rng, [-1, 1]) * rng.uniform(0.7, 1.7))
            back = body.size[2] / 2 * np.sin(turn)
            out.append(Mover(body, start + rng.uniform(0, 3), float((low + high) / 2 - back), turn=turn, blocks=True))
            continue
        first = pick(kind, rng)
        step = max(first.size[0] * 1.15, 0.8)
        for d in np.arange(low + step / 2, high, step):
            s = start + slant * (d - layout.borders[0])
            out.append(Mover(first, float(s), float(d), turn=float(rng.normal(0, 0.08)), blocks=True))
    return [replace(one, s=max(one.s, 5.0)) for one in out]


def _lane(layout: Layout, d: float) -> int:
    return int(np.searchsorted(layout.borders, d)) - 1


def truth(layout: Layout, movers: Sequence[Mover], things: Sequence[Thing]) -> str:
    """open, partly blocked or blocked: whether what stands there in sight leaves a lane of the own direction free."""
    closed, touched = set[int](), False
    for thing in things:
        mover = movers[thing.track % 1000] if thing.kind == "obstacle" else None
        if mover is None or mover.speed != 0 or thing.distance_m > SIGHT:
            continue
        middle = mover.middle
        if not layout.borders[0] < middle < layout.borders[-1]:
            continue
        if not mover.blocks and mover.body.label not in ("cone", "barrier", "debris", "animal"):
            continue
        lane = _lane(layout, middle)
        touched = True
        wide = layout.borders[lane + 1] - layout.borders[lane]
        if mover.body.label not in ("debris", "animal") and abs(middle - layout.centre(lane)) < wide / 2 - 0.5:
            closed.add(lane)
    same = {lane for lane, way in enumerate(layout.directions) if way > 0}
    return "blocked" if same <= closed else "partly blocked" if touched else "open"
