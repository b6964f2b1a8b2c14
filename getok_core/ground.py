"""Pixels -> metres on flat ground, and back: what lies above the horizon, or too far, is cut off and never infinite.

Base frame as in REP 103: x forward, y left, z up, metres, the ground at z = 0. Camera frame as in lens.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import CameraError
from .geometry import XY
from .lattice import Size
from .lens import Lens

Array = NDArray[np.float64]
OPTICAL: Array = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""camera frame -> a body frame with x forward, y left, z up that looks the same way"""


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the camera is in the base frame."""

    rotation: Array
    """(3, 3) camera frame -> base frame"""
    position: Array
    """(3,) m"""

    @classmethod
    def mounted(cls, xyz: Sequence[float], rpy: Sequence[float]) -> Pose:
        """A camera at xyz (m), turned by roll, pitch (down is positive) and yaw (rad) about fixed x, y, z."""
        (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
        roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        return cls(yaw @ pitch @ roll @ OPTICAL, np.asarray(xyz, np.float64))

    @classmethod
    def read(cls, text: str) -> Pose:
        """From `x y z roll pitch yaw` in m and rad, in the order of mounted. Raises CameraError on anything else."""
        try:
            x, y, z, roll, pitch, yaw = (number for word in text.split() if math.isfinite(number := float(word)))
        except ValueError:
            example = "1.2 0 1.4 0 0.05 0"
            raise CameraError(
                f"camera pose {text!r}: give x y z roll pitch yaw in m and rad, such as {example}"
            ) from None
        return cls.mounted((x, y, z), (roll, pitch, yaw))

    @classmethod
    def transformed(cls, xyz: Sequence[float], quaternion: Sequence[float]) -> Pose:
        """From a transform base <- camera frame as tf gives it; quaternion x, y, z, w. Raises CameraError on zero."""
        q = np.asarray(quaternion, np.float64)
        length = float(np.linalg.norm(q))
        if not np.isfinite(length) or length < 1e-6:
            raise CameraError(f"quaternion {tuple(quaternion)} has no direction: fix the transform of the camera")
        x, y, z, w = q / length
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        return cls(np.eye(3) + 2 * w * cross + 2 * cross @ cross, np.asarray(xyz, np.float64))


@dataclass(frozen=True, eq=False)
class Ground:
    """Flat ground as one camera sees it; what lies farther than far_m along the optical axis is cut off."""

    lens: Lens
    pose: Pose
    far_m: float = 80.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.pose.position).all() and self.pose.position[2] > 0):
            raise CameraError(f"camera stands {self.pose.position[2]:g} m above the ground: give its pose in the base")

    def line(self, xy: XY, size: Size) -> list[XY]:
        """A polyline (N, 2) in pixels of an image of size (width, height) -> its pieces on the ground.

        Each piece is (M, 2) metres, columns x and y of the base frame, in the same order, M >= 2; there may be none.
        """
        rays = self.lens.rays(xy, size)
        below = self._below(rays)
        pieces: list[list[Array]] = [[]]
        for at, ray in enumerate(rays):
            if at and below[at] * below[at - 1] < 0:
                pieces[-1].append(_crossing(rays[at - 1], ray, below[at - 1], below[at]))
            if below[at] >= 0:
                pieces[-1].append(ray)
            else:  # above the limit, or NaN
                pieces.append([])
        return [self._meet(np.array(piece)) for piece in pieces if len(piece) > 1]

    def area(self, xy: XY, size: Size) -> XY:
        """A polygon (N, 2) in pixels -> its part on the ground, (M, 2) metres as in line; M is 0 or at least 3."""
        rays = self.lens.rays(xy, size)
        rays = rays[np.isfinite(rays).all(axis=1)]
        below = self._below(rays)
        kept: list[Array] = []
        for at, ray in enumerate(rays):
            if below[at] * below[at - 1] < 0:
                kept.append(_crossing(rays[at - 1], ray, below[at - 1], below[at]))
            if below[at] >= 0:
                kept.append(ray)
        return self._meet(np.array(kept)) if len(kept) > 2 else np.zeros((0, 2))

    def points(self, xy: XY, size: Size) -> XY:
        """Pixels (N, 2) of an image of this size, each by itself -> metres on the ground (N, 2); NaN where cut off."""
        rays = self.lens.rays(xy, size)
        rays = np.where((self._below(rays) >= 0)[:, None], rays, np.nan)
        return self._meet(rays)

    def pixels(self, ground: XY, size: Size) -> XY:
        """Metres on the ground (N, 2) -> pixels of an image of this size (N, 2); NaN for what is behind the camera."""
        points = np.concatenate([ground, np.zeros((len(ground), 1))], axis=1)
        seen = (points - self.pose.position) @ self.pose.rotation
        depth = np.where(seen[:, 2:] > 0, seen[:, 2:], np.nan)
        return self.lens.pixels(seen[:, :2] / depth, size)

    def _down(self, rays: XY) -> Array:
        """How far each ray (N, 2) goes down, in m, for a metre along the optical axis."""
        across, down, along = (float(part) for part in self.pose.rotation[2])
        return -(across * rays[:, 0] + down * rays[:, 1] + along)

    def _below(self, rays: XY) -> Array:
        """(N,) >= 0 where a ray meets the ground within far_m. Linear in the ray, so edges can be cut at zero."""
        return self._down(rays) - self.pose.position[2] / self.far_m

    def _meet(self, rays: XY) -> XY:
        """Where rays (N, 2) meet the ground, (N, 2)."""
        depth = self.pose.position[2] / self._down(rays)
        away = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * depth[:, None]
        turned: Array = np.einsum("ij,nj->ni", self.pose.rotation[:2], away)
        return turned + self.pose.position[:2]


def _crossing(one: Array, other: Array, below_one: float, below_other: float) -> Array:
    """The point between two rays where _below is zero."""
    return one + (other - one) * (below_one / (below_one - below_other))
