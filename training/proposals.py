"""Drafts of the network's own proposals: cells it named when it last saw a frame take the place of the true ones.

Jitter alone (segments.draft_segment) makes mistakes that no model makes. Offsets are computed again for the new cells,
for the first round of ROUNDS: a box's corners by the rule of offset_targets.corner_targets, all other vertices by that
of getok_core.refine.offset_targets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from getok_core.refine import reach
from getok_core.vocabulary import DELETE, GRID_START, OFFSET_START, OPEN

from .corner_tokens import STEP, corner_tokens
from .pool import Batch
from .segments import ROUNDS

NEAR = 2
"""cells, on each axis, beyond which a named cell belongs to another thing and the true one stays"""


def with_own_proposals(batch: Batch, n: int, share: Tensor) -> Batch:
    """The batch with linked drafts of some samples rewritten. share (B,) True: put the network's own cells there."""
    said = batch.said.gather(1, batch.links.long().clamp(min=0))
    cell = batch.ids.long() - GRID_START
    near = ((said % n - cell % n).abs() <= NEAR) & ((said // n - cell // n).abs() <= NEAR)
    taken = (batch.links >= 0) & (said >= 0) & near & share[:, None]
    cell = torch.where(taken, said, cell)
    ids = torch.where(taken, cell + GRID_START, batch.ids)
    centre = torch.stack([cell % n, cell // n], dim=-1) + 0.5
    aim, along = batch.aims[..., :2], batch.aims[..., 2:]
    goal = aim + along * ((centre - aim) * along).sum(-1, keepdim=True).clamp(-1.0, 1.0)
    read = taken & ~torch.isnan(batch.aims[..., 0])
    targets = torch.where(read, offset_tokens(goal.nan_to_num(0.0) - centre), batch.targets.long())
    targets = _with_corners(targets, centre, aim, (ids == OPEN["box"])[:, :-2] & (read[:, 1:-1] | read[:, 2:]))
    return batch._replace(ids=ids.to(batch.ids.dtype), targets=targets.to(batch.targets.dtype))


def _with_corners(targets: Tensor, centre: Tensor, aim: Tensor, boxes: Tensor) -> Tensor:
    """The targets (B, T) with those of boxes replaced: (B, T - 2), True where a box opens and its corners are read."""
    row, tag = boxes.nonzero(as_tuple=True)
    corners = tag[:, None] + torch.tensor([1, 2], device=tag.device)
    row = row[:, None]
    targets[row, corners] = corner_tokens(centre[row, corners], aim[row, corners])
    return targets


def offset_tokens(rest: Tensor) -> Tensor:
    """What is left to go (..., 2) in cells -> ids (...) of the first round's offsets, `<delete>` beyond reach."""
    step = 2.0**-STEP
    limit = reach(STEP, ROUNDS) + 2.0 ** -(STEP + ROUNDS)
    offset = torch.where(rest.abs() > step / 2, rest.sign(), 0.0).long()
    ids = OFFSET_START + (offset[..., 1] + 1) * 3 + offset[..., 0] + 1
    return torch.where((rest.abs() <= limit).all(-1), ids, DELETE)
