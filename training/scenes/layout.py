"""The cross-section of a road: its lanes, the lines between them, what lies beside it, and where its edge opens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .chance import chosen
from .openings import Crossing, Ramp, random_crossings, random_ramp, with_ramp


@dataclass(frozen=True)
class Line:
    """A painted line (or an unpainted edge, width 0) at d metres; label as the truth says it."""

    d: float
    label: str
    width: float = 0.12
    dash: tuple[float, float, float] | None = None
    """painted metres, gap metres, phase metres"""
    strength: float = 1.0
    gap: float = 0.0
    """metres between the two stripes of a double line"""
    span: tuple[float, float] = (-np.inf, np.inf)
    """metres ahead in the first frame between which there is a line"""
    shift: NDArray[np.float64] | None = None
    """(N, 2) metres ahead in the first frame, and by how many metres the line then lies further right"""

    def across(self, ahead: NDArray[np.float64]) -> NDArray[np.float64] | float:
        """d at so many metres ahead in the first frame."""
        return self.d if self.shift is None else self.d + np.interp(ahead, *self.shift.T)


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
    lines = _lines(rng, borders, against, kind, divided)
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
        lines = (*_other_lines(rng, other, lines), *lines)
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


def _other_lines(rng: np.random.Generator, other: tuple[float, float], lines: tuple[Line, ...]) -> list[Line]:
    """Lines of the second carriageway, painted as on the first."""
    painted = [line for line in lines if line.width > 0]
    if not painted:
        return []
    model = painted[0]
    inner, outer = rng.uniform(0.4, 1.5), rng.uniform(0.4, 2.0)
    dash = next((line.dash for line in painted if line.dash), (3.0, 9.0, 0.0))
    low, high = other[0] + outer, other[1] - inner
    lanes = max(1, round((high - low) / 3.6))
    middle = [
        Line(float(d), "dashed white", model.width, dash, model.strength)
        for d in np.linspace(low, high, lanes + 1)[1:-1]
    ]
    return [
        Line(low, "solid white", model.width, None, model.strength),
        *middle,
        Line(high, model.label if model.dash is None else "solid white", model.width, None, model.strength),
    ]


def _shoulder(rng: np.random.Generator, kind: str) -> float:
    """Metres of pavement beside the lanes: a hard shoulder, or room to park along a street."""
    if rng.random() < {"highway": 0.6, "rural": 0.15, "urban": 0.3, "street": 0.6}[kind]:
        return float(rng.uniform(1.9, 2.5) if kind == "street" else rng.uniform(1.2, 3.5))
    return float(rng.uniform(0.1, 1.0))


def _barrier(rng: np.random.Generator, highway: bool, divided: bool) -> str:
    if rng.random() > (0.75 if divided else 0.35 if highway else 0.1):
        return ""
    return chosen(rng, ["rail", "jersey", "wall", "cable"], [0.45, 0.38, 0.07, 0.10])


def _lines(
    rng: np.random.Generator, borders: NDArray[np.float64], against: int, kind: str, divided: bool
) -> tuple[Line, ...]:
    count = len(borders)
    patterns = [(3.0, 9.0), (6.0, 6.0), (1.5, 4.5), (3.0, 6.0), (6.0, 12.0), (2.0, 4.0), (4.0, 8.0), (3.0, 3.0)]
    dash = patterns[int(chosen(rng, range(len(patterns)), [0.38, 0.1, 0.08, 0.12, 0.1, 0.08, 0.08, 0.06]))]
    width = float(chosen(rng, [0.10, 0.12, 0.15, 0.20, 0.28], [0.28, 0.3, 0.25, 0.12, 0.05]))
    strength = float(np.clip(rng.beta(4, 1.5), 0.15, 1.0))
    yellow = rng.random() < 0.55
    unpainted = rng.random() < {"highway": 0.02, "rural": 0.15, "urban": 0.2, "street": 0.6}[kind]
    edged = rng.random() < {"highway": 0.96, "rural": 0.65, "urban": 0.4, "street": 0.15}[kind]
    dots = rng.random() < 0.09
    lines = []
    for index, d in enumerate(borders):
        fade = strength * float(np.clip(rng.normal(1, 0.12), 0.3, 1.1))
        own = width * float(rng.uniform(0.9, 1.15))
        phase = float(rng.uniform(0, 30))
        outer = index in (0, count - 1)
        if unpainted or (outer and not edged):
            if outer:
                lines.append(Line(float(d), "edge", 0.0))
            continue
        if outer:
            first = index == 0 and divided and yellow
            broken = rng.random() < 0.04
            lines.append(
                Line(
                    float(d),
                    f"{'dashed' if broken else 'solid'} {'yellow' if first else 'white'}",
                    own,
                    (*dash, phase) if broken else None,
                    fade,
                )
            )
        elif index == against and against:
            lines.append(_middle(rng, float(d), own, dash, phase, fade, yellow))
        elif dots:
            lines.append(Line(float(d), "dots white", 0.1, (0.11, float(chosen(rng, [1.2, 2.4])), phase), fade))
        elif rng.random() < 0.1:
            double = rng.random() < 0.15
            lines.append(
                Line(float(d), "double white" if double else "solid white", own, None, fade, 0.12 if double else 0.0)
            )
        else:
            lines.append(Line(float(d), "dashed white", own, (*dash, phase), fade))
    return tuple(lines)


def _middle(
    rng: np.random.Generator, d: float, width: float, dash: tuple[float, float], phase: float, fade: float, yellow: bool
) -> Line:
    colour = "yellow" if yellow else "white"
    kind = chosen(rng, ["double", "solid", "dashed", "dots"], [0.42, 0.2, 0.33, 0.05])
    if kind == "double":
        return Line(d, f"double {colour}", width, None, fade, float(rng.uniform(0.08, 0.2)))
    if kind == "dashed":
        return Line(d, f"dashed {colour}", width, (*dash, phase), fade)
    if kind == "dots":
        return Line(d, f"dots {colour}", 0.1, (0.11, 1.2, phase), fade)
    return Line(d, f"solid {colour}", width, None, fade)
