"""Those without a car around them: riders on two wheels, people on foot, animals."""

from __future__ import annotations

import numpy as np

from .vehicles import Body, block, join, tinted


def motorcycle(rng: np.random.Generator) -> Body:
    """A motorcycle with its rider, rounder than a car and much narrower."""
    return _two_wheels(rng, "motorcycle", 0.22, 0.42, True)


def bicycle(rng: np.random.Generator) -> Body:
    """A bicycle with its rider: thin wheels, upright body."""
    return _two_wheels(rng, "bicycle", 0.06, 0.5, False)


def _two_wheels(rng: np.random.Generator, label: str, thick: float, wide: float, motor: bool) -> Body:
    cloth, legs = tinted(rng), tinted(rng) * 0.6
    skin = np.array([186, 140, 112.0]) * rng.uniform(0.5, 1.15)
    length, lean = 2.0 if motor else 1.75, rng.uniform(0.0, 0.35)
    lift = rng.uniform(0.0, 0.25, 2) if not motor else np.zeros(2)
    tyre = np.array([26, 26, 28.0])
    t = thick / 2
    solids = [block((-t, t), (0, 0.64), (0, 0.62), tyre), block((-t, t), (0, 0.64), (length - 0.62, length), tyre)]
    if motor:
        solids.append(block((-0.2, 0.2), (0.4, 0.9), (0.2, length - 0.3), tinted(rng)))
    else:
        solids.append(block((-0.03, 0.03), (0.5, 0.62), (0.4, length - 0.4), tinted(rng)))
    solids += [
        block((-wide / 2, -wide / 6), (0.2 + lift[0], 0.95), (0.6, 1.0), legs),
        block((wide / 6, wide / 2), (0.2 + lift[1], 0.95), (0.6, 1.0), legs),
        block((-wide / 2, wide / 2), (0.85, 1.45), (0.55, 0.9), cloth, 0.04, (lean, -lean)),
        block((-wide / 2 - 0.04, wide / 2 + 0.04), (0.95, 1.08), (0.9, length - 0.45), cloth * 0.9, 0.05),
        block((-0.11, 0.11), (1.45, 1.74), (0.6 + lean, 0.88 + lean), tinted(rng) if motor else skin),
    ]
    lamps = ((0.0, 0.75, 0.0, "rear"), (0.0, 0.8, length, "front")) if motor else ()
    return join(label, solids, [], (max(wide, 0.5), 1.75, length), lamps)


def pedestrian(rng: np.random.Generator) -> Body:
    """A person standing or walking, seen from anywhere."""
    h = rng.uniform(1.1, 1.95)
    cloth, legs = tinted(rng), tinted(rng) * 0.7
    skin = np.array([200, 150, 120.0]) * rng.uniform(0.45, 1.15)
    stride, k = rng.uniform(0.0, 0.3), h / 1.75
    solids = [
        block((-0.19 * k, -0.02 * k), (0, 0.85 * k), (-stride / 2, 0.16), legs, 0.01),
        block((0.02 * k, 0.19 * k), (0, 0.85 * k), (stride / 2, stride / 2 + 0.16), legs, 0.01),
        block((-0.22 * k, 0.22 * k), (0.8 * k, 1.45 * k), (0, 0.24), cloth, 0.03),
        block((-0.30 * k, -0.21 * k), (0.8 * k, 1.4 * k), (0.05, 0.18), cloth * 0.9),
        block((0.21 * k, 0.30 * k), (0.8 * k, 1.4 * k), (0.05, 0.18), cloth * 0.9),
        block((-0.1 * k, 0.1 * k), (1.47 * k, 1.75 * k), (0.02, 0.22), skin, 0.03),
    ]
    return join("pedestrian", solids, [], (0.6, h, 0.5))


def animal(rng: np.random.Generator) -> Body:
    """Something on four legs, from dog to cow."""
    k = rng.uniform(0.5, 1.5)
    coat = np.array([[120, 84, 56], [50, 44, 40], [190, 170, 140], [150, 150, 150]], float)[rng.integers(4)]
    solids = [
        block((x, x + 0.1 * k), (0, 0.55 * k), (z, z + 0.1 * k), coat * 0.8)
        for x in (-0.2 * k, 0.1 * k)
        for z in (0.05 * k, 0.95 * k)
    ]
    solids += [
        block((-0.24 * k, 0.24 * k), (0.45 * k, 0.95 * k), (0, 1.1 * k), coat, 0.05 * k),
        block((-0.12 * k, 0.12 * k), (0.8 * k, 1.2 * k), (1.0 * k, 1.4 * k), coat * 0.95, 0.03 * k),
    ]
    return join("animal", solids, [], (0.5 * k, 1.2 * k, 1.4 * k))
