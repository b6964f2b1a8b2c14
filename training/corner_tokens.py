"""offset_targets.corner_targets for many boxes at once, on the device: the first round of ROUNDS.

The network's own proposals are known there only. tests/training/corner_tokens_test.py holds both to the same ids.
"""

from __future__ import annotations

import torch
from torch import Tensor

from getok_core.refine import reach
from getok_core.vocabulary import DELETE

from .offset_targets import MOVES, THRESHOLD
from .segments import ROUNDS

STEP = 1
"""of the first round: half a cell"""
LAST = 2.0 ** -(STEP + ROUNDS - 1)
"""cells that the last round's offsets go"""


def corner_tokens(uv: Tensor, goal: Tensor) -> Tensor:
    """Corners (M, 2, 2) as they are and as they belong, in cells -> ids (M, 2): offsets, or `<delete>` for both."""
    uv, goal = uv.double(), goal.double()
    best, reached, possible = _best_within(uv, goal)
    moves = torch.from_numpy(MOVES).to(uv.device) * 2.0**-STEP
    moved = uv[:, :, None] + moves
    ious = _ious(moved[:, 0], moved[:, 1], goal, 2.0**-STEP)
    far = reach(STEP + 1, ROUNDS - 1) + 1e-9
    within = ((moved - best[:, :, None]).abs() <= far).all(-1)
    away = ((moved - goal[:, :, None]) ** 2).sum(-1)
    merit = ious - 1e-6 * (away[:, 0, :, None] + away[:, 1, None])
    merit = merit.where(within[:, 0, :, None] & within[:, 1, None], -torch.inf)
    pair = merit.flatten(1).argmax(1)
    ids = DELETE + 1 + torch.stack([pair // len(moves), pair % len(moves)], dim=1)
    return ids.where((reached >= THRESHOLD * possible)[:, None], DELETE)


def _best_within(uv: Tensor, goal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best box (M, 2, 2) that all rounds can reach, its IoU (M,), and that without a limit (M,)."""
    units = (goal - uv) / LAST
    nearest = uv + torch.stack([units.floor(), units.ceil()]) * LAST
    far = reach(STEP, ROUNDS)
    best, reached = _best_of(nearest.clamp(uv - far, uv + far), goal)
    return best, reached, _best_of(nearest, goal)[1]


def _best_of(places: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """places (2, M, 2, 2), two for each corner's x and y -> the best box (M, 2, 2) of the sixteen, and its IoU (M,)."""
    (x, y), rows = places.permute(3, 1, 2, 0), torch.arange(len(goal), device=goal.device)
    corners = torch.stack([x[..., [0, 1, 0, 1]], y[..., [0, 0, 1, 1]]], dim=-1)
    ious = _ious(corners[:, 0], corners[:, 1], goal, LAST).flatten(1)
    pair = ious.argmax(1)
    return torch.stack([corners[rows, 0, pair // 4], corners[rows, 1, pair % 4]], dim=1), ious[rows, pair]


def _ious(first: Tensor, second: Tensor, goal: Tensor, least: float) -> Tensor:
    """IoU with the goals (M, 2, 2) of every top-left (M, A, 2) with every bottom-right (M, B, 2) -> (M, A, B)."""
    low, high = torch.broadcast_tensors(first[:, :, None], second[:, None])
    pad = (low == high) * (least / 2)
    low, high = low - pad, high + pad
    top_left, bottom_right = goal[:, None, None, 0], goal[:, None, None, 1]
    both = (high.minimum(bottom_right) - low.maximum(top_left)).clamp(min=0).prod(-1)
    either = (high - low).prod(-1) + (bottom_right - top_left).prod(-1) - both
    return (both / either.clamp(min=1e-12)).where((high > low).all(-1), 0.0)
