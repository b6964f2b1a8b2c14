"""The least time a schedule can take: its bytes at the bandwidth, its operations at the rate, both measured here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..engines.qwen_network import QwenNetwork
from .table import timed


@dataclass(frozen=True)
class Ceilings:
    """What this device reaches on one large product each."""

    bytes_s: float
    """streaming a weight matrix past one row"""
    flops_s: float
    """a product of large square matrices"""

    def ms(self, moved: float, done: float) -> float:
        """Milliseconds for bytes moved and operations done, whichever takes longer."""
        return 1000 * max(moved / self.bytes_s, done / self.flops_s)


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Takes a second; the sizes are far beyond any cache."""
    large = device.type == "cuda"

    def wait() -> None:
        if large:
            torch.cuda.synchronize()

    rows, width = (65536, 8192) if large else (8192, 4096)
    weight = torch.randn(rows, width, device=device, dtype=dtype)
    one = torch.randn(1, width, device=device, dtype=dtype)
    F.linear(one, weight)
    stream_ms = timed(lambda: F.linear(one, weight), 20 if large else 5, wait)
    side = 8192 if large else 1024
    square = torch.randn(side, side, device=device, dtype=dtype)
    torch.mm(square, square)
    square_ms = timed(lambda: torch.mm(square, square), 10 if large else 5, wait)
    return Ceilings(weight.nbytes / stream_ms * 1000, 2 * side**3 / square_ms * 1000)


@dataclass(frozen=True)
class Floors:
    """Milliseconds of each kind of work for one network."""

    vision: float
    prefill: float
    step: float
    weights_bytes: int
    _layers: float
    _ceilings: Ceilings

    def reading(self, tokens: int) -> float:
        """One pass over so many tokens after the prefix."""
        return max(self.step, self._ceilings.ms(0, 2 * self._layers * tokens))


@dataclass(frozen=True)
class Schedule:
    """What one way of drawing a scene takes after its prefix."""

    steps: int
    passes: int
    """over prompts, of all requests of a batch at once"""
    refined: int
    """tokens that a round reads"""
    rounds: int

    def propose(self, floors: Floors) -> float:
        """Milliseconds of prompts and steps at least."""
        return self.steps * floors.step + self.passes * floors.reading(64)

    def scene(self, floors: Floors) -> float:
        """Milliseconds of a whole scene at least."""
        return floors.vision + floors.prefill + self.propose(floors) + self.rounds * floors.reading(self.refined)


def floors_of(network: QwenNetwork, ceilings: Ceilings) -> Floors:
    """Counts parameters, bytes and operations; activations are not counted, so nothing reaches these."""
    size = network.language.embedding.element_size()
    every = [weight for layer in network.language.layers for weight in layer]
    held = [weight if isinstance(weight, torch.Tensor) else weight.values for weight in every]
    layers, layer_bytes = sum(weight.numel() for weight in held), sum(weight.nbytes for weight in held)
    head, vision = network.language.head.numel(), sum(w.numel() for block in network.vision.blocks for w in block)
    patches, tower = 4 * network.vision.tokens, network.vision
    across = tower.blocks[0].norm1.numel()
    whole = len(tower.full)
    windowed = len(tower.blocks) - whole
    attention = 4 * patches * across * (whole * patches + windowed * tower.windows.longest)
    p, wide = network.prefix_tokens, network.language.heads * network.language.d
    causal = 2 * p * p * wide * len(network.language.layers)
    read = 1 - 1 / len(network.language.layers)  # of the last layer a prefix needs little
    kept = 2 * len(network.language.layers) * network.language.groups * network.language.d * p * size
    return Floors(
        ceilings.ms(vision * size, 2 * vision * patches + attention),
        ceilings.ms(layer_bytes * read, 2 * layers * read * p + causal * read),
        ceilings.ms(layer_bytes + head * size + kept, 2 * (layers + head)),
        layer_bytes + (head + vision) * size,
        float(layers),
        ceilings,
    )
