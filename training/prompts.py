"""What the nano segmenter learns from: frames with the masks of their things, each prompted as the language names it.

A prompt is up to POINTS points: seeds inside the mask, or the two corners of a box, or both (labels as SAM has them: 1
inside, 2 and 3 the corners, -10 nothing).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from getok_core.errors import DataError

from .feed import TEST_SEEDS
from .masks import extent, seeds_of
from .photos import training_backgrounds
from .scenes import Rendered, render
from .scenes.canvas import ROAD

SIZE = 448
"""usual side of the square that a frame is resized to, pixels; masks that are learned have a quarter of it"""
MASKS, POINTS = 8, 6
"""masks of a frame, points of a prompt"""
INSIDE, FIRST_CORNER, SECOND_CORNER, NOTHING = 1, 2, 3, -10
FRAME = (512, 256)
"""width and height of the frames rendered"""
LEAST = 24
"""pixels of such a frame below which a mask is not asked for"""


class Prompted(NamedTuple):
    """B frames with K prompts each."""

    image: Tensor
    """(B, side, side, 3) uint8"""
    points: Tensor
    """(B, K, P, 2) float32, x, y in pixels of image"""
    labels: Tensor
    """(B, K, P) int64"""
    masks: Tensor
    """(B, K, side / 4, side / 4) uint8, share of each place that is mask, times 255"""
    asked: Tensor
    """(B, K) float32, 1 where there is a mask"""


def prompted(rendered: Rendered, rng: np.random.Generator, side: int = SIZE) -> Prompted:
    """One frame, without the batch's axis: masks of things and of the road, in turn until all places are taken."""
    idents = rng.permutation([thing.ident for thing in rendered.things] + [ROAD])
    points = np.zeros((MASKS, POINTS, 2), np.float32)
    labels = np.full((MASKS, POINTS), NOTHING, np.int64)
    masks, asked = np.zeros((MASKS, side // 4, side // 4), np.uint8), np.zeros(MASKS, np.float32)
    for row, ident in enumerate(np.resize(idents, MASKS)):
        mask = rendered.ids == ident
        if int(mask.sum()) < LEAST:
            continue
        prompt = prompt_of(mask, rng, side)
        points[row, : len(prompt[0])], labels[row, : len(prompt[0])] = prompt
        masks[row] = cv2.resize(mask.astype(np.uint8) * 255, masks.shape[1:], interpolation=cv2.INTER_AREA)
        asked[row] = 1.0
    image = cv2.resize(rendered.image, (side, side), interpolation=cv2.INTER_LINEAR)
    return Prompted(*map(torch.from_numpy, (np.asarray(image, np.uint8), points, labels, masks, asked)))


def prompt_of(mask: NDArray[np.bool_], rng: np.random.Generator,
              side: int = SIZE) -> tuple[NDArray[np.float32], NDArray[np.int64]]:  # fmt: skip
    """Mask (H, W) -> points (P', 2) in pixels of the resized square and their labels (P',): box, seeds or both."""
    height, width = mask.shape
    scale = np.array([side / width, side / height])
    kind = rng.random()
    points, labels = np.zeros((0, 2)), []
    if kind < 0.65:
        box = extent(mask).reshape(2, 2)
        points = box + rng.normal(0, 1, (2, 2)) * (1.0 + 0.04 * (box[1] - box[0]))
        labels = [FIRST_CORNER, SECOND_CORNER]
    if kind > 0.35:
        seeds = _seeds(mask, rng)
        points, labels = np.concatenate([points, seeds]), labels + [INSIDE] * len(seeds)
    return (points * scale).astype(np.float32), np.asarray(labels, np.int64)


def _seeds(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """One to four points (N, 2), in pixels of the mask: the language's own seeds, or any pixels inside.

    A thing thinner than a cell is named by a cell whose centre may lie beside it: so it is learned.
    """
    height, width = mask.shape
    if rng.random() < 0.5:
        cells = seeds_of(mask)[: int(rng.integers(1, 4))]
        return (cells + 0.5) * np.array([width, height]) / 32
    y, x = np.nonzero(mask)
    chosen = rng.integers(0, len(x), int(rng.integers(1, 5)))
    return np.stack([x[chosen], y[chosen]], axis=1) + 0.5


class PromptFeed(IterableDataset):
    """Endless blocks of `each` frames; worker w of W makes blocks w, w + W, ... from seed `start` on."""

    def __init__(self, start: int, each: int = 8, backgrounds: bool = True, side: int = SIZE):
        self.start, self.each, self.photos, self.side = start, each, backgrounds, side

    def __iter__(self) -> Iterator[Prompted]:
        cv2.setNumThreads(1)
        behind = training_backgrounds() if self.photos else None
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        number = self.start + worker * self.each
        while True:
            if number in TEST_SEEDS:
                raise DataError(f"scene {number} is a test seed: train on other numbers")
            made = [prompted(render(seed, FRAME, behind), np.random.default_rng([17, seed]), self.side)
                    for seed in range(number, number + self.each)]  # fmt: skip
            yield Prompted(*(torch.stack(column) for column in zip(*made, strict=True)))
            number += workers * self.each
