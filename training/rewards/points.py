"""Semantic-critical points, equations 10 to 12: enough points, in the right place, spread out, and not too many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from getok_core.geometry import XY

from .instances import SIDE, Said, Truth
from .matching import Pair
from .overlaps import hit_ratio

W_HIT, W_SPREAD, LAMBDA, RHO = 0.6, 0.4, 0.02, 0.30
"""w_H, w_spr, lambda_m and rho_s of the paper"""
M0 = 3.0
"""m_0 (ours): with it F of well placed points is largest at 8.4 of them; the paper's masks have 8.7 on average"""
CELL = SIDE / 32
"""distance at which a single point counts as lying from its nearest neighbour (ours)"""


def saturation(m: int) -> float:
    """S(m) = 1 - exp(-m / m_0)."""
    return 1.0 - float(np.exp(-m / M0))


def object_scale(truth: Truth) -> float:
    """r_g in pixels (ours: the paper says "object scale").

    Of a mask or box the square root of its area, so that nine points in a 3 x 3 pattern are spread enough. Of a line or
    outline as much as lets its own number of vertices, at equal distances, be spread enough.
    """
    if truth.line is not None:
        line = np.concatenate([truth.line, truth.line[:1]]) if truth.kind == "poly" else truth.line
        return float(np.linalg.norm(line[1:] - line[:-1], axis=1).sum()) / len(truth.line) / RHO
    if truth.mask is not None:
        return SIDE * float(truth.mask.mean()) ** 0.5
    return float(np.prod(truth.box[2:] - truth.box[:2])) ** 0.5


def spread(points: XY, truth: Truth) -> float:
    """Equation 11: clip(d / (rho_s r_g), 0, 1), d the mean distance of each point to its nearest neighbour.

    One point has no neighbour; ours gives it that of the next cell, enough for a thing no larger than that.
    """
    nearest = CELL
    if len(points) > 1:
        away = np.linalg.norm(points[:, None] - points[None], axis=2)
        np.fill_diagonal(away, np.inf)
        nearest = float(away.min(axis=1).mean())
    return float(np.clip(nearest / max(RHO * object_scale(truth), 1e-9), 0.0, 1.0))


def quality(said: Said, truth: Truth) -> float:
    """Equation 10: F = S(m) (w_H H + w_spr Spread) - lambda_m m."""
    m = len(said.points)
    if not m:
        return 0.0
    return saturation(m) * (W_HIT * hit_ratio(said, truth) + W_SPREAD * spread(said.points, truth)) - LAMBDA * m


def critical_points(saids: Sequence[Said], truths: Sequence[Truth], pairs: Sequence[Pair], lines: int) -> float:
    """Equation 12: T = clip(sum over M of m F / sum over all P of max(1, m), 0, 1).

    lines: how many instances the reply tried to name; those that count as nothing weigh 1 each. With nothing said, T is
    1 where nothing was to be found and 0 elsewhere (ours: the paper's sum is then 0 / 0). What was not found weighs 1
    each as well (ours), or naming one thing of many would be worth as much as naming all.
    """
    if not lines:
        return float(not truths)
    missed = len(truths) - len({pair.truth for pair in pairs})
    weight = sum(max(1, len(said.points)) for said in saids) + lines - len(saids) + missed
    total = sum(len(saids[p].points) * quality(saids[p], truths[g]) for p, g in pairs)
    return float(np.clip(total / weight, 0.0, 1.0))
