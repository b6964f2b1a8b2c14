"""The lines painted along a road: where each lies, how it is dashed and worn, and what the truth calls it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chance import chosen


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


def dash_spans(line: Line, origin: float, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start and end (N,) of the painted pieces of a dashed line, in s from the camera; they lie still on the course."""
    on, gap, phase = line.dash or (1.0, 0.0, 0.0)
    first = np.floor((origin - 6 - phase) / (on + gap))
    start = phase + (first + np.arange(int((reach + 6) / (on + gap)) + 2)) * (on + gap) - origin
    return start, start + on


def random_lines(
    rng: np.random.Generator, borders: NDArray[np.float64], against: int, kind: str, divided: bool
) -> tuple[Line, ...]:
    """Lines at the lane boundaries (N,), left to right; `against` of the lanes between them lead the other way."""
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


def lines_beyond(rng: np.random.Generator, other: tuple[float, float], lines: tuple[Line, ...]) -> list[Line]:
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
