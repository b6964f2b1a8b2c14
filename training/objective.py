"""The objective of GRPO for replies that were drawn under a grammar.

At a place s the grammar leaves the tokens L(s). What is sampled is then not the network's p but the policy

    pi(t|s) = p(t|s) / Z(s) for t in L(s), else 0,     Z(s) = sum of p(u|s) over u in L(s),

with p^(1/T) in the place of p at temperature T. The ratio of one token is therefore

    pi_new(t|s) / pi_old(t|s) = p_new(t|s) / p_old(t|s) * Z_old(s) / Z_new(s).

Left out, the second factor would count mass that moves outside the grammar as a change of policy: where the grammar
leaves one token alone the true ratio is 1, that of p is not. And because grad log pi(t) = grad log p(t) - the mean of
grad log p(u) over u ~ pi, tokens outside L(s) are never pushed: under the grammar a network does not get better formed
by itself. That is what the arm without the grammar is for, and why validity is measured without it, before and after.

pi_old is recomputed by the network that learns, not taken from the engine that sampled: engines run in another
precision, with other kernels, or on a server, and a ratio of their probabilities to ours would be no ratio of policies.
L(s) is found by replaying the automaton. The KL penalty is that of the same renormalised policies. A refinement read in
one pass is the case where L(s) are the ten offset tokens and places do not see each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from getok_core.view import RGB

from .policy import Policy, Reading
from .rollouts import Group


class Spoken(NamedTuple):
    """What a step's replies are weighed by: for each, its (T,) log-probabilities under a frozen policy."""

    old: list[Tensor] | None
    """under the policy that sampled; None when it is the one that learns: every ratio is then 1, its gradient is not"""
    reference: list[Tensor]


class Loss(NamedTuple):
    """Sums over the tokens that were chosen; a token the grammar left no choice about is not counted."""

    loss: Tensor
    kl: float
    tokens: int


def log_policy(logits: Tensor, legal: Tensor, chosen: Tensor, temperature: float = 1.0) -> Tensor:
    """Logits and legal (T, V), chosen ids (T,) -> (T,) log pi of each, normalised over what was legal."""
    masked = (logits / temperature).masked_fill(~legal, -torch.inf)
    return masked.log_softmax(-1).gather(-1, chosen[:, None])[:, 0]


def spoken(policy: Policy, images: Sequence[RGB], groups: Sequence[Group], temperature: float) -> list[Tensor]:
    """(T,) log pi of every reply of every group, in their order."""
    rows = read_once(policy, images, [reading for group in groups for reading in group.readings])
    found: list[Tensor] = []
    at = 0
    for group in groups:
        for reply, chosen in enumerate(group.chosen):
            reading, legal = group.of(reply)
            logits = rows[at + reading]
            ids, mask = (torch.from_numpy(array).to(logits.device) for array in (chosen, legal))
            found.append(log_policy(logits, mask, ids, temperature))
        at += len(group.readings)
    return found


def read_once(policy: Policy, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
    """Policy.read, in which sequences that several readings share are run once."""
    unique: dict[tuple[int, tuple[int, ...]], int] = {}
    for reading in readings:
        unique.setdefault((reading.frame, tuple(reading.ids)), len(unique))
    wanted: list[list[int]] = [[] for _ in unique]
    spans: list[tuple[int, slice]] = []
    for reading in readings:
        row = unique[reading.frame, tuple(reading.ids)]
        spans.append((row, slice(len(wanted[row]), len(wanted[row]) + len(reading.places))))
        wanted[row] += list(reading.places)
    rows = policy.read(images, [Reading(frame, ids, wanted[row]) for (frame, ids), row in unique.items()])
    return [rows[row][span] for row, span in spans]


def grpo_loss(policy: Policy, images: Sequence[RGB], groups: Sequence[Group], before: Spoken, temperature: float = 1.0,
              kl: float = 1e-2, clip: float = 0.2) -> Loss:  # fmt: skip
    """- sum of min(r A, clip(r) A) - kl (pi_ref / pi - log(pi_ref / pi) - 1) over the tokens chosen.

    r is the ratio above, A the advantage of the reply in its group. The second term is an unbiased estimate of the KL
    divergence from the reference that is never negative.
    """
    now = spoken(policy, images, groups, temperature)
    advantages = np.concatenate([group.advantages() for group in groups])
    free = [_free(group, reply) for group in groups for reply in range(len(group.chosen))]
    total, drift, tokens = torch.zeros((), device=now[0].device), 0.0, 0
    for at, (new, reference) in enumerate(zip(now, before.reference, strict=True)):
        old = new.detach() if before.old is None else before.old[at]
        counted = torch.from_numpy(free[at]).to(new.device)
        ratio, a = (new - old).exp(), float(advantages[at])
        gained = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)
        apart = (reference - new).exp() - (reference - new) - 1
        total = total - torch.where(counted, gained - kl * apart, 0.0).sum()
        drift += float(torch.where(counted, apart, 0.0).sum().detach())
        tokens += int(free[at].sum())
    return Loss(total, drift, tokens)


def _free(group: Group, reply: int) -> NDArray[np.bool_]:
    """(T,) where the reply had a choice."""
    return np.asarray(group.of(reply)[1].sum(axis=1) > 1, np.bool_)
