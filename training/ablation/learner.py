"""Trains one arm on the scenes all arms share; every arm takes the same steps at the same rate."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from getok_core.engines.nano_network import Nano, Picture
from getok_core.errors import GetokError
from getok_core.lattice import Size
from training.light import relit
from training.losses import dense_loss, seen, token_losses
from training.segments import IGNORE
from training.sft import optimiser, schedule

from .arms import Arm
from .batches import Batch, batches
from .network import network, shown
from .scenes import SHAPES, Made

AHEAD = 8
"""batches made ahead of the device"""


@dataclass(frozen=True)
class Effort:
    """What every arm gets."""

    samples: int
    batch: int = 64
    rate: float = 1e-3
    backbone: float = 0.33
    seed: int = 0
    device: str = "cpu"
    compile: bool = False
    imagenet: Path | None = None
    sizes: dict[str, Any] = field(default_factory=dict[str, Any])
    """of the network, where they differ from the nano's"""


class Gallery:
    """Pixels of the training scenes on the device, by shape: shared by all arms."""

    def __init__(self, scenes: Sequence[Made], device: str):
        by_shape = {size: [s.image for s in scenes if s.image.shape[1::-1] == size] for size in SHAPES}
        self.images = {size: torch.from_numpy(np.stack(some)).to(device) for size, some in by_shape.items() if some}

    def of(self, size: Size, rows: Tensor) -> Tensor:
        """(B, H, W, 3) uint8"""
        return self.images[size][rows]


def train(arm: Arm, scenes: Sequence[Made], gallery: Gallery, effort: Effort) -> tuple[Nano, float]:
    """The trained network, ready to answer, and the seconds it took after its first step, in which kernels compile.

    Raises GetokError when the loss is not finite.
    """
    device = torch.device(effort.device)
    model = network(arm, effort.seed, effort.imagenet, **effort.sizes).to(device, memory_format=torch.channels_last)
    learn = optimiser(model, effort.rate, effort.backbone)
    dense = _dense(scenes, arm, device)
    coordinates = torch.from_numpy(arm.spelling.coordinates).to(device)
    look = _compiled() if effort.compile and arm.view != "dynamic" else _look
    steps, loss = max(1, effort.samples // effort.batch), torch.zeros(())
    stream = _ahead(batches(scenes, arm, effort.batch, effort.seed), device)
    began = time.monotonic()
    for step in range(steps):
        if step == 1:
            began = time.monotonic()
        for group in learn.param_groups:
            group["lr"] = effort.rate * group["scale"] * schedule(step / steps)
        batch = next(stream)
        image = shown(relit(gallery.of(batch.size, batch.rows)), arm, batch.marker)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            picture, said = look(model, image)
            logits = _logits(model, picture, batch)
        truth = dense[batch.size][batch.rows].float()
        known = torch.ones(truth.shape[:2], device=device)
        loss = _asked_loss(logits.float(), batch, arm, coordinates) + dense_loss(said.float(), truth, known)
        learn.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        learn.step()
    stream.close()
    if not torch.isfinite(loss.detach()):
        raise GetokError(f"arm {arm.name}: the loss is {loss.item()} after {steps} steps: lower --rate")
    return model.eval(), time.monotonic() - began


@cache
def _compiled() -> Callable[[Nano, Tensor], tuple[Picture, Tensor]]:
    """One for all arms: those with the same input and lattice share its kernels."""
    return torch.compile(_look, dynamic=False)


def _look(model: Nano, image: Tensor) -> tuple[Picture, Tensor]:
    picture = model.look(image)
    return picture, model.dense(picture.cells)


def _logits(model: Nano, picture: Picture, batch: Batch) -> Tensor:
    """(B, A, V) at the places that are asked."""
    states, _ = model.hidden(batch.ids, batch.position, picture, mask=seen(batch.segment))
    asked = states.gather(1, batch.places[..., None].expand(-1, -1, states.shape[-1]))
    return model.logits(asked, picture)


def _asked_loss(logits: Tensor, batch: Batch, arm: Arm, coordinates: Tensor) -> Tensor:
    """Mean loss of what spells vertices and mean loss of all else, added: however many tokens a vertex takes."""
    if not bool(getattr(arm.spelling, "smooth", False)):
        asked = batch.targets != IGNORE
        targets = batch.targets.clamp(min=0)
        plain = -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        spells = coordinates[targets]
        parts = [asked & spells, asked & ~spells]
        return sum(torch.where(where, plain, 0.0).sum() / where.sum().clamp(min=1) for where in parts)  # pyright: ignore[reportReturnType]
    (vertices, offsets, words), _ = token_losses(logits, batch.targets, batch.goals, arm.spelling.n)
    return vertices + offsets + words


def _dense(scenes: Sequence[Made], arm: Arm, device: torch.device) -> dict[Size, Tensor]:
    """(N, 5, n, n) what lies under each cell, by shape."""
    by_shape = {size: [s.written[arm.writing][1] for s in scenes if s.image.shape[1::-1] == size] for size in SHAPES}
    return {size: torch.from_numpy(np.stack(some)).to(device) for size, some in by_shape.items() if some}


def _ahead(stream: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The stream on the device, made by a thread a few batches ahead."""
    ready: queue.Queue[Batch] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def fill() -> None:
        for batch in stream:
            tensors = [one.pin_memory() if device.type == "cuda" else one for one in batch[1:]]
            while not stopped.is_set():
                try:
                    ready.put(Batch(batch.size, *tensors), timeout=0.2)
                    break
                except queue.Full:
                    continue
            if stopped.is_set():
                return

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            batch = ready.get()
            yield Batch(batch.size, *(one.to(device, non_blocking=True) for one in batch[1:]))
    finally:
        stopped.set()
        thread.join()
