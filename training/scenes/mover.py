"""What is placed along a road: things that stand or move on it, and posts beside or above it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .signs import Board
from .vehicles import Body


@dataclass(frozen=True)
class Mover:
    """Something on the road: where it is at time 0, how fast it goes along the road, how it stands."""

    body: Body
    s: float
    d: float
    speed: float = 0.0
    turn: float = 0.0
    blocks: bool = False
    """it stands there to close a lane"""
    smeared: bool = False
    """it comes out blurred: too fast or out of focus"""

    @property
    def middle(self) -> float:
        """d of its middle; s and d are of its rear."""
        return self.d + self.body.size[2] / 2 * float(np.sin(self.turn))


@dataclass(frozen=True)
class Post:
    """A sign or light beside or above the road (or put right before the camera: pixel given)."""

    thing: Board | str
    s: float
    d: float
    up: float
    half: float
    turn: float
    pole: bool
    pixel: tuple[float, float] | None = None
    look: int = 0
    """seed of what is drawn at random on it"""
    covered: bool = False
    """leaves hang before a part of it"""
