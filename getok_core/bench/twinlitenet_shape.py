"""TwinLiteNet's shape (Che et al. 2023), random weights: a network of masks of lanes and drivable area, for its time.

Written from the published description: an ESPNet-C encoder (dilated pyramids after three halvings, joined maps mixed by
convolutions) with dual attention, and two decoders of transposed convolutions. Its accuracy is not measured here.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


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


class _PlaceAttention(nn.Module):
    """Every place of a small map sees every other."""

    def __init__(self, channels: int):
        super().__init__()
        self.q, self.k = nn.Conv2d(channels, channels // 8, 1), nn.Conv2d(channels, channels // 8, 1)
        self.v, self.share = nn.Conv2d(channels, channels, 1), nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        where = (self.q(x).flatten(2).transpose(1, 2) @ self.k(x).flatten(2)).softmax(-1)
        return x + self.share * (self.v(x).flatten(2) @ where.transpose(1, 2)).view_as(x)


class _ChannelAttention(nn.Module):
    """Every channel of a small map sees every other."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        alike = flat @ flat.transpose(1, 2)
        which = (alike.amax(-1, keepdim=True) - alike).softmax(-1)
        return x + self.share * (which @ flat).view_as(x)


def _decoder(channels: int) -> nn.Sequential:
    """Three doublings to a map of two classes."""
    widths = (channels, 16, 8, 2)
    return nn.Sequential(
        *(
            nn.Sequential(nn.ConvTranspose2d(a, b, 2, 2, bias=False), nn.BatchNorm2d(b), nn.PReLU(b))
            for a, b in pairwise(widths)
        )
    )


class TwinLiteNetShape(nn.Module):
    """(1, 3, 360, 640) -> drivable area and lanes, (1, 2, 360, 640) each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shrink = _activated(3, 16, 3, 2), nn.AvgPool2d(3, 2, 1)
        self.join1, self.join2, self.join3 = _activated(19, 19, 3), _activated(131, 131, 3), _activated(256, 32, 3)
        self.down2, self.level2 = _Pyramid(19, 64, 2), nn.Sequential(*(_Pyramid(64, 64) for _ in range(2)))
        self.down3, self.level3 = _Pyramid(131, 128, 2), nn.Sequential(*(_Pyramid(128, 128) for _ in range(3)))
        self.by_place = nn.Sequential(_PlaceAttention(32), _activated(32, 32, 3))
        self.by_channel = nn.Sequential(_ChannelAttention(), _activated(32, 32, 3))
        self.finish = _activated(32, 32, 1)
        self.drivable, self.lanes = _decoder(32), _decoder(32)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        small = self.shrink(image)
        second = self.down2(self.join1(torch.cat([self.stem(image), small], dim=1)))
        third = self.down3(self.join2(torch.cat([self.level2(second), second, self.shrink(small)], dim=1)))
        x = self.join3(torch.cat([self.level3(third), third], dim=1))
        x = self.finish(self.by_place(x) + self.by_channel(x))
        return self.drivable(x), self.lanes(x)
