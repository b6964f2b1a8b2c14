"""The road in metres: a centre line with curvature and hills, lanes beside it, and the lines between them.

Along the road s, across it d (to the right positive), both in metres; s = 0 is where the camera stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BEHIND, AHEAD = -10.0, 190.0
CYCLE = 165.0
REACH = 150.0
"""metres to which the road is drawn"""
STATIONS = np.concatenate([np.arange(-3.0, 6.0, 0.5), np.geomspace(6.0, 150.0, 42)])
"""s in metres at which long strips are bent"""


@dataclass(frozen=True)
class Course:
    """Curvature k(s) in 1/m and height h(s) in m of an endless road: a clothoid plus sines."""

    curvature: float = 0.0
    curvature_rate: float = 0.0
    bends: NDArray[np.float64] | None = None
    """(N, 3) amplitude 1/m, wave number 1/m, phase"""
    hills: NDArray[np.float64] | None = None
    """(N, 3) amplitude m, wave number 1/m, phase"""
    start: float = 0.0
    """s of the course where the first frame is taken"""

    def seen_from(self, s0: float, d0: float, heading: float, altitude: float) -> Road:
        """The road around a camera at s0, d0 metres right of the centre line and turned right by heading (rad)."""
        s = np.arange(BEHIND, AHEAD + 1.0)
        bend = self.curvature + self.curvature_rate * s
        if self.bends is not None:
            amplitude, wave, phase = (column[:, None] for column in self.bends.T)
            bend = bend + (amplitude * np.sin(wave * (s0 + s) + phase)).sum(0)
        zero = int(np.searchsorted(s, 0.0))
        turn = np.cumsum(bend) - bend / 2
        turn = turn - turn[zero] - heading
        x, z = np.cumsum(np.sin(turn)), np.cumsum(np.cos(turn))
        x, z = x - x[zero] - d0 * np.cos(heading), z - z[zero] - d0 * np.sin(heading)
        height = np.zeros_like(s)
        if self.hills is not None:
            amplitude, wave, phase = (column[:, None] for column in self.hills.T)
            height = (
                amplitude
                * (np.sin(wave * (s0 + s) + phase) - np.sin(wave * s0 + phase) - wave * s * np.cos(wave * s0 + phase))
            ).sum(0)
        return Road(s, x, z, turn, height, s0, altitude, s0 - self.start)


@dataclass(frozen=True, eq=False)
class Road:
    """The road as the car stands on it: tables by s of position x, z, heading and height, each (N,)."""

    s: NDArray[np.float64]
    x: NDArray[np.float64]
    z: NDArray[np.float64]
    heading: NDArray[np.float64]
    height: NDArray[np.float64]
    origin: float
    """s of the course at the camera: what is painted on the road is anchored to course s"""
    altitude: float
    """of the camera, metres"""
    moved: float = 0.0
    """metres driven since the first frame"""

    @cached_property
    def reach(self) -> float:
        """Metres to which the road runs ahead before it turns out of sight."""
        away = np.flatnonzero((np.abs(self.heading) > 1.25) & (self.s > 0))
        return min(REACH, float(self.s[away[0]]) if len(away) else REACH)

    def at(self, s: NDArray[np.floating], d: NDArray[np.floating] | float, up: float = 0.0) -> NDArray[np.float64]:
        """Points (..., 3) in the vehicle frame at s, d metres and a height above the ground."""
        place = np.maximum(np.minimum(s - self.s[0], len(self.s) - 1.001), 0)
        index = place.astype(int)
        row = self._table[index] + self._steps[index] * (place - index)[..., None]
        x = row[..., 0] + d * row[..., 3]
        out = np.empty((*x.shape, 3))
        out[..., 0] = x
        out[..., 1] = row[..., 1] + up
        out[..., 2] = row[..., 2] - d * row[..., 4]
        return out

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        return np.stack([self.x, self.height, self.z, np.cos(self.heading), np.sin(self.heading)], axis=1)

    @cached_property
    def _steps(self) -> NDArray[np.float64]:
        return np.diff(self._table, axis=0, append=self._table[-1:])

    @cached_property
    def stations(self) -> NDArray[np.float64]:
        """The s (N,) of STATIONS within reach and not behind a crest."""
        s = STATIONS[self.reach >= STATIONS]
        return s[self.visible(s)]

    @cached_property
    def elevation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distances z and the slope at which ground is seen there, both (N,) and rising: crests hide what is behind."""
        z = np.geomspace(0.8, 1500.0, 160)
        slope = (np.interp(z, self.z, self.height) - self.altitude) / z
        return z, np.maximum.accumulate(slope) + np.arange(len(z)) * 1e-9

    def placed(self, s: float) -> float:
        """Where a thing is now that stood at s in the first frame; what was passed comes again after CYCLE metres."""
        return float((s - self.moved + 10.0) % CYCLE - 10.0)

    def lap(self, s: float) -> int:
        """How often a thing that stood at s has been passed and come again: it is another thing to whoever watches."""
        return -int((s - self.moved + 10.0) // CYCLE)

    def visible(self, s: NDArray[np.floating], lift: float = 0.0) -> NDArray[np.bool_]:
        """Whether a point at s, lift metres above the ground, is not behind a crest."""
        z = np.interp(s, self.s, self.z)
        own = (np.interp(s, self.s, self.height) + lift - self.altitude) / np.maximum(z, 0.5)
        return own >= np.interp(z * 0.97, *self.elevation) - 1e-4


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
    highway: bool
    other: tuple[float, float] | None = None
    """d of the edges of a second carriageway"""

    @property
    def edges(self) -> tuple[float, float]:
        """d of the paved edges."""
        return self.borders[0] - self.left.shoulder, self.borders[-1] + self.right.shoulder

    def centre(self, lane: int) -> float:
        """d of the middle of a lane."""
        return (self.borders[lane] + self.borders[lane + 1]) / 2


def random_course(rng: np.random.Generator, highway: bool, long: bool = False) -> Course:
    """A clothoid for one picture, or bends that go on for a drive."""
    hills = None
    if rng.random() < 0.6:
        wave = rng.uniform(2 * np.pi / 500, 2 * np.pi / 110, 2)
        hills = np.stack([rng.normal(0, 0.0007, 2) / wave**2, wave, rng.uniform(0, 6.3, 2)], axis=1)
    if long:
        wave = np.array([2 * np.pi / 400, 2 * np.pi / 170])
        bends = np.stack([rng.uniform(0.0004, 0.0022, 2), wave, rng.uniform(0, 6.3, 2)], axis=1)
        return Course(bends=bends, hills=hills)
    scale = 0.0022 if highway else 0.006
    return Course(rng.normal(0, scale), rng.normal(0, scale / 60), None, hills)


def random_layout(rng: np.random.Generator, highway: bool) -> Layout:
    """Lanes, lines and sides of one road somewhere in the world; left-hand traffic is the mirror image."""
    width = rng.uniform(3.2, 4.0) if highway else rng.uniform(2.7, 3.7)
    divided = rng.random() < (0.75 if highway else 0.25)
    oneway = divided or rng.random() < 0.1
    lanes = int(
        rng.choice(
            [1, 2, 3, 4, 5, 6], p=[0.03, 0.34, 0.33, 0.18, 0.08, 0.04] if oneway else [0.0, 0.58, 0.14, 0.24, 0.0, 0.04]
        )
    )
    against = 0 if oneway else lanes // 2
    widths = width * rng.uniform(0.95, 1.05, lanes)
    borders = np.concatenate([[0.0], np.cumsum(widths)])
    own = int(rng.integers(against, lanes))
    borders = borders - (borders[own] + borders[own + 1]) / 2
    lines = _lines(rng, borders, against, highway, divided)
    kinds = ["grass", "gravel", "curb", "sand"]
    chance = [0.45, 0.3, 0.05, 0.2] if highway else [0.25, 0.15, 0.55, 0.05]
    left = Side(
        _shoulder(rng, highway) * (0.6 if divided else 1),
        str(rng.choice(kinds, p=chance)),
        _barrier(rng, highway, divided),
        rng.uniform(0.2, 1.2),
    )
    right = Side(
        _shoulder(rng, highway), str(rng.choice(kinds, p=chance)), _barrier(rng, highway, False), rng.uniform(0.3, 2.0)
    )
    lines = tuple(
        _at_edge(line, left if line.d == borders[0] else right, -1 if line.d == borders[0] else 1) for line in lines
    )
    other = None
    if divided and rng.random() < 0.6:
        start = borders[0] - left.shoulder - rng.uniform(1.5, 14.0)
        other = (start - rng.uniform(7.5, 15.0), start)
        lines = (*_other_lines(rng, other, lines), *lines)
    layout = Layout(
        tuple(borders), tuple([-1] * against + [1] * (lanes - against)), own, lines, left, right, highway, other
    )
    return mirrored(layout) if rng.random() < 0.2 else layout


def mirrored(layout: Layout) -> Layout:
    """The same road for the other hand of traffic."""
    lines = tuple(replace(line, d=-line.d) for line in layout.lines[::-1])
    other = None if layout.other is None else (-layout.other[1], -layout.other[0])
    return Layout(
        tuple(-d for d in layout.borders[::-1]),
        layout.directions[::-1],
        len(layout.directions) - 1 - layout.own,
        lines,
        layout.right,
        layout.left,
        layout.highway,
        other,
    )


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


def _shoulder(rng: np.random.Generator, highway: bool) -> float:
    if rng.random() < (0.6 if highway else 0.2):
        return float(rng.uniform(1.2, 3.5))
    return float(rng.uniform(0.1, 1.0))


def _barrier(rng: np.random.Generator, highway: bool, divided: bool) -> str:
    if rng.random() > (0.75 if divided else 0.35 if highway else 0.1):
        return ""
    return str(rng.choice(["rail", "jersey", "wall", "cable"], p=[0.45, 0.38, 0.07, 0.10]))


def _lines(
    rng: np.random.Generator, borders: NDArray[np.float64], against: int, highway: bool, divided: bool
) -> tuple[Line, ...]:
    count = len(borders)
    patterns = [(3.0, 9.0), (6.0, 6.0), (1.5, 4.5), (3.0, 6.0), (6.0, 12.0), (2.0, 4.0), (4.0, 8.0), (3.0, 3.0)]
    dash = patterns[int(rng.choice(len(patterns), p=[0.38, 0.1, 0.08, 0.12, 0.1, 0.08, 0.08, 0.06]))]
    width = float(rng.choice([0.10, 0.12, 0.15, 0.20, 0.28], p=[0.28, 0.3, 0.25, 0.12, 0.05]))
    strength = float(np.clip(rng.beta(4, 1.5), 0.15, 1.0))
    yellow = rng.random() < 0.55
    unpainted = rng.random() < (0.02 if highway else 0.15)
    edged = rng.random() < (0.96 if highway else 0.55)
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
            lines.append(Line(float(d), "dots white", 0.1, (0.11, float(rng.choice([1.2, 2.4])), phase), fade))
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
    kind = str(rng.choice(["double", "solid", "dashed", "dots"], p=[0.42, 0.2, 0.33, 0.05]))
    if kind == "double":
        return Line(d, f"double {colour}", width, None, fade, float(rng.uniform(0.08, 0.2)))
    if kind == "dashed":
        return Line(d, f"dashed {colour}", width, (*dash, phase), fade)
    if kind == "dots":
        return Line(d, f"dots {colour}", 0.1, (0.11, 1.2, phase), fade)
    return Line(d, f"solid {colour}", width, None, fade)
