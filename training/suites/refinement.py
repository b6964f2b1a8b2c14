"""One pass against one after another: the same weights refine by reading all offsets at once, and as the paper does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from getok_core.engines.sequential_engine import SequentialEngine
from getok_core.metrics.scene_parts import scene_parts
from getok_core.metrics.tally import SECONDS, Block, Tally, median_interval
from getok_core.perceiver import Perceiver
from getok_core.protocol import Engine
from training.targets import Frame


def measure(engine: Engine, rounds: Sequence[int], frames: Iterable[tuple[int, Frame]]) -> list[Block]:
    """Columns: both ways after each number of rounds, 0 left out; seconds are those of a whole look at a frame."""
    engines = {"one pass": engine, "one by one": SequentialEngine(engine)}
    perceivers = {f"{way}, R={r}": Perceiver(one, r) for r in rounds if r for way, one in engines.items()}
    tallies, seconds = side_by_side(perceivers, frames)
    columns = {name: {**tally.intervals(), SECONDS: median_interval(seconds[name])} for name, tally in tallies.items()}
    count = max(map(len, seconds.values()), default=0)
    return [Block(f"Refining in one pass and one after another: {count} rendered scenes", columns, {"images": count})]


def side_by_side(perceivers: Mapping[str, Perceiver],
                 frames: Iterable[tuple[int, Frame]]) -> tuple[dict[str, Tally], dict[str, list[float]]]:  # fmt: skip
    """What each says of the same frames: column -> rows of a scene, and the seconds of each whole look at a frame."""
    tallies, seconds = {name: Tally() for name in perceivers}, {name: list[float]() for name in perceivers}
    for seed, frame in frames:
        for name, perceiver in perceivers.items():
            began = time.perf_counter()
            said = perceiver.perceive(frame.image)
            seconds[name].append(time.perf_counter() - began)
            tallies[name].add(seed, scene_parts(frame.scene, said))
    return tallies, seconds
