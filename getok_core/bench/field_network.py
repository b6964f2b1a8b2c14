"""A lanes-plus-drivable network of the field, for its time: TwinLiteNet's shape (Che et al. 2023), random weights.

Written from the published description: an ESPNet-C encoder (dilated pyramids after three halvings) with dual attention,
and two decoders of transposed convolutions, drivable area and lanes, at 640 x 360. Its accuracy is not measured here.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SIZE = (640, 360)
"""width and height of its published input"""
NAME = "TwinLiteNet's shape, random weights, 640 x 360"


def _activated(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.PReLU(outputs))


class _Pyramid(nn.Module):
    """ESP block: reduce, five dilated branches, summed from the narrowest to the widest."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        narrow = outputs // 5
        first = outputs - 4 * narrow
        self.reduce = nn.Conv2d(inputs, narrow, 3 if stride == 2 else 1, stride, 1 if stride == 2 else 0, bias=False)
        widths = (first, narrow, narrow, narrow, narrow)
        self.branches = nn.ModuleList(
            nn.Conv2d(narrow, width, 3, padding=2**k, dilation=2**k, bias=False) for k, width in enumerate(widths)
        )
        self.finish = nn.Sequential(nn.BatchNorm2d(outputs), nn.PReLU(outputs))
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        parts = [branch(reduced) for branch in self.branches]
        sums = [parts[0], parts[1]]
        for part in parts[2:]:
            sums.append(sums[-1] + part)
        joined = torch.cat(sums, dim=1)
        return self.finish(x + joined if self.same else joined)


class _DualAttention(nn.Module):
    """Attention over positions and over channels of a small map, added."""

    def __init__(self, channels: int):
        super().__init__()
        self.q, self.k = nn.Conv2d(channels, channels // 8, 1), nn.Conv2d(channels, channels // 8, 1)
        self.v = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        where = (self.q(x).flatten(2).transpose(1, 2) @ self.k(x).flatten(2)).softmax(-1)
        by_place = self.v(x).flatten(2) @ where.transpose(1, 2)
        by_channel = (flat @ flat.transpose(1, 2)).softmax(-1) @ flat
        return (by_place + by_channel).view_as(x) + x


class _Decoder(nn.Module):
    """Three doublings to a map of two classes."""

    def __init__(self, channels: int):
        super().__init__()
        self.rise = nn.Sequential(
            *(
                nn.Sequential(nn.ConvTranspose2d(a, b, 2, 2), nn.BatchNorm2d(b), nn.PReLU(b))
                for a, b in ((channels, 16), (16, 8))
            ),
            nn.ConvTranspose2d(8, 2, 2, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.rise(x)


class _Settled(nn.Module):
    """Maps joined, then normalised and activated."""

    def __init__(self, channels: int):
        super().__init__()
        self.finish = nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))

    def forward(self, *maps: Tensor) -> Tensor:
        return self.finish(torch.cat(maps, dim=1))


class FieldNetwork(nn.Module):
    """(1, 3, 360, 640) -> drivable area and lanes, (1, 2, 360, 640) each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shrink = _activated(3, 16, 3, 2), nn.AvgPool2d(3, 2, 1)
        self.join1, self.join2, self.join3 = _Settled(19), _Settled(131), _Settled(256)
        self.down2, self.level2 = _Pyramid(19, 64, 2), nn.Sequential(*(_Pyramid(64, 64) for _ in range(2)))
        self.down3, self.level3 = _Pyramid(131, 128, 2), nn.Sequential(*(_Pyramid(128, 128) for _ in range(3)))
        self.narrow, self.attend = _activated(256, 32, 1), _DualAttention(32)
        self.drivable, self.lanes = _Decoder(32), _Decoder(32)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        small = self.shrink(image)
        second = self.down2(self.join1(self.stem(image), small))
        third = self.down3(self.join2(self.level2(second), second, self.shrink(small)))
        x = self.attend(self.narrow(self.join3(self.level3(third), third)))
        return self.drivable(x), self.lanes(x)


def exported(network: FieldNetwork, folder: Path) -> Path:
    """Writes the network as ONNX into a folder -> its file."""
    path = folder / "field.onnx"
    vendor: Any = torch.onnx
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vendor.export(network, (torch.zeros(1, 3, SIZE[1], SIZE[0]),), str(path), input_names=["image"], dynamo=True,
                      external_data=False, verbose=False)  # fmt: skip
    return path
