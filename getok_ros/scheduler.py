"""Which camera is served next: stride scheduling, so that shares follow weights and nobody starves. No ROS, no clock.

Every service moves a camera's pass forward by 1 / weight, and the ready camera whose pass is least goes next. A camera
that comes back from silence starts at the present pass: it has saved up nothing, and owes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Scheduler:
    """Serves cameras by weight. While two are ready their services, divided by weight, differ by 1 / weight at most."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """weights: camera -> a positive number; equal numbers for equal shares."""
        self.weights = dict(weights)
        self._pass = dict.fromkeys(weights, 0.0)
        self._present = 0.0

    def next(self, ready: Collection[str]) -> str:
        """The camera to serve, of those that have something to serve; it counts as served. ready is not empty."""
        name = min(ready, key=lambda camera: (max(self._pass[camera], self._present), -self.weights[camera], camera))
        self._present = max(self._pass[name], self._present)
        self._pass[name] = self._present + 1.0 / self.weights[name]
        return name
