"""A camera above the road: metres in the vehicle's frame to pixels, and back.

Vehicle frame: x right, y up, z forward, metres; the origin lies on the road right under the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .chance import chosen

NEAR = 0.3
"""depth in metres below which nothing is drawn"""
LIMIT = 12000.0
"""pixels beyond which a projected point is cut, so that fixed-point drawing cannot overflow"""


@dataclass(frozen=True)
class Camera:
    """A pinhole with mild radial distortion. Pixels may be anisotropic: a camera of any aspect squashed to one size."""

    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    rotation: NDArray[np.float64]
    """(3, 3) vehicle frame to camera frame (x right, y down, z forward)"""
    altitude: float
    k1: float = 0.0

    def to_camera(self, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 3) metres in the vehicle frame -> (..., 3) metres in the camera frame."""
        return xyz @ self.rotation.T - self._eye

    @cached_property
    def _eye(self) -> NDArray[np.float64]:
        return self.altitude * self.rotation[:, 1]

    def project(self, xyz: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(..., 3) metres -> (..., 2) pixels and (...) depth in metres. Depth below NEAR is drawn at NEAR."""
        seen = self.to_camera(xyz)
        depth = seen[..., 2]
        xy = seen[..., :2] / np.maximum(depth, NEAR)[..., None]
        if self.k1:
            squared = np.minimum(xy[..., 0] ** 2 + xy[..., 1] ** 2, self._bend_limit)
            xy *= (1.0 + self.k1 * squared)[..., None]
        xy *= self.focal
        xy += self.centre
        np.minimum(xy, LIMIT, out=xy)
        return np.maximum(xy, -LIMIT, out=xy), depth

    @cached_property
    def reach(self) -> float:
        """Metres to either side that come into view at one metre's distance, lens distortion allowed for."""
        return max(self.centre[0], self.width - self.centre[0]) / self.focal[0] * 1.3

    @cached_property
    def _bend_limit(self) -> float:
        """Squared radius up to which the distortion keeps far points outside near ones; beyond it stays as it is."""
        return min(2.5, 0.3 / abs(self.k1)) if self.k1 < 0 else 2.5

    def rays(self, step: int) -> NDArray[np.float32]:
        """(H/step, W/step, 3) directions in the vehicle frame through the pixels, distortion left out."""
        u = (np.arange(0.5 * step, self.width, step) - self.centre[0]) / self.focal[0]
        v = (np.arange(0.5 * step, self.height, step) - self.centre[1]) / self.focal[1]
        turn = self.rotation.astype(np.float32)
        out = np.empty((len(v), len(u), 3), np.float32)
        for axis in range(3):
            out[..., axis] = (v * turn[1, axis] + turn[2, axis])[:, None] + (u * turn[0, axis])[None, :]
        return out

    def unproject(self, pixel: tuple[float, float], depth: float) -> NDArray[np.float64]:
        """The point (3,) in the vehicle frame seen at a pixel, depth metres along the optical axis (no distortion)."""
        x = (pixel[0] - self.centre[0]) / self.focal[0]
        y = (pixel[1] - self.centre[1]) / self.focal[1]
        return np.array([x, y, 1.0]) * depth @ self.rotation + np.array([0.0, self.altitude, 0.0])


ASPECTS = {16 / 9: 0.4, 4 / 3: 0.3, 2.0: 0.1, 3 / 2: 0.08, 2.5: 0.06, 1.0: 0.04, 0.65: 0.02}
"""width to height of the pictures cameras deliver, with shares; all come squashed to the size asked for"""


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """(3, 3) vehicle frame to camera frame; radians; yaw to the right, pitch down and roll clockwise are positive."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    flip = np.diag([1.0, -1.0, 1.0])
    return tilt @ flip @ nod @ turn


def random_camera(rng: np.random.Generator, size: tuple[int, int], squashed: bool = True) -> Camera:
    """A dashcam of any make: aspect (kept square when not squashed), field of view, mounting and crop are random."""
    width, height = size
    if squashed:
        aspect = chosen(rng, list(ASPECTS), list(ASPECTS.values())) * rng.uniform(0.93, 1.07)
    else:
        aspect = width / height
    wide = min(1.0, aspect / 1.5)
    half = np.tan(np.radians(rng.triangular(28, 56, 100) * wide) / 2)
    focal = (width / 2 / half, height * aspect / 2 / half)
    pitch, roll = (
        np.radians(rng.normal(0, 2.0)),
        np.radians(np.clip(rng.normal(0, 1.8 if rng.random() < 0.8 else 4.0), -7, 7)),
    )
    yaw = np.radians(np.clip(rng.normal(0, 2.5), -8, 8))
    horizon = np.clip(rng.normal(0.48, 0.10), 0.25, 0.70)
    if not squashed:
        pitch, roll, yaw, horizon = pitch / 3, roll / 6, yaw / 3, np.clip(horizon, 0.42, 0.55)
    centre = (width * np.clip(rng.normal(0.5, 0.1), 0.25, 0.75), height * horizon + focal[1] * np.tan(pitch))
    k1 = rng.uniform(-0.25, 0.04) if rng.random() < 0.45 else 0.0
    altitude = rng.uniform(1.0, 1.7) if rng.random() < 0.85 else rng.uniform(1.7, 2.4)
    return Camera(width, height, focal, centre, rotation(yaw, pitch, roll), altitude, k1)
