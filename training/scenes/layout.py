"""The cross-section of a road: its lanes, the lines between them, what lies beside it, and where its edge opens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .chance import chosen
from .markings import Line, lines_beyond, random_lines
from .openings import Crossing, Ramp, random_crossings, random_ramp, with_ramp


@dataclass(frozen=True)
class Side:
    """What lies beside the lanes: paved shoulder, then an edge, then maybe a barrier."""

    shoulder: float
    kind: str
    """grass, gravel, curb, sand, snow"""
    barrier: str = ""
    """rail, jersey, wall, cable or none"""
    setback: float = 0.6


@dataclass(frozen=True)
class Layout:
    """The cross-section of the road, left to right."""

    borders: tuple[float, ...]
    """d of the lane boundaries, lanes + 1 of them"""
    directions: tuple[int, ...]
    """+1 with the camera's car, -1 against it, for each lane"""
    own: int
    lines: tuple[Line, ...]
    left: Side
    right: Side
    kind: str
    """highway, rural, urban or street: where people live"""
    other: tuple[float, float] | None = None
    """d of the edges of a second carriageway"""
    ramp: Ramp | None = None
    crossings: tuple[Crossing, ...] = ()

    @property
    def highway(self) -> bool:
        return self.kind == "highway"

    @property
    def edges(self) -> tuple[float, float]:
        """d of the paved edges."""
        return self.borders[0] - self.left.shoulder, self.borders[-1] + self.right.shoulder

    def centre(self, lane: int) -> float:
        """d of the middle of a lane."""
        return (self.borders[lane] + self.borders[lane + 1]) / 2


def random_layout(rng: np.random.Generator, kind: str) -> Layout:
    """Lanes, lines and sides of one road of a kind somewhere in the world; left-hand traffic is the mirror image."""
    highway = kind == "highway"
    width = rng.uniform(*{"highway": (3.2, 4.0), "street": (2.5, 3.5)}.get(kind, (2.7, 3.7)))
    divided = rng.random() < {"highway": 0.75, "rural": 0.1, "urban": 0.25, "street": 0.0}[kind]
    oneway = divided or rng.random() < 0.1
    chances = [0.05, 0.34, 0.33, 0.17, 0.07, 0.04] if oneway else [0.0, 0.58, 0.14, 0.22, 0.02, 0.04]
    if kind in ("street", "rural") and not divided:
        chances = [0.7, 0.3, 0, 0, 0, 0] if oneway else [0.0, 0.97, 0.0, 0.03, 0.0, 0.0]
    lanes = int(chosen(rng, [1, 2, 3, 4, 5, 6], chances))
    against = 0 if oneway else lanes // 2
    widths = width * rng.uniform(0.95, 1.05, lanes)
    borders = np.concatenate([[0.0], np.cumsum(widths)])
    own = int(rng.integers(against, lanes))
    borders = borders - (borders[own] + borders[own + 1]) / 2
    lines = random_lines(rng, borders, against, kind, divided)
    left = Side(
        _shoulder(rng, kind) * (0.6 if divided else 1), _verge(rng, kind), _barrier(rng, highway, divided),
        rng.uniform(0.2, 1.2),
    )  # fmt: skip
    right = Side(_shoulder(rng, kind), _verge(rng, kind), _barrier(rng, highway, False), rng.uniform(0.3, 2.0))
    if kind == "street" and rng.random() < 0.7:
        left = replace(right, shoulder=_shoulder(rng, kind))
    lines = tuple(
        _at_edge(line, left if line.d == borders[0] else right, -1 if line.d == borders[0] else 1) for line in lines
    )
    other = None
    if divided and rng.random() < 0.6:
        start = borders[0] - left.shoulder - rng.uniform(1.5, 14.0)
        other = (start - rng.uniform(7.5, 15.0), start)
        lines = (*lines_beyond(rng, other, lines), *lines)
    crossings = random_crossings(rng, kind)
    layout = Layout(
        tuple(borders), tuple([-1] * against + [1] * (lanes - against)), own, lines, left, right, kind, other,
        crossings=crossings,
    )  # fmt: skip
    if rng.random() < {"highway": 0.22, "rural": 0.04, "urban": 0.1, "street": 0.0}[kind]:
        layout = with_ramp(rng, layout, random_ramp(rng, width))
    return mirrored(layout) if rng.random() < 0.2 else layout


def mirrored(layout: Layout) -> Layout:
    """The same road for the other hand of traffic."""
    lines = tuple(
        replace(line, d=-line.d, shift=None if line.shift is None else line.shift * [1, -1])
        for line in layout.lines[::-1]
    )
    return replace(
        layout,
        borders=tuple(-d for d in layout.borders[::-1]),
        directions=layout.directions[::-1],
        own=len(layout.directions) - 1 - layout.own,
        lines=lines,
        left=layout.right,
        right=layout.left,
        other=None if layout.other is None else (-layout.other[1], -layout.other[0]),
        ramp=None if layout.ramp is None else replace(layout.ramp, side=-layout.ramp.side),
        crossings=tuple(replace(one, left=one.right, right=one.left) for one in layout.crossings),
    )


def _verge(rng: np.random.Generator, kind: str) -> str:
    chance = {
        "highway": [0.45, 0.3, 0.05, 0.2],
        "rural": [0.5, 0.3, 0.05, 0.15],
        "urban": [0.15, 0.1, 0.72, 0.03],
        "street": [0.2, 0.08, 0.7, 0.02],
    }[kind]
    return chosen(rng, ["grass", "gravel", "curb", "sand"], chance)


def _at_edge(line: Line, side: Side, outward: int) -> Line:
    """An unpainted outer line moved to where the pavement ends and named by what it is; others stay."""
    if line.width > 0:
        return line
    return replace(line, d=line.d + outward * side.shoulder, label="curb" if side.kind == "curb" else "edge")


def _shoulder(rng: np.random.Generator, kind: str) -> float:
    """Metres of pavement beside the lanes: a hard shoulder, or room to park along a street."""
    if rng.random() < {"highway": 0.6, "rural": 0.15, "urban": 0.3, "street": 0.6}[kind]:
        return float(rng.uniform(1.9, 2.5) if kind == "street" else rng.uniform(1.2, 3.5))
    return float(rng.uniform(0.1, 1.0))


def _barrier(rng: np.random.Generator, highway: bool, divided: bool) -> str:
    if rng.random() > (0.75 if divided else 0.35 if highway else 0.1):
        return ""
    return chosen(rng, ["rail", "jersey", "wall", "cable"], [0.45, 0.38, 0.07, 0.10])
