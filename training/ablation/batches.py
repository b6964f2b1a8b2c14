"""Batches of one arm: the same scenes in the same order for all arms, their requests packed side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from getok_core.lattice import Size
from getok_core.vocabulary import PAD
from training.segments import IGNORE

from .arms import Arm
from .asked import Piece
from .scenes import SHAPES, Made

EXPRESSIONS, DRAFTS = 2, 2
"""referring expressions with each sample, and drafts where an arm has them"""
MULTIPLE = 64
"""lengths are multiples of it, so that kernels and memory see few shapes"""


class Batch(NamedTuple):
    """B samples of one shape with T text tokens each, of which at most A places are asked."""

    size: Size
    rows: Tensor
    """(B,) of the shape's images"""
    ids: Tensor
    """(B, T) as segment and position"""
    segment: Tensor
    position: Tensor
    places: Tensor
    """(B, A) where in T something is asked; 0 on padding"""
    targets: Tensor
    """(B, A), IGNORE on padding"""
    goals: Tensor
    """(B, A, 2)"""
    marker: Tensor
    """(B, 4) in parts of the image, NaN where nothing is drawn"""


def batches(scenes: Sequence[Made], arm: Arm, batch: int, seed: int) -> Iterator[Batch]:
    """Endless batches, each of scenes of one shape."""
    by_shape = {size: [s.written[arm.writing][0] for s in scenes if _size(s) == size] for size in SHAPES}
    shapes = [size for size in SHAPES if by_shape[size]]
    share = np.asarray([len(by_shape[size]) for size in shapes]) / len(scenes)
    rng = np.random.default_rng(seed)
    while True:
        size = shapes[int(rng.choice(len(shapes), p=share))]
        rows = rng.integers(len(by_shape[size]), size=batch)
        yield collate(size, rows, [drawn(by_shape[size][row], arm.questions, rng) for row in rows])


def _size(scene: Made) -> Size:
    return scene.image.shape[1], scene.image.shape[0]


def drawn(pieces: Sequence[Piece], questions: int, rng: np.random.Generator) -> list[Piece]:
    """One of the lists, some questions, some expressions and some drafts of a scene, the same in every arm."""
    kept: list[Piece] = []
    rng = np.random.default_rng(rng.integers(2**32))
    for group, most in (("list", 1), ("question", questions), ("referred", EXPRESSIONS), ("draft", DRAFTS)):
        some = [one for one in pieces if one.group == group]
        kept += [some[index] for index in rng.permutation(len(some))[:most]]
    return kept


def collate(size: Size, rows: NDArray[np.int64], samples: Sequence[Sequence[Piece]]) -> Batch:
    """Samples of one shape, side by side, padded to the longest."""
    length = _padded(max(sum(len(one.segment.ids) for one in sample) for sample in samples))
    asked = _padded(max(sum(int((one.segment.targets != IGNORE).sum()) for one in sample) for sample in samples))
    count = len(samples)
    ids, segment = np.full((count, length), PAD), np.full((count, length), -1)
    position, places = np.zeros((count, length), np.int64), np.zeros((count, asked), np.int64)
    targets, goals = np.full((count, asked), IGNORE), np.full((count, asked, 2), np.nan, np.float32)
    marker = np.full((count, 4), np.nan, np.float32)
    for row, sample in enumerate(samples):
        at = filled = 0
        for number, one in enumerate(sample):
            own, where = slice(at, at + len(one.segment.ids)), np.flatnonzero(one.segment.targets != IGNORE)
            ids[row, own], segment[row, own] = one.segment.ids, number
            position[row, own] = np.arange(len(one.segment.ids))
            span = slice(filled, filled + len(where))
            places[row, span], targets[row, span] = where + at, one.segment.targets[where]
            goals[row, span] = one.segment.goals[where]
            at, filled = own.stop, span.stop
            if one.marker is not None:
                marker[row] = one.marker
    arrays = (rows, ids, segment, position, places, targets, goals, marker)
    return Batch(size, *map(torch.from_numpy, arrays))


def _padded(length: int) -> int:
    return -MULTIPLE * (-length // MULTIPLE)
