"""Several GPUs that share a step: each rolls out its own part and holds the whole model, gradients are added up.

Started by torchrun or accelerate launch. What learns in a large model is its adapter, whose gradients are small, so
nothing is sharded. Two ranks take the same step as one with twice the accumulation.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as distributed

group: Any = distributed


@dataclass(frozen=True)
class Ranks:
    """Which of so many processes this one is."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """The one that writes files and speaks."""
        return self.rank == 0

    def added(self, value: float) -> float:
        """The sum of every rank's value."""
        if self.count == 1:
            return value
        device = "cuda" if group.get_backend() == "nccl" else "cpu"
        total = torch.tensor(value, dtype=torch.float64, device=device)
        group.all_reduce(total)
        return float(total)

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Every rank's gradients become their sum; a rank without one adds zero."""
        if self.count > 1:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                group.all_reduce(parameter.grad)

    def wait(self) -> None:
        """Until every rank has come here."""
        if self.count > 1:
            group.barrier()


@contextmanager
def ranks(device: str) -> Generator[Ranks, None, None]:
    """The processes that torchrun started, joined while the block is at work; one alone elsewhere."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    group.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Ranks(int(os.environ["RANK"]), count)
    finally:
        group.destroy_process_group()
