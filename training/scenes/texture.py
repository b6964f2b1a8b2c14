"""Grain of surfaces: tileable noise made once, and where each pixel of the ground finds its grain."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .road import Road

SIDE = 512


@cache
def _bordered(kind: int, falloff: float) -> NDArray[np.uint8]:
    """(SIDE + 2, SIDE + 2) the noise with its first rows and columns again at the end: no wrapping when looked up."""
    return np.pad(noise(kind, falloff), ((0, 2), (0, 2)), mode="wrap")


@cache
def noise(kind: int, falloff: float) -> NDArray[np.uint8]:
    """(SIDE, SIDE) tileable noise around 128, spread 32; a larger falloff is coarser. The same for the same kind."""
    rng = np.random.default_rng([kind, int(falloff * 100)])
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    wave = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]) * SIDE
    field = np.fft.irfft2(spectrum / np.maximum(wave, 1.0) ** falloff, s=(SIDE, SIDE))
    field = (field - field.mean()) / field.std()
    return np.clip(128 + 32 * field, 0, 255).astype(np.uint8)


def picked(rng: np.random.Generator, falloff: float) -> NDArray[np.uint8]:
    """One of five noises of that coarseness; callers keep to few coarsenesses, for each is kept in memory."""
    return noise(int(rng.integers(5)), falloff)


def grain(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width) fine noise around 128 from a random place: what a sensor adds."""
    top, left = (int(value) for value in rng.integers(0, SIDE, 2))
    return _endless(-(-height // SIDE) + 1, -(-width // SIDE) + 1)[top : top + height, left : left + width]


@cache
def _endless(down: int, across: int) -> NDArray[np.uint8]:
    return np.tile(noise(0, 0.0), (down, across))


class GroundMap:
    """Where on the ground each pixel looks, at a quarter of the pixels: x, z in metres, and d across the road."""

    STEP = 2

    def __init__(self, camera: Camera, road: Road) -> None:
        rays = camera.rays(self.STEP)
        slope = rays[..., 1] / np.maximum(rays[..., 2], 1e-3)
        table, seen = road.elevation
        self.horizon = float(seen[-1])
        self.below = slope < self.horizon
        rows = np.flatnonzero(self.below.any(1))
        self.first = int(rows[0]) if len(rows) else len(slope)
        self.slope = slope
        self.z = np.interp(slope, seen, table).astype(np.float32)
        self.x = self.z * rays[..., 0] / np.maximum(rays[..., 2], 1e-3)
        bounded = np.clip(self.z, road.z[0], road.z.max())
        keep = np.concatenate([[True], np.diff(np.maximum.accumulate(road.z)) > 1e-6])
        self.d = self.x - np.interp(bounded, road.z[keep], road.x[keep]).astype(np.float32)
        self.origin = road.origin
        footprint = self.z**2 / np.float32(camera.focal[1] * camera.altitude) + np.float32(1e-3)
        self.sharp = np.minimum(np.float32(0.12) / footprint, np.float32(1.0))
        self.blunt = np.minimum(np.float32(0.8) / footprint, np.float32(1.0))
        self.shape = (camera.height, camera.width)

    def sample(
        self, rng: np.random.Generator, falloff: float, metres: float, across: float | None = None
    ) -> NDArray[np.float32]:
        """(h, w) float32 around 0: some noise on the ground, repeated every so many metres (across: its width)."""
        out = np.zeros(self.z.shape, np.float32)
        first = self.first
        if first < len(out):
            texture = _bordered(int(rng.integers(5)), falloff)
            along = (self.z[first:] + np.float32(self.origin % metres)) * np.float32(1 / metres)
            side = self.d[first:] * np.float32(1 / (across or metres))
            along = (along - np.floor(along)) * np.float32(SIDE)
            side = (side - np.floor(side)) * np.float32(SIDE)
            np.subtract(cv2.remap(texture, side, along, cv2.INTER_LINEAR), np.float32(128), out=out[first:])
        return out

    def mask(self) -> NDArray[np.uint8]:
        """(H, W) 1 where there is ground, at the picture's own size."""
        slope = cv2.resize(self.slope, self.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return (slope < self.horizon).astype(np.uint8)
