"""Ways to bring an image of any shape to the network: as a whole, padded, cropped, or at a size of its own.

A view first frames the image, which cuts or pads it with its truth in whole pixels; what is framed is then resized
plainly to the network's input. So geometry only ever moves by whole pixels and scales.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from getok_core.geometry import XY, resample
from getok_core.lattice import Size
from getok_core.scene import Scene
from training.targets import Frame

View = Literal["resize", "pad", "crop", "dynamic"]
STRIDE = 32
"""of the network's coarsest features: sides of a dynamic input are multiples of it"""
GREY = 114
SEEN = 0.3
"""share of a thing's box, or of a line's length, that a crop must leave for it to count as seen"""


class Framing(NamedTuple):
    """What of an image of size (width, height) is shown: a rectangle in its pixels, larger than it where padded."""

    left: int
    top: int
    width: int
    height: int


def framing(view: View, size: Size, target: Size) -> Framing:
    """The rectangle a view shows, of the target's aspect where it pads or crops."""
    width, height = size
    if view in ("resize", "dynamic"):
        return Framing(0, 0, width, height)
    wide = width * target[1] > height * target[0]
    if wide == (view == "pad"):  # keep the width
        tall = round(width * target[1] / target[0])
        return Framing(0, (height - tall) // 2, width, tall)
    broad = round(height * target[0] / target[1])
    return Framing((width - broad) // 2, 0, broad, height)


def input_size(view: View, size: Size, target: Size) -> Size:
    """The network's input: the target, or, dynamic, a size of the image's aspect with at most as many pixels."""
    if view != "dynamic":
        return target
    budget = target[0] * target[1]
    width = STRIDE * max(1, round(math.sqrt(budget * size[0] / size[1]) / STRIDE))
    return width, STRIDE * max(1, budget // width // STRIDE)


def pixels(images: Tensor, view: View, target: Size) -> Tensor:
    """Images of one size (B, 3, H, W), 0..255 -> the network's input (B, 3, h, w)."""
    size = images.shape[3], images.shape[2]
    left, top, width, height = framing(view, size, target)
    x = F.pad(images, (-left, left + width - size[0], -top, top + height - size[1]), value=GREY)
    wide, tall = input_size(view, size, target)
    return F.interpolate(x, (tall, wide), mode="bilinear", antialias=True, align_corners=False)


def mark(images: Tensor, boxes: Tensor, thick: int = 2) -> Tensor:
    """Inputs (B, 3, h, w) with the outline of a box (B, 4), in parts of the image, drawn in red; NaN draws nothing."""
    height, width = images.shape[2:]
    left, top, right, bottom = (boxes * boxes.new_tensor([width, height, width, height])).round().unbind(1)
    y = torch.arange(height, device=images.device)[None, :, None]
    x = torch.arange(width, device=images.device)[None, None, :]

    def within(by: int) -> Tensor:
        across = (x >= left[:, None, None] - by) & (x < right[:, None, None] + by)
        return across & (y >= top[:, None, None] - by) & (y < bottom[:, None, None] + by)

    red = images.new_tensor([255.0, 0.0, 0.0])[None, :, None, None]
    return torch.where((within(thick) & ~within(0))[:, None], red, images)


def framed(frame: Frame, shown: Framing) -> Frame:
    """The truth of what a framing leaves to see, in its pixels; the pixels themselves are grey."""
    size = shown.width, shown.height
    if shown == (0, 0, *frame.size):
        return frame
    scene, corner = frame.scene, np.array([shown.left, shown.top], np.float64)
    cut = [(lane, _cut(lane.points - corner, size)) for lane in scene.lanes]
    obstacles, signs, lights = (_boxed(things, corner, size) for things in (scene.obstacles, scene.signs, scene.lights))
    states = zip(frame.obstacle_states, obstacles, strict=False)
    shorn = Scene(
        *size,
        lanes=tuple(replace(lane, points=line) for lane, line in cut if line is not None),
        drivable_areas=tuple(replace(a, points=np.clip(a.points - corner, 0, size)) for a in scene.drivable_areas),
        obstacles=_left(obstacles),
        signs=_left(signs),
        lights=_left(lights),
    )
    image = np.full((shown.height, shown.width, 3), GREY, np.uint8)
    return replace(frame, image=image, scene=shorn, ids=None, things=_left(_boxed(frame.things, corner, size)),
                   obstacle_states=tuple(state for state, box in states if box is not None))  # fmt: skip


def _left(things: list[Any]) -> tuple[Any, ...]:
    return tuple(thing for thing in things if thing is not None)


def _boxed(things: tuple[Any, ...], corner: NDArray[np.float64], size: Size) -> list[Any]:
    """Things with their boxes moved and cut; None for one of which too little is left."""
    out = []
    for thing in things:
        whole = thing.box - np.tile(corner, 2)
        box = np.clip(whole, 0, np.tile(size, 2))
        left = np.prod(box[2:] - box[:2]) / max(np.prod(whole[2:] - whole[:2]), 1e-9)
        out.append(replace(thing, box=box) if left >= SEEN else None)
    return out


def _cut(line: XY, size: Size) -> XY | None:
    """The part of a line (N, 2) between its first and last point inside; None when too little is left."""
    dense = resample(line, 201)
    inside = np.flatnonzero(((dense >= 0) & (dense <= size)).all(1))
    return dense[inside[0] : inside[-1] + 1] if len(inside) >= SEEN * len(dense) else None
