"""How much memory of a GPU a shape takes, by count: weights, images, answers, a pass; and which cards hold it.

`getok bench --memory` prints it for 3B and 7B on any machine: networks on `meta` have shapes and no weights.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from ..engines.qwen_language import LayerWeights
from ..engines.qwen_network import QwenNetwork
from ..engines.qwen_passes import PREPARED
from ..engines.qwen_pixels import Pixels
from .large_network import random_model, random_vocabulary, rows_of
from .scripted import VIEWS

CARDS_GB = (12, 24, 80)
USABLE = 0.95
"""of a card; the rest is lost to fragments"""
CONTEXT = 0.6 * 2**30
"""bytes that CUDA and its libraries take before any tensor is made"""
ROUNDED = ("qkv", "out", "gate_up", "down")
"""weights of a layer that shrink"""


@dataclass(frozen=True)
class Needs:
    """Bytes, of a scene answered with graphs."""

    weights: float
    images: float
    """prefixes kept, the one in work included"""
    answers: float
    """cache of all rows"""
    passes: float
    """what the largest pass holds at once, and the logits of a step"""
    context: float = CONTEXT

    def __str__(self) -> str:
        whole = sum(astuple(self))
        held = [f"{card} GB" for card in CARDS_GB if whole < USABLE * card * 1e9]
        parts = (f"{name} {size / 2**30:.2f}" for name, size in vars(self).items())
        return f"{whole / 2**30:.1f} GiB ({', '.join(parts)}): fits {', '.join(held) or 'no card of 80 GB'}"


def needs(
    network: QwenNetwork, eight: bool, images: int = 2, rows: int = 33, places: int = 256, width: int = 3
) -> Needs:
    """eight: layers of the language model in 8 bits, all else in 16. width: tokens of a row that a step reads."""
    language, vision = network.language, network.vision
    layers = sum(_layer_bytes(layer, eight) for layer in language.layers)
    others = [weight for block in vision.blocks for weight in block] + [*vision.merger.parameters(), vision.stem]
    others += [language.head, language.norm]
    weights = layers + 2 * sum(w.numel() for w in others) + (0 if language.tied else 2 * language.embedding.numel())
    token = 2 * 2 * len(language.layers) * language.groups * language.d
    wide, patches = _numbers(language.layers[0].down), 4 * vision.tokens
    prefill = 3 * 2 * 2 * network.prefix_tokens * wide // language.width
    tower = 3 * 2 * patches * vision.blocks[0].gate_up.shape[0]
    attention = 10 * language.heads * PREPARED * (network.prefix_tokens + PREPARED)
    logits = (rows - 1) * len(network.base_ids) * (6 * width + 6 * 4)
    return Needs(
        weights, images * token * network.prefix_tokens, rows * places * token, max(prefill, tower, attention) + logits
    )


def cards(network: QwenNetwork) -> dict[str, str]:
    """What a network needs in 16 bits and with 8-bit layers -> lines for a report."""
    return {
        f"memory, {name}": str(needs(network, eight)) for name, eight in (("16 bits", False), ("8-bit layers", True))
    }


def memory_table(shapes: tuple[str, ...] = ("3b", "7b")) -> str:
    """Lines for people: every shape in 16 bits and with 8-bit layers. Raises ModelError without torch's stack."""
    lines: list[str] = []
    for shape in shapes:
        vocabulary = random_vocabulary(rows_of(shape))
        model = random_model(shape, vocabulary, "meta", torch.bfloat16)
        network = QwenNetwork(model, vocabulary, VIEWS[shape], Pixels())
        lines += [f"{shape}, {what.removeprefix('memory, ')}: {said}" for what, said in cards(network).items()]
    return "\n".join(lines)


def _layer_bytes(layer: LayerWeights, eight: bool) -> int:
    """A rounded matrix has a scale of 4 bytes for each of its outputs."""
    every = layer._asdict()
    small = sum(_numbers(every[name]) * (1 if eight else 2) for name in ROUNDED)
    scales = 4 * sum(_outputs(every[name]) for name in ROUNDED) if eight else 0
    return small + scales + 2 * sum(weight.numel() for name, weight in every.items() if name not in ROUNDED)


def _numbers(weight: Tensor | tuple[Tensor, Tensor]) -> int:
    return weight.numel() if isinstance(weight, Tensor) else weight[0].numel()


def _outputs(weight: Tensor | tuple[Tensor, Tensor]) -> int:
    return len(weight if isinstance(weight, Tensor) else weight[0])
