"""Networks of the field to time beside the nano: same cores, same runtime, random weights, inputs of their own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .twinlitenet_shape import TwinLiteNetShape
from .yolop_shape import YolopShape


@dataclass(frozen=True)
class FieldNetwork:
    """One network by name, with what was published of its size."""

    name: str
    make: Callable[[], nn.Module]
    size: tuple[int, int]
    """width and height of its input"""
    millions: float
    """parameters, as published"""
    billions: float
    """multiplications at that size, as published; YOLOP's 18.6 counts additions too"""
    says: str


FIELD = (
    FieldNetwork("TwinLiteNet", TwinLiteNetShape, (640, 360), 0.44, 3.9, "masks of lanes and drivable area"),
    FieldNetwork(
        "YOLOP", YolopShape, (640, 384), 7.9, 18.6 / 2, "boxes unsuppressed, masks of lanes and drivable area"
    ),
)


def count(network: nn.Module, size: tuple[int, int]) -> tuple[float, float]:
    """Millions of parameters, and billions of multiplications of its convolutions for one image of that size."""
    done: list[float] = []

    def note(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        transposed = isinstance(layer, nn.ConvTranspose2d)
        places = out.numel() / out.shape[1] / (4 if transposed else 1)
        done.append(places * weight.numel())

    convolutions = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    hooks = [layer.register_forward_hook(note) for layer in convolutions]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, size[1], size[0]))
    for hook in hooks:
        hook.remove()
    return sum(weight.numel() for weight in network.parameters()) / 1e6, sum(done) / 1e9


def exported(field: FieldNetwork, folder: Path) -> Path:
    """Writes a network as ONNX into a folder -> its file."""
    path, (width, height) = folder / "field.onnx", field.size
    vendor: Any = torch.onnx
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vendor.export(field.make().eval(), (torch.zeros(1, 3, height, width),), str(path), input_names=["image"],
                      dynamo=True, external_data=False, verbose=False)  # fmt: skip
    return path
