"""Several processes that share a step, started by torchrun or accelerate launch: each rolls out its own part.

Either each holds the whole model and gradients are added up, or the model is sharded (sharding.py), which adds them up
itself and needs every rank to make the same passes. Two ranks take the same step as one with twice the accumulation.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as distributed

from getok_core.errors import ModelError

group: Any = distributed


@dataclass(frozen=True)
class Ranks:
    """Which of so many processes this one is."""

    rank: int = 0
    count: int = 1
    sharded: bool = False
    """whether each holds a part of the model only"""

    @property
    def first(self) -> bool:
        """The one that writes files and speaks."""
        return self.rank == 0

    def added(self, value: float) -> float:
        """The sum of every rank's value."""
        return value if self.count == 1 else self._reduced(value, distributed.ReduceOp.SUM)

    def in_step(self, passes: int) -> int:
        """How many passes are due here for so many of its own: as many as on the busiest rank where they share one
        model, because each pass gathers its weights from all."""
        return round(self._reduced(passes, distributed.ReduceOp.MAX)) if self.sharded else passes

    def _reduced(self, value: float, how: Any) -> float:
        device = "cuda" if group.get_backend() == "nccl" else "cpu"
        total = torch.tensor(value, dtype=torch.float64, device=device)
        group.all_reduce(total, how)
        return float(total)

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Every rank's gradients become their sum, unless they are already; a rank without one adds zero."""
        if self.count > 1 and not self.sharded:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                group.all_reduce(parameter.grad)

    def wait(self) -> None:
        """Until every rank has come here."""
        if self.count > 1:
            group.barrier()


@contextmanager
def ranks(device: str, sharded: bool = False) -> Generator[Ranks, None, None]:
    """The processes that were started together, joined while the block is at work; one alone elsewhere.

    Raises ModelError where a model is to be sharded over one.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        if sharded:
            raise ModelError("--shard needs several processes: torchrun --nproc-per-node 8 -m training.grpo ...")
        yield Ranks()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    group.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Ranks(int(os.environ["RANK"]), count, sharded)
    finally:
        group.destroy_process_group()
