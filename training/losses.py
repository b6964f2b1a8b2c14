"""What the nano is trained to lower: cross-entropy over answers and offsets, and a dense pretext.

A grid target is spread over its neighbours by where in its cell the point lies. The pretext ("what is under this cell")
teaches each cell's feature what it holds. Every shape is fixed, so that the whole step compiles once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from getok_core.engines.nano_network import Nano
from getok_core.vocabulary import CLOSE, DELETE, GRID_START, OFFSET_START, OFFSETS, OPEN

from .pool import Batch
from .segments import IGNORE

SMOOTHING = 0.55
"""standard deviation, in cells, of the target spread over neighbouring cells"""
RARE = (4.0, 1.0, 3.0, 6.0, 6.0)
"""weight of cells that hold a lane, road, obstacle, sign or light over those that don't"""
PARTS = ("grid", "offset", "word", "dense")


class Losses(NamedTuple):
    """Means over what was asked, and the cells named."""

    parts: Tensor
    """(4,) grid, offset, word and dense loss"""
    said: Tensor
    """(B, T) cell likeliest at places whose target is a cell, -1 elsewhere"""


def seen(segment: Tensor) -> Tensor:
    """(B, T) request numbers -> (B, T, T) True where a token may look: earlier in its own request, or itself."""
    same = segment[:, :, None] == segment[:, None, :]
    return same & torch.ones(same.shape[1:], dtype=torch.bool, device=same.device).tril()


def losses(model: Nano, image: Tensor, batch: Batch, box_weight: float = 1.0) -> Losses:
    """image (B, 3, H, W) 0..255 -> the four losses; forward pass in bf16 where it serves.

    box_weight: what a corner of a box counts beside a vertex of a line, of which there are many more.
    """
    with torch.autocast(image.device.type, dtype=torch.bfloat16):
        picture = model.look(image)
        hidden = model.hidden(batch.ids, batch.position, picture, mask=seen(batch.segment))[0]
        logits = model.logits(hidden, picture)
        said = model.dense(picture.cells)
    weight = torch.where(in_boxes(batch.ids), box_weight, 1.0)
    tokens, cells = token_losses(logits.float(), batch.targets.long(), batch.goals, model.config.n, weight)
    return Losses(torch.stack([*tokens, dense_loss(said.float(), batch.dense, batch.dense_known)]), cells)


def in_boxes(ids: Tensor) -> Tensor:
    """(B, T) tokens -> True where a box is open: what follows there is one of its corners, or its end."""
    return (ids == OPEN["box"]).cumsum(1) > (ids == CLOSE["box"]).cumsum(1)


def token_losses(logits: Tensor, targets: Tensor, goals: Tensor, n: int,
                 weight: Tensor | float = 1.0) -> tuple[list[Tensor], Tensor]:  # fmt: skip
    """Logits (B, T, V), targets (B, T), goals (B, T, 2) -> mean loss of cells, of offsets, of all else; cells named.

    weight (B, T): of each place in these means.
    """
    logp = logits.log_softmax(-1)
    asked, grid = targets != IGNORE, ~torch.isnan(goals[..., 0])
    offset = (targets >= DELETE) & (targets < OFFSET_START + len(OFFSETS))
    plain = -logp.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    cells = logp[..., GRID_START : GRID_START + n * n]
    x, y = (_spread(goals[..., axis], n) for axis in (0, 1))
    smooth = -((cells.unflatten(-1, (n, n)) * x[..., None, :]).sum(-1) * y).sum(-1)
    parts = ((smooth, grid), (plain, asked & offset), (plain, asked & ~offset & ~grid))
    return [_mean(loss, where * weight) for loss, where in parts], torch.where(grid, cells.argmax(-1), -1)


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of what has a weight, 0 where nothing has."""
    return (torch.where(weight > 0, loss, 0.0) * weight).sum() / weight.sum().clamp(min=1)


def _spread(goal: Tensor, n: int) -> Tensor:
    """Positions (B, T) in cells, NaN where none -> shares (B, T, n) of the columns or rows around each."""
    centre = torch.arange(n, device=goal.device) + 0.5
    share = torch.exp(-0.5 * ((centre - goal.nan_to_num(0.0)[..., None]) / SMOOTHING) ** 2)
    return share / share.sum(-1, keepdim=True)


def dense_loss(said: Tensor, dense: Tensor, known: Tensor) -> Tensor:
    """said (B, n * n, 5) logits, dense (B, 5, n, n) -> mean loss over channels whose truth is known (B, 5)."""
    truth, weight = dense.flatten(2).transpose(1, 2), torch.tensor(RARE, device=said.device)
    loss = F.binary_cross_entropy_with_logits(said, truth, pos_weight=weight, reduction="none")
    return (loss.mean(1) * known).sum() / known.sum().clamp(min=1)
