"""Models of everything that stands or moves on roads, built once each: a scene picks, and does not build anew."""

from __future__ import annotations

from functools import cache

import numpy as np

from . import riders, roadside, vehicles
from .vehicles import Body

MAKERS = {
    "car": vehicles.car,
    "truck": vehicles.truck,
    "bus": vehicles.bus,
    "motorcycle": riders.motorcycle,
    "bicycle": riders.bicycle,
    "pedestrian": riders.pedestrian,
    "animal": riders.animal,
    "cone": roadside.cone,
    "barrier": roadside.barrier,
    "water barrier": roadside.water_barrier,
    "debris": roadside.debris,
}
MODELS = {"car": 500, "truck": 250, "pedestrian": 200}
"""how many different ones there are; 100 of others"""


def pick(kind: str, rng: np.random.Generator) -> Body:
    """One of the models of a kind, a key of MAKERS."""
    return _model(kind, int(rng.integers(MODELS.get(kind, 100))))


@cache
def _model(kind: str, number: int) -> Body:
    return MAKERS[kind](np.random.default_rng([list(MAKERS).index(kind), number]))
