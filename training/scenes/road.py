"""The course of a road in metres: a centre line with curvature and hills, and where it lies before the camera.

Along the road s, across it d (to the right positive), both in metres; s = 0 is where the camera stands.
"""

from __future__ import annotations

from dataclasses import dataclass
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


def random_course(rng: np.random.Generator, kind: str, long: bool = False) -> Course:
    """A clothoid for one picture, or bends that go on for a drive."""
    hills = None
    if rng.random() < 0.6:
        wave = rng.uniform(2 * np.pi / 500, 2 * np.pi / 110, 2)
        hills = np.stack([rng.normal(0, 0.0007, 2) / wave**2, wave, rng.uniform(0, 6.3, 2)], axis=1)
    if long:
        wave = np.array([2 * np.pi / 400, 2 * np.pi / 170])
        bends = np.stack([rng.uniform(0.0004, 0.0022, 2), wave, rng.uniform(0, 6.3, 2)], axis=1)
        return Course(bends=bends, hills=hills)
    scale = {"highway": 0.0022, "street": 0.02 if rng.random() < 0.25 else 0.004}.get(kind, 0.006)
    return Course(rng.normal(0, scale), rng.normal(0, scale / 60), None, hills)
