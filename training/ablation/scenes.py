"""The scenes all arms share, rendered once by worker processes in four shapes, and their token sequences by arm."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from getok_core.lattice import Lattice, Size
from training.feed import TEST_SEEDS, synthetic
from training.targets import Frame, dense_truth

from .arms import Arm
from .asked import Asked, Piece, asked_of, drafts_of, piece
from .views import framed, framing

SHAPES: tuple[Size, ...] = ((512, 288), (448, 336), (512, 256), (640, 256))
FIRST_SEED = 40_000_000
"""of the training scenes"""
Writing = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Made:
    """One training scene: its pixels, and by writing its requests with what lies under each cell (5, n, n)."""

    image: NDArray[np.uint8]
    written: dict[Writing, tuple[list[Piece], NDArray[np.float16]]]


@dataclass(frozen=True, eq=False)
class Tested:
    """One test scene with what is asked about it, regions in parts of its own image."""

    frame: Frame
    asked: list[Asked]


def shape_of(seed: int) -> Size:
    return SHAPES[seed % len(SHAPES)]


def made(seed: int, arms: Sequence[Arm]) -> Made:
    """The training scene of a seed as the arms spell it; every arm is asked the same."""
    whole = synthetic(seed, shape_of(seed))
    written: dict[Writing, tuple[list[Piece], NDArray[np.float16]]] = {}
    for arm in arms:
        if arm.writing not in written:
            frame = framed(whole, framing(arm.view, whole.size, arm.input))
            asked = asked_of(frame, np.random.default_rng([17, seed]))
            pieces = [piece(one, arm.spelling, arm.region, arm.input) for one in asked]
            if arm.rounds:
                pieces += drafts_of(asked, frame, arm.spelling, np.random.default_rng([23, seed]))
            written[arm.writing] = pieces, dense_truth(frame, Lattice(arm.spelling.n)).astype(np.float16)
    return Made(whole.image, written)


def unseen_scene(seed: int) -> Tested:
    """The test scene of a seed."""
    frame = synthetic(seed, shape_of(seed))
    return Tested(replace(frame, ids=None), asked_of(frame, np.random.default_rng([19, seed])))


def training_scenes(count: int, arms: Sequence[Arm], workers: int) -> list[Made]:
    """`count` scenes through so many processes; 0 renders here."""
    jobs = [(seed, tuple(arms)) for seed in range(FIRST_SEED, FIRST_SEED + count)]
    return list(tqdm(_mapped(_made, jobs, workers), "training scenes", count, leave=False, mininterval=5))


def unseen_scenes(count: int, workers: int) -> list[Tested]:
    """The first `count` test scenes."""
    return list(
        tqdm(_mapped(unseen_scene, TEST_SEEDS[:count], workers), "test scenes", count, leave=False, mininterval=5)
    )


def _made(job: tuple[int, tuple[Arm, ...]]) -> Made:
    return made(*job)


def _mapped(work: Any, jobs: Sequence[Any], workers: int) -> Iterator[Any]:
    if not workers:
        yield from map(work, jobs)
        return
    # Spawned, not forked: a fork of a process whose thread pools run can hang.
    with multiprocessing.get_context("spawn").Pool(workers, cv2.setNumThreads, (1,)) as processes:
        yield from processes.imap(work, jobs, chunksize=16)
