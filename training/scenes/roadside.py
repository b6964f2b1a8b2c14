"""Small things that stand or lie on a road: cones, barriers, debris."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .vehicles import Body, block, inset, join


def cone(rng: np.random.Generator) -> Body:
    """A traffic cone with white bands."""
    h, r = rng.uniform(0.45, 0.95), rng.uniform(0.13, 0.2)
    orange = np.array([232, 96, 30.0]) * rng.uniform(0.85, 1.1)
    foot = block((-r * 1.3, r * 1.3), (0, 0.05), (-r * 1.3, r * 1.3), np.array([40, 40, 42.0]))
    parts, edges = [foot], np.array([0.05, 0.35 * h, 0.55 * h, 0.72 * h, 0.85 * h, h])
    for index, (low, high) in enumerate(pairwise(edges)):
        wide, narrow = r * (1 - low / h * 0.82), r * (1 - high / h * 0.82)
        colour = np.array([235, 235, 230.0]) if index in (1, 3) else orange
        parts.append(block((-wide, wide), (low, high), (-wide, wide), colour, wide - narrow, (wide - narrow,) * 2))
    return join("cone", parts, [], (2.6 * r, h, 2.6 * r))


def barrier(rng: np.random.Generator) -> Body:
    """A work-zone board across the lane, striped red or orange and white."""
    w, h = rng.uniform(1.0, 2.2), rng.uniform(0.8, 1.2)
    tone = np.array([[205, 40, 36], [230, 110, 30]], float)[rng.integers(2)]
    white = np.array([236, 236, 232.0])
    board = block((-w / 2, w / 2), (h - 0.35, h), (0, 0.06), white)
    legs = [block((x - 0.05, x + 0.05), (0, h - 0.3), (0, 0.06), np.array([90, 90, 92.0])) for x in (-w * 0.4, w * 0.4)]
    details = []
    for start in np.arange(0.0, 0.9, 0.22):
        for face in (board[0][0], board[0][1]):
            details.append((inset(face, start, start + 0.11, 0, 1), tone * 0.85))
    return join("barrier", [*legs, board], details, (w, h, 0.1))


def water_barrier(rng: np.random.Generator) -> Body:
    """A hollow plastic wall piece, red, white or orange, narrower at the top."""
    w, h = rng.uniform(1.0, 2.0), rng.uniform(0.6, 1.0)
    tone = np.array([[196, 44, 36], [228, 226, 220], [232, 110, 36]], float)[rng.integers(3)]
    foot = block((-w / 2, w / 2), (0, h * 0.35), (0, 0.5), tone)
    wall = block((-w / 2, w / 2), (h * 0.35, h), (0.08, 0.42), tone, 0.0, (0.1, 0.1))
    grooves = [
        (inset(wall[0][face], left, left + 0.06, 0.05, 0.9), tone * 0.6) for face in (0, 1) for left in (0.3, 0.64)
    ]
    return join("barrier", [foot, wall], grooves, (w, h, 0.5))


def debris(rng: np.random.Generator) -> Body:
    """Something lost on the road: a box, a plank, a tyre, a branch, a sack or a bin on its side."""
    kind = int(rng.integers(6))
    w, h, length = (
        (rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.8)),
        (rng.uniform(1.2, 2.6), rng.uniform(0.06, 0.15), rng.uniform(0.15, 0.4)),
        (rng.uniform(0.55, 0.8), rng.uniform(0.18, 0.3), rng.uniform(0.55, 0.8)),
        (rng.uniform(1.0, 2.5), rng.uniform(0.1, 0.4), rng.uniform(0.2, 0.8)),
        (rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.5), rng.uniform(0.3, 0.7)),
        (rng.uniform(0.9, 1.3), rng.uniform(0.5, 0.65), rng.uniform(0.5, 0.65)),
    )[kind]
    tones = ((150, 112, 70), (176, 140, 92), (30, 30, 32), (86, 70, 46), (214, 212, 204), (52, 74, 62))
    tone = np.array(tones[kind], float) * rng.uniform(0.75, 1.2)
    parts = [block((-w / 2, w / 2), (0, h), (0, length), tone, rng.uniform(0, 0.15) * w)]
    details = []
    if kind == 0:
        details.append((inset(parts[0][0][0], 0.42, 0.58, 0, 1), tone * 1.3))
    if kind == 3:
        parts.append(block((-w / 4, 0.1), (h * 0.6, h * 2.2), (0.05, 0.3), np.array([70, 96, 52.0])))
    return join("debris", parts, details, (w, h, length))
