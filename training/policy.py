"""What reinforcement learning improves: a network that can be sampled as an engine and read again in torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from getok_core.protocol import Engine
from getok_core.view import RGB


class Reading(NamedTuple):
    """One sequence over one image, and the places where its next token is asked for."""

    frame: int
    ids: Sequence[int]
    """local ids"""
    places: Sequence[int]
    """(T,) indices of ids"""


class Policy(Protocol):
    """A network whose replies are sampled through its engine, and whose probabilities are recomputed in torch."""

    @property
    def engine(self) -> Engine:
        """The network as it is now: its weights change while the engine stays."""
        ...

    @property
    def at_once(self) -> int:
        """Most sequences that one backward pass has room for."""
        ...

    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        """(T, V) float32 logits over local ids at each reading's places, in their order; images (H, W, 3) of the view.

        Differentiable where gradients are enabled.
        """
        ...

    def trained(self) -> list[torch.nn.Parameter]:
        """What the optimiser may change."""
        ...

    def settle(self) -> None:
        """Called after each update of the weights."""
        ...

    def save(self, out: Path, learn: torch.optim.Optimizer, done: int, writes: bool = True) -> None:
        """A checkpoint after so many steps; the one before it stays until this one is whole.

        Asked on every rank, because parts may have to be gathered; one of them writes.
        """
        ...

    def restore(self, out: Path, learn: torch.optim.Optimizer) -> int:
        """Takes up the checkpoint in a folder, if there is one; returns the steps it has done."""
        ...

    def frozen(self) -> Policy:
        """The network as it is now, for good: what the KL penalty holds the policy to."""
        ...
