"""YOLOP's shape (Wu et al. 2022), random weights: boxes of traffic and masks of lanes and drivable area, for its time.

Written from the published description: CSPDarknet with spatial pyramid pooling, a feature pyramid down to stride 8,
from there a path back up to a detection head of three anchors at three strides, and two segmentation heads of three
doublings. What turns its boxes into answers, non-maximum suppression, is no part of it. Its accuracy is not measured.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _activated(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.Hardswish())


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, residual: bool):
        super().__init__()
        self.mix, self.residual = (
            nn.Sequential(_activated(channels, channels), _activated(channels, channels, 3)),
            residual,
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(x) if self.residual else self.mix(x)


class _CrossStage(nn.Module):
    """Half of the channels goes through bottlenecks, the other half past them."""

    def __init__(self, inputs: int, outputs: int, depth: int = 1, residual: bool = False):
        super().__init__()
        half = outputs // 2
        bottlenecks = (_Bottleneck(half, residual) for _ in range(depth))
        self.through = nn.Sequential(_activated(inputs, half), *bottlenecks, nn.Conv2d(half, half, 1, bias=False))
        self.past = nn.Conv2d(inputs, half, 1, bias=False)
        self.join = nn.Sequential(nn.BatchNorm2d(2 * half), nn.LeakyReLU(0.1), _activated(2 * half, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.through(x), self.past(x)], dim=1))


class _PyramidPooling(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.narrow, self.join = _activated(channels, channels // 2), _activated(2 * channels, channels)
        self.pools = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.narrow(x)
        return self.join(torch.cat([x, *(pool(x) for pool in self.pools)], dim=1))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class _Segmentation(nn.Module):
    """Stride 8 -> a map of two classes at stride 1."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = _activated(channels, 128, 3)
        self.second = nn.Sequential(_CrossStage(128, 64), _activated(64, 32, 3))
        self.third = nn.Sequential(_activated(32, 16, 3), _CrossStage(16, 8))
        self.last = _activated(8, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(_doubled(self.third(_doubled(self.second(_doubled(self.first(x))))))).sigmoid()


class YolopShape(nn.Module):
    """(1, 3, H, W), multiples of 32 -> drivable area and lanes (1, 2, H, W), boxes (1, 18, ..) of three strides."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _activated(12, 32)
        self.stage4 = nn.Sequential(_activated(32, 64, 3, 2), _CrossStage(64, 64, 1, residual=True))
        self.stage8 = nn.Sequential(_activated(64, 128, 3, 2), _CrossStage(128, 128, 3, residual=True))
        self.stage16 = nn.Sequential(_activated(128, 256, 3, 2), _CrossStage(256, 256, 3, residual=True))
        self.stage32 = nn.Sequential(_activated(256, 512, 3, 2), _PyramidPooling(512), _CrossStage(512, 512))
        self.top32, self.top16 = _activated(512, 256), nn.Sequential(_CrossStage(512, 256), _activated(256, 128))
        self.up8, self.up16, self.up32 = _CrossStage(256, 128), _CrossStage(256, 256), _CrossStage(512, 512)
        self.down8, self.down16 = _activated(128, 128, 3, 2), _activated(256, 256, 3, 2)
        self.boxes = nn.ModuleList(nn.Conv2d(channels, 18, 1) for channels in (128, 256, 512))
        self.drivable, self.lanes = _Segmentation(256), _Segmentation(256)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        quarters = [image[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        c8 = self.stage8(self.stage4(self.stem(torch.cat(quarters, dim=1))))
        c16 = self.stage16(c8)
        p32 = self.top32(self.stage32(c16))
        p16 = self.top16(torch.cat([_doubled(p32), c16], dim=1))
        p8 = torch.cat([_doubled(p16), c8], dim=1)
        n8 = self.up8(p8)
        n16 = self.up16(torch.cat([self.down8(n8), p16], dim=1))
        n32 = self.up32(torch.cat([self.down16(n16), p32], dim=1))
        boxes = (head(level).sigmoid() for head, level in zip(self.boxes, (n8, n16, n32), strict=True))
        return self.drivable(p8), self.lanes(p8), *boxes
