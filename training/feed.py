"""Batches for training: rendered scenes and labelled photographs, packed and padded, made by background workers.

Sample number k is always the same sample, so a run that resumes sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from getok_core.errors import DataError
from getok_core.lattice import Lattice, Size
from getok_core.queries import standard_vocabulary
from getok_core.vocabulary import PAD

from .photos import Photo, augment, data_folder, labelled_boxes, test_only, training_photos
from .samples import IGNORE, Frame, Sample, make_sample
from .scenes import Backgrounds, render

TEST_SEEDS = range(1_000_000, 1_010_000)
"""seeds of synthetic test scenes: never trained on"""


class Batch(NamedTuple):
    """B images with T text tokens each, padded."""

    image: Tensor
    """(B, H, W, 3) uint8"""
    ids: Tensor
    segment: Tensor
    """(B, T) number of the request a token belongs to; -1 on padding"""
    position: Tensor
    targets: Tensor
    goals: Tensor
    """(B, T, 2) true positions in cells of grid targets, NaN elsewhere"""
    dense: Tensor
    """(B, 5, n, n)"""
    dense_known: Tensor


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples -> one batch, as long as its longest sample."""
    # A multiple of 32, so that compiled and cached kernels see few shapes.
    length = -32 * (-max(sum(len(s.ids) for s in sample.segments) for sample in samples) // 32)
    shape = (len(samples), length)
    ids, targets = np.full(shape, PAD), np.full(shape, IGNORE)
    segment, position = np.full(shape, -1), np.zeros(shape, np.int64)
    goals = np.full((*shape, 2), np.nan, np.float32)
    for row, sample in enumerate(samples):
        at = 0
        for number, one in enumerate(sample.segments):
            span = slice(at, at + len(one.ids))
            ids[row, span], targets[row, span], goals[row, span] = one.ids, one.targets, one.goals
            segment[row, span], position[row, span] = number, np.arange(len(one.ids))
            at = span.stop
    images = np.stack([sample.image for sample in samples])
    dense = np.stack([sample.dense for sample in samples])
    known = np.stack([sample.dense_known for sample in samples])
    return Batch(*map(torch.from_numpy, (images, ids, segment, position, targets, goals, dense, known)))


class Feed(IterableDataset):
    """Endless batches; worker w of n makes batches w, w + n, ... from sample number `start` on."""

    def __init__(self, size: Size, batch: int, start: int = 0, photos: bool = True, photo_share: float = 0.12,
                 n: int = 32):  # fmt: skip
        self.size, self.batch, self.start, self.n = size, batch, start, n
        self.photo_share = photo_share if photos else 0.0
        self.photos: list[Photo] = []
        self.backgrounds: Backgrounds | None = None
        if photos:
            data_folder()

    def load(self) -> None:
        """Reads the photographs, once, in the process that uses them."""
        if self.photo_share and not self.photos:
            self.photos = training_photos()
            folder = data_folder() / "roadsigns" / "images"
            names = sorted(path.name for path in folder.glob("*.jpg"))
            self.backgrounds = Backgrounds.load(folder, names, exclude=test_only(), erase=labelled_boxes())

    def frame(self, number: int) -> Frame:
        """Frame of sample `number`."""
        rng = np.random.default_rng([7, number])
        if self.photos and rng.random() < self.photo_share:
            return augment(self.photos[int(rng.integers(len(self.photos)))], self.size, rng)
        if number in TEST_SEEDS:
            raise DataError(f"sample {number} is a test seed: train on other numbers")
        return synthetic(number, self.size, self.backgrounds)

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        self.load()
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        lattice, vocabulary = Lattice(self.n), standard_vocabulary(self.n)
        number = self.start + worker * self.batch
        while True:
            rows = range(number, number + self.batch)
            yield collate(
                [make_sample(self.frame(k), lattice, vocabulary, np.random.default_rng([11, k])) for k in rows]
            )
            number += workers * self.batch


def synthetic(seed: int, size: Size, backgrounds: Backgrounds | None = None) -> Frame:
    """A rendered scene as a frame whose whole truth is known."""
    one = render(seed, size, backgrounds)
    return Frame(one.image, one.scene, one.known, one.attributes, one.obstacle_states)


def batches(feed: Feed, workers: int = 1) -> Iterator[Batch]:
    """The feed through background workers; 0 makes batches in this process."""
    if not workers:
        return iter(feed)
    # Spawned, not forked: a fork of a process whose thread pools run can hang.
    return iter(DataLoader(feed, None, num_workers=workers, prefetch_factor=4, multiprocessing_context="spawn"))
