"""How well a segmenter in training draws what it never trains on: mean IoU of things and roads named by their seeds."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from getok_core.engines.nano_segmenter import inside, padded
from getok_core.lattice import Lattice

from .masks import seeds_of
from .prompts import FRAME, LEAST, POINTS
from .scenes import Rendered, render
from .scenes.canvas import ROAD

SEEDS = range(11_000_000, 11_000_400)
"""seeds of scenes kept for this: training begins above them, tests lie below"""


class HeldOut:
    """The first `count` held-out frames and the masks (H, W) in each."""

    def __init__(self, count: int):
        rendered = [render(seed, FRAME) for seed in SEEDS[:count]]
        self.frames = [(one.image, masks) for one in rendered if (masks := _masks(one))]

    @torch.no_grad()
    def iou(self, model: nn.Module, side: int) -> float:
        """Mean over all masks of a model that takes images (1, 3, side, side), points and labels."""
        ious = [iou for image, masks in self.frames for iou in _ious(model, side, image, masks)]
        return float(np.mean(ious))


def _masks(rendered: Rendered) -> list[NDArray[np.bool_]]:
    masks = [rendered.ids == ident for ident in (*(thing.ident for thing in rendered.things), ROAD)]
    return [mask for mask in masks if int(mask.sum()) >= LEAST]


def _ious(model: nn.Module, side: int, image: NDArray[np.uint8], masks: list[NDArray[np.bool_]]) -> list[float]:
    device = next(model.parameters()).device
    scale = np.array([side / FRAME[0], side / FRAME[1]])
    asked = [padded(Lattice().decode(seeds_of(mask), FRAME) * scale, False, POINTS) for mask in masks]
    points, labels = (torch.from_numpy(np.stack(column))[None].to(device) for column in zip(*asked, strict=True))
    square = torch.from_numpy(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR))
    logits: Tensor = model(square.permute(2, 0, 1)[None].float().to(device), points, labels)[0][0]
    drawn = [inside(one.float().cpu().numpy(), FRAME) for one in logits]
    return [float((a & b).sum() / max(1, (a | b).sum())) for a, b in zip(drawn, masks, strict=True)]
