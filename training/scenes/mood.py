"""Light and weather of one frame, as numbers the other modules draw with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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

    @property
    def dark(self) -> bool:
        """Whether lamps are on."""
        return self.name in ("night", "dusk", "rain", "fog", "snow")


def random_mood(rng: np.random.Generator) -> Mood:
    """Mostly clear or cloudy days; every fourth frame something harder."""
    name = str(
        rng.choice(
            ["clear", "cloudy", "dusk", "night", "rain", "fog", "snow"], p=[0.44, 0.26, 0.07, 0.08, 0.07, 0.04, 0.04]
        )
    )
    sun = (rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 1.2))
    warm = rng.normal(0, 0.05)
    gain = np.array([1 + warm, 1.0, 1 - warm])
    blue, pale = np.array([60, 110, 185.0]), np.array([190, 210, 232.0])
    zenith, horizon, visibility, shadows = blue + rng.normal(0, 15, 3), pale + rng.normal(0, 12, 3), 900.0, 0.0
    surface = "dry"
    if name == "clear":
        gain, shadows = gain * rng.uniform(0.85, 1.15), rng.uniform(0.25, 0.65)
    else:
        grey = rng.uniform(120, 235)
        zenith = horizon = grey + rng.normal(0, 5, 3)
        zenith = zenith * rng.uniform(0.75, 1.05)
        gain = gain * rng.uniform(0.6, 0.95)
    if name == "cloudy" and rng.random() < 0.15:
        surface = "wet"
    if name == "dusk":
        horizon, zenith = np.array([235, 160, 100.0]) + rng.normal(0, 20, 3), np.array([70, 80, 120.0])
        gain = gain * np.array([1.0, 0.85, 0.8]) * rng.uniform(0.5, 0.9)
    if name == "night":
        zenith = horizon = np.array([8, 9, 14.0]) * rng.uniform(0.5, 2.5)
        gain, visibility = np.array([1.0, 0.93, 0.82]), 300.0
        surface = "wet" if rng.random() < 0.2 else "dry"
    if name == "rain":
        surface, visibility = "wet", rng.uniform(120, 400)
    if name == "fog":
        visibility = rng.uniform(35, 120)
    if name == "snow":
        surface, visibility = ("snow" if rng.random() < 0.7 else "ice"), rng.uniform(90, 400)
    return Mood(name, gain, horizon * 0.95, visibility, zenith, horizon, sun, shadows, surface)
