"""The synthetic suite through several processes, each with its own copy of the model on one thread."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
from tqdm import tqdm

from getok_core.engines import load_engine
from getok_core.metrics.intervals import Interval
from getok_core.metrics.tally import median_interval
from getok_core.perceiver import Perceiver

from . import frames
from .references import Constant
from .remembered import RememberedEngine
from .sheet import Sheet
from .synthetic import Bench

TIMED = 40
"""scenes on which times are taken, before any other process runs"""


@dataclass(frozen=True)
class Model:
    """What to load: a folder, a device, CPU threads (0: one a core), and numbers of refinements."""

    folder: Path
    device: str = "cpu"
    threads: int = 0
    refinements: tuple[int, ...] = (0, 1)

    def perceivers(self, remember: bool = False) -> dict[int, Perceiver]:
        """Refinements -> Perceiver, all of one engine. Raises ModelError."""
        engine = load_engine(self.folder, self.device, self.threads)
        chosen = RememberedEngine(engine) if remember else engine
        return {rounds: Perceiver(chosen, rounds) for rounds in self.refinements}


def seconds(perceivers: dict[int, Perceiver], scenes: int) -> dict[int, Interval]:
    """Refinements -> median seconds that a look at a scene takes, standing queries alone."""
    taken: dict[int, list[float]] = {rounds: [] for rounds in perceivers}
    for _, frame in frames.unseen_frames(min(TIMED, scenes)):
        for rounds, perceiver in perceivers.items():
            began = time.perf_counter()
            perceiver.perceive(frame.image)
            taken[rounds].append(time.perf_counter() - began)
    return {rounds: median_interval(measured) for rounds, measured in taken.items()}


def score(model: Model, constant: Constant, scenes: int, empties: int, processes: int) -> Sheet:
    """Scores so many scenes and empty frames; one process scores them here."""
    jobs = [*frames.unseen_seeds(scenes), *frames.empty_seeds(empties)]
    whole = Sheet()
    for sheet in tqdm(_scored(model, constant, jobs, processes), "synthetic", len(jobs), leave=False, mininterval=2):
        whole.merge(sheet)
    return whole


def _scored(model: Model, constant: Constant, jobs: list[int], processes: int) -> Iterator[Sheet]:
    if processes <= 1:
        _begin(model, constant)
        yield from map(_score, jobs)
        return
    # Spawned, not forked: a fork of a process whose thread pools run can hang.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _begin, (replace(model, threads=1), constant)) as pool:
        yield from pool.imap(_score, jobs, chunksize=4)


_bench: list[Bench] = []
"""the one of this process"""


def _begin(model: Model, constant: Constant) -> None:
    """Each process loads the model once."""
    cv2.setNumThreads(1)
    _bench[:] = [Bench(model.perceivers(remember=True), constant)]


def _score(seed: int) -> Sheet:
    (bench,) = _bench
    if seed in frames.unseen_seeds(frames.FIRST_EMPTY):
        return bench.scene(seed, frames.unseen(seed))
    return bench.empty(seed, *frames.empty(seed))
