"""Light and weather of one frame, as numbers the other modules draw with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chance import chosen


@dataclass(frozen=True)
class Mood:
    """Colours are RGB 0 to 255; gains multiply."""

    name: str
    """clear, cloudy, dusk, night, rain, fog or snow"""
    gain: NDArray[np.float64]
    """(3,) what the light does to every surface"""
    haze: NDArray[np.float64]
    """(3,) colour of the air far away"""
    visibility: float
    """metres after which a third of the contrast is left"""
    zenith: NDArray[np.float64]
    horizon: NDArray[np.float64]
    sun: tuple[float, float]
    """azimuth from ahead to the right, elevation; radians"""
    shadows: float
    """how dark cast shadows are: 0 none, 1 black"""
    surface: str
    """dry, wet, snow or ice"""
    against: float = 1.0
    """what is left of the light on upright things; little when a low sun stands behind them"""

    @property
    def upright(self) -> NDArray[np.float64]:
        """(3,) what the light does to surfaces that face the camera."""
        return self.gain * self.against

    @property
    def backlit(self) -> bool:
        """Whether things stand dark before a low sun."""
        return self.against < 0.6

    @property
    def dark(self) -> bool:
        """Whether lamps are on."""
        return self.name in ("night", "dusk", "rain", "fog", "snow")


COMMON = {"clear": 0.38, "cloudy": 0.25, "dusk": 0.08, "night": 0.11, "rain": 0.08, "fog": 0.03, "snow": 0.07}
SLIPPERY = {
    "clear": (0.78, 0.08, 0.06, 0.08),
    "cloudy": (0.5, 0.22, 0.14, 0.14),
    "dusk": (0.64, 0.18, 0.06, 0.12),
    "night": (0.52, 0.3, 0.06, 0.12),
    "rain": (0.0, 1.0, 0.0, 0.0),
    "fog": (0.6, 0.4, 0.0, 0.0),
    "snow": (0.0, 0.0, 0.65, 0.35),
}
"""how often a road is dry, wet, snowy and icy in each weather"""


def random_mood(rng: np.random.Generator) -> Mood:
    """Mostly clear or cloudy days; two frames of five something harder, and half of the roads not dry."""
    name = str(chosen(rng, list(COMMON), list(COMMON.values())))
    surface = chosen(rng, ["dry", "wet", "snow", "ice"], SLIPPERY[name])
    sun, against = (rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 1.2)), 1.0
    if name in ("clear", "dusk") and rng.random() < 0.2:
        sun, against = (rng.uniform(-0.35, 0.35), rng.uniform(0.03, 0.22)), rng.uniform(0.16, 0.32)
    warm = rng.normal(0, 0.05)
    gain = np.array([1 + warm, 1.0, 1 - warm])
    blue, pale = np.array([60, 110, 185.0]), np.array([190, 210, 232.0])
    zenith, horizon, visibility, shadows = blue + rng.normal(0, 12, 3), pale + rng.normal(0, 7, 3), 900.0, 0.0
    if name == "clear":
        gain, shadows = gain * rng.uniform(0.85, 1.15), rng.uniform(0.25, 0.65)
    else:
        grey = rng.uniform(120, 235)
        zenith = horizon = grey + rng.normal(0, 3, 3)
        zenith = zenith * rng.uniform(0.75, 1.05)
        gain = gain * rng.uniform(0.68, 1.0)
    if name == "dusk":
        horizon, zenith = np.array([235, 160, 100.0]) + rng.normal(0, 20, 3), np.array([70, 80, 120.0])
        gain = gain * np.array([1.0, 0.85, 0.8]) * rng.uniform(0.5, 0.9)
    if name == "night":
        zenith = horizon = np.array([8, 9, 14.0]) * rng.uniform(0.5, 2.5)
        gain, visibility = np.array([1.0, 0.93, 0.82]), 300.0
    if name == "rain":
        visibility = rng.uniform(120, 400)
    if name == "fog":
        visibility = rng.uniform(35, 120)
    if name == "snow":
        visibility = rng.uniform(90, 400)
    return Mood(name, gain, horizon * 0.95, visibility, zenith, horizon, sun, shadows, surface, against)
