"""Where the edge of a road opens: lanes that are added or end, exits and merges, side roads and driveways.

Along the road these are placed in metres ahead of where the camera stands in the first frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .chance import chosen

if TYPE_CHECKING:
    from .layout import Layout

FAR = 400.0
"""metres: beyond everything that is drawn"""


@dataclass(frozen=True)
class Ramp:
    """Extra pavement along one edge. Profiles are (N, 2): metres ahead, rising, and metres outward from the edge."""

    side: int
    """-1 on the left, 1 on the right"""
    outer: NDArray[np.float64]
    inner: NDArray[np.float64] | None
    """of a ramp that leaves the road behind a gore; None for a lane that only begins or ends"""
    gore: float
    """metres ahead where ramp and road part"""
    merge: bool
    """True for traffic that comes in: the ramp then lies before the gore"""

    def pavement(self, ahead: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Metres outward (N,) from the road's border at which the ramp's lane begins and ends."""
        outer = np.interp(ahead, *self.outer.T)
        inner = np.zeros_like(outer) if self.inner is None else np.interp(ahead, *self.inner.T)
        return inner, outer


@dataclass(frozen=True)
class Crossing:
    """A side road or a driveway: everything between ahead - width/2 and ahead + width/2, outward from an edge."""

    ahead: float
    width: float
    left: bool
    right: bool
    reach: float
    """metres outward"""
    flare: float
    """metres by which each corner is rounded off"""
    drive: bool
    """a driveway: paved, and not part of the road"""


def random_ramp(rng: np.random.Generator, lane: float) -> Ramp:
    """A lane of a width that begins or ends on the right, half of the time as an exit or a merge with a gore."""
    taper, aside, spread = rng.uniform(25, 70), rng.uniform(15, 70), rng.uniform(8, 22)
    begins = float(rng.uniform(-40, 45))
    opened = begins + taper
    gore = opened + aside
    diverge = np.linspace(0, 1, 9)
    along = gore + diverge * rng.uniform(60, 120)
    apart = spread * diverge**2
    with_gore = rng.random() < 0.6
    outer = np.array([[begins - FAR, 0.0], [begins, 0.0], [begins + taper / 2, lane / 2], [opened, lane]])
    if with_gore:
        outer = np.concatenate([outer, np.stack([along, lane + apart], 1)])
    else:
        outer = np.concatenate([outer, [[FAR, lane]]])
    inner = np.concatenate([[[begins, 0.0]], np.stack([along, apart], 1)]) if with_gore else None
    if rng.random() < 0.5:
        return Ramp(1, outer, inner, gore, False)
    shift = float(rng.uniform(50, 110))
    return Ramp(1, _turned(outer, shift), None if inner is None else _turned(inner, shift), shift - gore, True)


def _turned(profile: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """A profile seen from its other end."""
    return profile[::-1] * [-1, 1] + [shift, 0]


def with_ramp(rng: np.random.Generator, layout: Layout, ramp: Ramp) -> Layout:
    """The layout with a ramp on its right: its edge line goes round it, and new lines bound what it opens."""
    border = layout.borders[-1]
    edge = next((line for line in layout.lines if line.d >= border), None)
    if edge is None:
        return layout
    others = [line for line in layout.lines if line is not edge]
    painted = [line for line in layout.lines if line.width > 0]
    lines = [*others, replace(edge, shift=ramp.outer)]
    dash = (float(chosen(rng, [1.0, 2.0, 3.0])), float(chosen(rng, [2.0, 3.0, 6.0])), 0.0)
    opened = float(ramp.outer[np.argmax(ramp.outer[:, 1] > 1.0), 0]) if not ramp.merge else -FAR
    if painted:
        width, strength = painted[-1].width, painted[-1].strength
        apart = (-FAR, ramp.gore) if ramp.merge else (ramp.gore, FAR)
        until = float(ramp.outer[ramp.outer[:, 1] > 1.0][-1, 0]) if ramp.merge else FAR
        beside = (ramp.gore, until) if ramp.merge else (opened, ramp.gore if ramp.inner is not None else FAR)
        if ramp.inner is None:
            beside = (-FAR, until) if ramp.merge else (opened, FAR)
        model = edge if edge.width > 0 else painted[-1]
        lines.append(replace(model, d=border, label="dashed white", dash=dash, gap=0.0, span=beside, strength=strength))
        if ramp.inner is not None:
            solid = replace(model, d=border, label="solid white", dash=None, gap=0.0, span=apart, width=width)
            lines += [solid, replace(solid, shift=ramp.inner)]
    return replace(layout, lines=tuple(lines), ramp=ramp, right=replace(layout.right, barrier=""))


def random_junction(rng: np.random.Generator) -> Crossing:
    """A wide side road on both sides close ahead, as seen by a car that turns."""
    width = float(rng.uniform(8, 22))
    return Crossing(width / 2 + rng.uniform(2, 8), width, True, True, 60.0, rng.uniform(2, 7), False)


def random_crossings(rng: np.random.Generator, kind: str) -> tuple[Crossing, ...]:
    """Side roads, more of them in towns, and driveways along streets where people live."""
    chance = {"highway": 0.02, "rural": 0.25, "urban": 0.5, "street": 0.5}[kind]
    out = []
    if rng.random() < chance:
        both = rng.random() < 0.5
        left = both or rng.random() < 0.5
        wide = rng.uniform(4.5, 9.0) if kind in ("rural", "street") else rng.uniform(6.0, 18.0)
        wide *= 1.8 if kind == "urban" and rng.random() < 0.2 else 1.0
        out.append(
            Crossing(
                float(rng.uniform(8, 55)), wide, left, both or not left, rng.uniform(25, 60), rng.uniform(0.5, 5), False
            )
        )
    for _ in range(int(rng.integers(0, 6)) if kind == "street" or rng.random() < 0.15 else 0):
        left = rng.random() < 0.5
        out.append(
            Crossing(
                float(rng.uniform(4, 60)), rng.uniform(2.5, 5.5), left, not left, rng.uniform(5, 16), rng.uniform(0, 1),
                True,
            )
        )  # fmt: skip
    return tuple(out)
