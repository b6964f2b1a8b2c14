"""Rendered frames to test on: scenes that nothing was trained on, and frames without anything to find."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from getok_core.errors import QueryError
from getok_core.lattice import Size
from getok_core.queries import SceneQuery, check_region
from training.questions import attribute_questions
from training.scenes.views import blank, roadless
from training.targets import Frame

from .references import Asked
from .slices import world_of

SIZE: Size = (960, 540)
FIRST_TRAINING_SEED = 2_000_000
FIRST_EMPTY = 5_000
"""of the test seeds, from which empty frames are drawn on purpose"""
EMPTY = ("no road", "blank lens")
"""kinds of empty frames, in turn"""


def unseen_seeds(count: int) -> range:
    """Seeds of the first `count` test scenes."""
    from training.feed import TEST_SEEDS

    return TEST_SEEDS[:count]


def unseen(seed: int) -> Frame:
    """The test scene of a seed, 960 x 540, no photograph behind it."""
    from training.feed import synthetic

    return synthetic(seed, SIZE)


def unseen_frames(count: int) -> Iterator[tuple[int, Frame]]:
    """The first `count` test scenes with their seeds."""
    for seed in unseen_seeds(count):
        yield seed, unseen(seed)


def empty_seeds(count: int) -> range:
    """Seeds of `count` frames with nothing to find."""
    from training.feed import TEST_SEEDS

    return TEST_SEEDS[FIRST_EMPTY : FIRST_EMPTY + count]


def empty(seed: int) -> tuple[str, Frame]:
    """One of EMPTY and its frame, 960 x 540: nothing stands in it."""
    rng, kind = np.random.default_rng(seed), EMPTY[seed % len(EMPTY)]
    made = blank(rng, SIZE) if kind == "blank lens" else roadless(rng, world_of(seed, SIZE), None, 0)
    return kind, Frame(made.image, made.scene, made.known, made.attributes, ids=made.ids)


def training_frames(count: int) -> Iterator[tuple[Frame, Asked]]:
    """The first `count` training scenes with questions, at half the size: what a constant predictor may learn from."""
    from training.feed import synthetic

    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count):
        frame = synthetic(seed, (SIZE[0] // 2, SIZE[1] // 2))
        yield frame, asked_of(seed, frame)


def asked_of(seed: int, frame: Frame) -> Asked:
    """Questions of one frame, the same for the same seed; a region that only touches the border is not asked about."""
    rng = np.random.default_rng([13, seed])
    return [(query, answer) for query, answer in attribute_questions(frame, rng) if inside(query, frame.size)]


def inside(query: SceneQuery, size: Size) -> bool:
    """Whether the question has no region, or one of which something lies in an image of that size."""
    try:
        return query.region is None or bool(check_region(query.region, size))
    except QueryError:
        return False
