"""A calibrated lens: pixels -> rays in the camera frame and back, with the distortion models of CameraInfo.

Camera frame: x right, y down, z forward. Formulas: OpenCV's camera calibration, plumb_bob and rational_polynomial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .errors import CameraError
from .geometry import XY, as_xy
from .lattice import Size

Array = NDArray[np.float64]
MODELS = {"plumb_bob": 5, "rational_polynomial": 8}
"""distortion model of sensor_msgs/CameraInfo -> how many coefficients it has: k1 k2 p1 p2 k3 k4 k5 k6"""
FEWEST = 4
"""coefficients that are given; those left out, as OpenCV does, are zero"""
_WIDEST = 4.0
"""tangent of the largest angle to the optical axis that is considered: 76 degrees"""
_STEP = 1e-6
"""half the difference over which a slope is taken"""


@dataclass(frozen=True, eq=False)
class Lens:
    """What CameraInfo says: focal lengths, centre and distortion, in pixels of the part of the sensor it names."""

    focal: tuple[float, float]
    centre: tuple[float, float]
    """OpenCV's convention, pixel centres at whole numbers; half a pixel is added here and nowhere else"""
    part: tuple[float, float, float, float]
    """left, top, width, height of what the image shows; an image of another size is a scaled (binned) one"""
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = [*self.focal, *self.centre, *self.part, *self.distortion]
        if not np.isfinite(numbers).all() or min(self.focal) < 1 or min(self.part[2:]) <= 0:
            raise CameraError(f"camera with focal lengths {self.focal} and size {self.part[2:]}: calibrate it first")

    @classmethod
    def calibrated(cls, matrix: Sequence[float], model: str, distortion: Sequence[float],
                   part: tuple[float, float, float, float]) -> Lens:  # fmt: skip
        """From K (9, row by row) and D of a CameraInfo. Raises CameraError on a model other than those of MODELS."""
        if model not in MODELS and any(distortion):
            known = ", ".join(MODELS)
            raise CameraError(f"distortion model {model[:80]!r} is unknown: publish one of {known}, or rectify")
        most = MODELS.get(model, 0)
        if any(distortion) and (len(distortion) < FEWEST or any(distortion[most:])):
            had = f"{model} has {len(distortion)} coefficients"
            raise CameraError(f"{had}: give {FEWEST} to {most}, and zeros for what OpenCV adds to them, or rectify")
        k = np.asarray(matrix, np.float64).reshape(3, 3)
        kept = tuple(map(float, distortion[:most])) if any(distortion) else ()
        return cls((float(k[0, 0]), float(k[1, 1])), (float(k[0, 2]), float(k[1, 2])), part, kept)

    def rays(self, xy: XY, size: Size) -> XY:
        """Pixels (N, 2) of an image of size (width, height) -> (N, 2) x / z and y / z in the camera frame.

        NaN where the distortion has no inverse: such a pixel lies beyond what the calibration covers.
        """
        left, top, width, height = self.part
        sensor = as_xy(xy) * (np.array([width, height]) / np.asarray(size, np.float64)) + np.array([left, top])
        bent = (sensor - 0.5 - np.asarray(self.centre)) / np.asarray(self.focal)
        return self._straighten(bent) if self.distortion else bent

    def pixels(self, rays: XY, size: Size) -> XY:
        """The inverse of rays; NaN beyond what the calibration covers."""
        left, top, width, height = self.part
        bent = np.where(self._covered(rays)[:, None], self._bend(rays), np.nan) if self.distortion else rays
        sensor = bent * np.asarray(self.focal) + np.asarray(self.centre) + 0.5
        return (sensor - np.array([left, top])) * (np.asarray(size, np.float64) / np.array([width, height]))

    # -- distortion ------------------------------------------------------------------------------------------------

    def _radial(self, squared: Array) -> Array:
        """By how much a ray at this squared distance from the axis is stretched."""
        k1, k2, _, _, k3, k4, k5, k6 = (*self.distortion, *(0.0,) * (8 - len(self.distortion)))
        above = 1 + squared * (k1 + squared * (k2 + squared * k3))
        return above / (1 + squared * (k4 + squared * (k5 + squared * k6)))

    def _bend(self, rays: XY) -> XY:
        """Rays as a perfect lens has them -> as this one does (OpenCV's formula)."""
        x, y = rays[:, 0], rays[:, 1]
        p1, p2 = self.distortion[2:4]
        squared = x * x + y * y
        radial = self._radial(squared)
        across = x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x)
        down = y * radial + p1 * (squared + 2 * y * y) + 2 * p2 * x * y
        return np.stack([across, down], axis=1)

    @cached_property
    def _profile(self) -> tuple[Array, Array]:
        """Distance from the axis without and with distortion, up to where the latter stops growing."""
        radius: Array = np.linspace(0.0, _WIDEST, 4001)
        bent = radius * self._radial(radius * radius)
        turns = np.flatnonzero(~(np.diff(bent) > 0))
        end = int(turns[0]) + 1 if len(turns) else len(radius)
        return radius[:end], bent[:end]

    def _covered(self, rays: XY) -> NDArray[np.bool_]:
        return np.hypot(rays[:, 0], rays[:, 1]) <= self._profile[0][-1]

    def _straighten(self, bent: XY) -> XY:
        """Inverts _bend: the radial part from its profile, then Newton's steps for all of it."""
        radius, stretched = self._profile
        far = np.hypot(bent[:, 0], bent[:, 1])
        rays = bent * (np.interp(far, stretched, radius) / np.maximum(far, 1e-12))[:, None]
        for _ in range(8):
            right, down = ((self._bend(rays + h) - self._bend(rays - h)) / (2 * _STEP) for h in _STEP * np.eye(2))
            miss = bent - self._bend(rays)
            spread = right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]
            spread = np.where(np.abs(spread) < 1e-9, np.nan, spread)
            along = (down[:, 1] * miss[:, 0] - down[:, 0] * miss[:, 1]) / spread
            across = (right[:, 0] * miss[:, 1] - right[:, 1] * miss[:, 0]) / spread
            rays = rays + np.stack([along, across], axis=1)
        exact = np.abs(self._bend(rays) - bent).max(axis=1) < 1e-7
        return np.where((exact & self._covered(rays))[:, None], rays, np.nan)
