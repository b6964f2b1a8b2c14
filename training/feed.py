"""Samples for training: rendered scenes and labelled photographs, made by background workers in blocks of fixed shape.

Sample number k is always the same sample; an odd one is the mirror image of the one before it. Workers fill a Pool
(pool.py), from which batches are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from getok_core.errors import DataError
from getok_core.lattice import Lattice, Size
from getok_core.queries import standard_vocabulary

from .fleet import Fleet
from .mirror import mirrored
from .photos import Photo, augment, data_folder, training_backgrounds, training_photos
from .samples import LENGTH, Pack, Sample, make_sample
from .scenes import Backgrounds, render
from .targets import Frame

TEST_SEEDS = range(1_000_000, 1_010_000)
"""seeds of synthetic test scenes: never trained on"""


class Block(NamedTuple):
    """B samples of P packs with T text tokens each; fields as in samples.Pack and samples.Sample."""

    image: Tensor
    """(B, H, W, 3) uint8"""
    ids: Tensor
    """(B, P, T) int32, as segment, position, targets and links"""
    segment: Tensor
    position: Tensor
    targets: Tensor
    goals: Tensor
    """(B, P, T, 2) float32"""
    links: Tensor
    aims: Tensor
    """(B, P, T, 4) float32"""
    dense: Tensor
    """(B, 5, n, n) float32"""
    dense_known: Tensor
    """(B, 5) float32"""


def block(samples: Sequence[Sample]) -> Block:
    """Samples -> one block."""
    packed = {
        part.name: np.stack([np.stack([getattr(pack, part.name) for pack in sample.packs]) for sample in samples])
        for part in fields(Pack)
    }
    whole = {name: np.stack([getattr(s, name) for s in samples]) for name in ("image", "dense", "dense_known")}
    return Block(**{name: torch.from_numpy(array) for name, array in {**packed, **whole}.items()})


class Feed(IterableDataset):
    """Endless blocks; worker w of W makes blocks w, w + W, ... from sample number `start` on."""

    def __init__(self, size: Size, start: int = 0, photos: bool = True, photo_share: float = 0.1, n: int = 32,
                 each: int = 16, packs: int = 1, length: int = LENGTH,
                 spell: Callable[[Sample], Sample] | None = None,
                 fleet: Fleet | None = None, fleet_share: float = 0.3):  # fmt: skip
        """each: samples in a block, an even number, as start is; spell: rewrites a sample (ablations)."""
        self.size, self.start, self.n, self.each, self.packs, self.length = size, start, n, each, packs, length
        self.photo_share = photo_share if photos else 0.0
        self.spell, self.fleet, self.fleet_share = spell, fleet, fleet_share
        self.photos: list[Photo] = []
        self.backgrounds: Backgrounds | None = None
        if photos:
            data_folder()

    def load(self) -> None:
        """Reads the photographs, once, in the process that uses them."""
        if self.photo_share and not self.photos:
            self.photos, self.backgrounds = training_photos(), training_backgrounds()

    def pair(self, number: int) -> tuple[Frame, Frame]:
        """Frames of sample `number`, which is even, and of the next."""
        frame = self._frame(number)
        return frame, mirrored(frame)

    def _frame(self, number: int) -> Frame:
        rng = np.random.default_rng([7, number])
        if self.fleet and rng.random() < self.fleet_share:
            return self.fleet.frame(int(rng.integers(len(self.fleet))), self.size)
        if self.photos and rng.random() < self.photo_share:
            return augment(self.photos[int(rng.integers(len(self.photos)))], self.size, rng)
        if number in TEST_SEEDS:
            raise DataError(f"sample {number} is a test seed: train on other numbers")
        return synthetic(number, self.size, self.backgrounds)

    def __iter__(self) -> Iterator[Block]:
        cv2.setNumThreads(1)
        self.load()
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        lattice, vocabulary = Lattice(self.n), standard_vocabulary(self.n)
        number = self.start + worker * self.each
        while True:
            made: list[Sample] = []
            for k in range(number, number + self.each, 2):
                for at, frame in enumerate(self.pair(k)):
                    rng = np.random.default_rng([11, k + at])
                    sample = make_sample(frame, lattice, vocabulary, rng, self.packs, self.length)
                    made.append(self.spell(sample) if self.spell else sample)
            yield block(made)
            number += workers * self.each


def synthetic(seed: int, size: Size, backgrounds: Backgrounds | None = None) -> Frame:
    """A rendered scene as a frame whose whole truth is known."""
    one = render(seed, size, backgrounds)
    return Frame(one.image, one.scene, one.known, one.attributes, one.obstacle_states, one.things, one.ids)


def blocks(feed: Feed, workers: int = 1) -> Iterator[Block]:
    """The feed through background workers; 0 makes blocks in this process."""
    if not workers:
        return iter(feed)
    # Spawned, not forked: a fork of a process whose thread pools run can hang.
    return iter(DataLoader(feed, None, num_workers=workers, prefetch_factor=4, multiprocessing_context="spawn"))
