"""What every shortcut costs: the same scenes seen plainly, and by the same weights with each shortcut in turn.

Plain is the default: lists in one sequence, refined in one pass, at the precision of the folder. One pass is a shortcut
itself, so what it costs is minus the difference of the column that refines one after another. Track mode needs frames
that follow each other and has a suite of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from getok_core.engines import load_engine
from getok_core.engines.anchored_engine import AnchoredEngine
from getok_core.engines.sequential_engine import SequentialEngine
from getok_core.errors import ModelError
from getok_core.metrics.tally import SECONDS, Block, median_interval
from getok_core.perceiver import Perceiver
from getok_core.protocol import Engine
from training.int8_graphs import ALL, TEXT, write_int8
from training.targets import Frame

from .refinement import side_by_side
from .workers import Model

PLAIN = "plain"
ROWS = ("lanes within 2 %: F1", "lanes within 1 %: F1", "drivable area: IoU", "obstacles at IoU 0.5: F1",
        "obstacles at IoU 0.8: F1", "signs at IoU 0.5: F1")  # fmt: skip
INT8: Mapping[str, Sequence[str]] = {"int8: text": TEXT, "int8: all but convolutions": ALL}
"""column -> graphs that multiply in 8 bits"""


def engines(model: Model, engine: Engine) -> tuple[dict[str, Engine], list[str]]:
    """Column -> engine, all of the same weights, the plain one first; and why others are left out."""
    made: dict[str, Engine] = {
        PLAIN: engine,
        "offsets one after another": SequentialEngine(engine),
        "anchors": AnchoredEngine(engine),
    }
    left_out: list[str] = []
    for column, graphs in INT8.items():
        try:
            made[column] = _int8(model, graphs)
        except ModelError as error:
            left_out.append(f"{column} left out: {error}")
    return made, left_out


def _int8(model: Model, graphs: Sequence[str]) -> Engine:
    if model.device != "cpu":
        raise ModelError(f"it is made for a CPU, and the device is {model.device}: give --device cpu")
    with TemporaryDirectory() as folder:
        write_int8(model.folder, Path(folder), graphs)
        return load_engine(folder, model.device, model.threads)


def measure(model: Model, plain: Perceiver, frames: Iterable[tuple[int, Frame]]) -> list[Block]:
    """Both tables, at plain's number of refinements: what each way reaches, and how much more than plain, paired."""
    made, left_out = engines(model, plain.engine)
    perceivers = {column: Perceiver(engine, plain.refinements) for column, engine in made.items()}
    tallies, taken = side_by_side(perceivers, frames)
    first, images = tallies[PLAIN], {"images": len(taken[PLAIN])}
    reached = {
        column: {row: interval for row, interval in tally.intervals().items() if row in ROWS}
        | {SECONDS: median_interval(taken[column])}
        for column, tally in tallies.items()
    }
    more = {
        column: {row: tally.more_than(first, row) for row in ROWS}
        | {SECONDS: median_interval(np.subtract(taken[column], taken[PLAIN]).tolist())}
        for column, tally in tallies.items()
        if column != PLAIN
    }
    title = "; ".join((f"Shortcuts: {images['images']} rendered scenes, R = {plain.refinements}", *left_out))
    return [Block(title, reached, images), Block("The same scenes: how much more than plain", more, images)]
