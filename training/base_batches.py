"""Samples -> batches of like length, the same on any number of ranks and workers, resumable at any of them.

Draws of a mixture come in windows; within one they are sorted by length and cut into global batches, of which each rank
takes its share. What a batch holds depends on the seed and its number alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from getok_core.engines.qwen_pixels import Pixels

from .base_samples import Example, Speaker
from .datasets.mixture import Drawn, Mixture
from .datasets.skipped import MALFORMED
from .segments import IGNORE

WINDOW = 8
"""global batches that are sorted by length together: few, so that a batch is not of one kind of question"""


class Inputs(NamedTuple):
    """B sequences, padded on the right to T tokens."""

    ids: Tensor
    """(B, T) base ids"""
    targets: Tensor
    """(B, T) base ids, IGNORE where nothing is asked"""
    seen: Tensor
    """(B, T) 1 on tokens, 0 on padding"""
    patches: Tensor | None
    """(all patches of the batch, D), or None where no sequence has an image"""
    grids: Tensor | None
    """(images, 3) frames, rows and columns of patches"""

    def on(self, device: torch.device) -> Inputs:
        return Inputs(*(None if tensor is None else tensor.to(device, non_blocking=True) for tensor in self))

    @property
    def asked(self) -> int:
        """tokens that are learned"""
        return int((self.targets != IGNORE).sum())


def collate(examples: Sequence[Example], pad: int, pixels: Pixels) -> Inputs:
    """Examples -> one batch; none at all -> a single token that teaches nothing, so that no rank falls out of step."""
    length = max((len(one.ids) for one in examples), default=1)
    shape = max(len(examples), 1), length
    ids, targets = torch.full(shape, pad), torch.full(shape, IGNORE)
    seen = torch.zeros(shape, dtype=torch.int64)
    seen[:, 0] = 1
    for row, one in enumerate(examples):
        ids[row, : len(one.ids)] = torch.from_numpy(one.ids)
        targets[row, : len(one.ids)] = torch.from_numpy(one.targets)
        seen[row, : len(one.ids)] = 1
    images = [one.image for one in examples if one.image is not None]
    if not images:
        return Inputs(ids, targets, seen, None, None)
    patches = torch.from_numpy(np.concatenate([pixels.patches(image) for image in images]))
    grids = torch.tensor([pixels.grid((image.shape[1], image.shape[0])) for image in images])
    return Inputs(ids, targets, seen, patches, grids)


@dataclass(frozen=True)
class Share:
    """Whose part of each global batch is made."""

    rank: int = 0
    ranks: int = 1
    each: int = 2
    """sequences a rank and batch"""


class Batches(IterableDataset[Inputs]):
    """Endless batches of one rank, from batch number `start` on."""

    def __init__(self, mixture: Mixture, speaker: Speaker, pixels: Pixels, pad: int, share: Share, start: int = 0):
        self.mixture, self.speaker, self.pixels, self.pad = mixture, speaker, pixels, pad
        self.share, self.start = share, start

    def __iter__(self) -> Iterator[Inputs]:
        cv2.setNumThreads(1)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        for number, drawn in enumerate(self._global_batches()):
            if number >= self.start and (number - self.start) % workers == worker:
                yield collate([*self._examples(drawn)], self.pad, self.pixels)

    def _global_batches(self) -> Iterator[list[tuple[int, Drawn]]]:
        """(position among all draws, draw) of each global batch."""
        size = self.share.ranks * self.share.each
        draws = enumerate(self.mixture.draws())
        for number in count():
            window = sorted(islice(draws, WINDOW * size), key=_length)
            cut = [window[at : at + size] for at in range(0, len(window), size)]
            for index in np.random.default_rng([self.mixture.seed, 3, number]).permutation(len(cut)):
                yield cut[index]

    def _examples(self, drawn: Sequence[tuple[int, Drawn]]) -> Iterator[Example]:
        """This rank's examples of a global batch; one that cannot be said is left out and named on standard error."""
        for position, one in drawn[self.share.rank :: self.share.ranks]:
            rng = np.random.default_rng([self.mixture.seed, 4, position])
            try:
                yield self.speaker.example(one.sample, one.learn, rng)
            except MALFORMED as error:
                print(f"{one.sample.source or one.sample.image}: {error}: skipped", file=sys.stderr)


def _length(drawn: tuple[int, Drawn]) -> tuple[int, int]:
    """About how many characters a sample has to say: sequences of like length make little padding."""
    position, (sample, learn, _) = drawn
    rounds = sum(len(question) + len(answer) for question, answer in sample.history)
    said = len(sample.answer) * (1 if isinstance(sample.answer, str) else 40 if learn == "offsets" else 20)
    return (0 if sample.image else -1_000_000) + len(sample.query.text) + len(sample.think) + rounds + said, position


def loader(batches: Batches, workers: int) -> Iterator[Inputs]:
    """Batches in their order, made by so many processes beside this one; 0 makes them here."""
    if not workers:
        return iter(batches)
    return iter(DataLoader(batches, None, num_workers=workers, prefetch_factor=4, multiprocessing_context="spawn"))
