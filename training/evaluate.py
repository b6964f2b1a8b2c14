"""One table of what a model can do: `python -m training.evaluate --model models/nano --suite synthetic,real`.

Everything goes through the product's own path, load_engine and Perceiver. Beside the model stand the codec's ceiling
(the truth as the lattice can say it) and predictors that never look. In brackets 95 % bootstrap intervals over images.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from getok_core.engines.segmenters import load_segmenter
from getok_core.errors import DataError, GetokError
from getok_core.metrics.tally import Block
from getok_core.perceiver import Perceiver
from training.photos import data_folder
from training.results import write_json, write_text
from training.suites import ceiling, masks, real, refinement, shortcuts, synthetic, tracking, workers
from training.suites.frames import training_frames, unseen_frames
from training.suites.references import Constant
from training.suites.workers import Model

SUITES = ("synthetic", "real", "masks", "tracking", "shortcuts")
USUAL = SUITES[:2]
SEGMENTER = Path(__file__).parents[1] / "models" / "nano_segmenter"
Perceivers = Mapping[int, Perceiver]
Table = Callable[[], list[Block]]

NOTE = """Percent unless a row says otherwise; in brackets 95 % bootstrap intervals over images.
Lanes: within so many percent of the image width over 75 % of the label's length; boxes: one to one, surest first.
Ceiling: the truth written in cells and R offsets and read back. Constant: medians of training scenes, usual words."""


def tables_of(suite: str, options: argparse.Namespace, model: Model, perceivers: Perceivers,
              constant: Constant) -> list[Table]:  # fmt: skip
    """The tables of a suite, each made on its own. Raises DataError when the suite has no data at all."""
    if suite == "synthetic":
        tables: list[Table] = [partial(_synthetic, options, model, perceivers, constant)]
        if options.sequential:
            frames = unseen_frames(options.scenes)
            engine = next(iter(perceivers.values())).engine
            tables.append(partial(refinement.measure, engine, options.refinements, frames))
        return tables
    if suite == "masks":
        return [partial(_masks, options, model)]
    if suite == "shortcuts":
        return [partial(_shortcuts, options, model, perceivers[max(perceivers)])]
    if suite == "tracking":
        perceiver, most = perceivers[max(perceivers)], options.real_frames or tracking.CLIP_FRAMES
        count = -(-options.scenes // tracking.FRAMES)
        return [partial(tracking.drives, perceiver, count), lambda: tracking.clip(perceiver, data_folder(), most)]
    data, most = data_folder(), options.real_frames or None
    remembering = model.perceivers(remember=True)
    return [
        partial(real.lanes, remembering, data, most),
        partial(real.areas, remembering, data, constant, most),
        partial(real.signs, remembering, data, most),
    ]


def _synthetic(options: argparse.Namespace, model: Model, perceivers: Perceivers, constant: Constant) -> list[Block]:
    taken = workers.seconds(perceivers, options.scenes)
    sheet = workers.score(model, constant, options.scenes, options.empty, options.workers)
    return synthetic.blocks(sheet, taken)


def _masks(options: argparse.Namespace, model: Model) -> list[Block]:
    folders = [folder.resolve() for folder in options.segmenter]
    segmenters = {folder.name: load_segmenter(folder, options.device, options.threads) for folder in folders}
    frames = tqdm(unseen_frames(options.scenes), "masks", options.scenes, leave=False)
    return masks.measure(model.perceivers(remember=True), segmenters, frames)


def _shortcuts(options: argparse.Namespace, model: Model, perceiver: Perceiver) -> list[Block]:
    frames = tqdm(unseen_frames(options.scenes), "shortcuts", options.scenes, leave=False)
    return shortcuts.measure(model, perceiver, frames)


def run(tables: Sequence[Table]) -> tuple[list[Block], list[str]]:
    """Tables as they get ready, printed; and a line for each whose data is missing."""
    blocks: list[Block] = []
    missing: list[str] = []
    for table in tables:
        try:
            ready = table()
        except DataError as error:
            missing.append(str(error))
            continue
        blocks += ready
        print("\n" + "\n\n".join(block.text() for block in ready), flush=True)
    return blocks, missing


def evaluate(options: argparse.Namespace) -> int:
    """Measures, prints, writes JSON; 0, or 2 when something asked for could not be run. Raises GetokError."""
    if options.ceiling:
        return _ceiling(options)
    model = Model(options.model, options.device, options.threads, tuple(options.refinements))
    perceivers = model.perceivers()
    title = next(iter(perceivers.values())).manifest.title
    learned = tqdm(training_frames(options.learn), "constant predictor", options.learn, leave=False)
    constant = Constant.learned(learned)
    print(f"{title} on {options.device}\n{NOTE}", flush=True)
    results: dict[str, Any] = {"model": title, "device": options.device, "suites": {}, "missing": []}
    tables: list[Block] = []
    for suite in options.suite:
        try:
            blocks, missing = run(tables_of(suite, options, model, perceivers, constant))
        except DataError as error:
            blocks, missing = [], [str(error)]
        tables += blocks
        results["suites"][suite] = [block.to_json() for block in blocks]
        results["missing"] += [f"{suite}: {line}" for line in missing]
    if options.json:
        write_json(options.json, results)
    if options.markdown:
        lines = [f"{title} on {options.device}\n", NOTE + "\n", *(table.markdown() for table in tables)]
        write_text(options.markdown, "\n".join(lines))
    for line in results["missing"]:
        print(f"getok: suite {line}", file=sys.stderr)
    return 2 if results["missing"] else 0


def _ceiling(options: argparse.Namespace) -> int:
    block = ceiling.measure(tqdm(unseen_frames(options.scenes), "scenes", options.scenes, leave=False))
    print(ceiling.markdown(block))
    if options.json:
        write_json(options.json, block.to_json())
    if options.markdown:
        write_text(options.markdown, ceiling.markdown(block))
    return 0


def _suites(text: str) -> list[str]:
    chosen = list(dict.fromkeys(text.split(",")))
    if not set(chosen) <= set(SUITES):
        raise argparse.ArgumentTypeError(f"{text!r}: name one or more of {', '.join(SUITES)}, with commas")
    return chosen


def _folders(text: str) -> list[Path]:
    return [Path(name) for name in text.split(",")]


def _rounds(text: str) -> list[int]:
    numbers = text.split(",")
    if not all(number in ("0", "1", "2", "3", "4") for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers of refinements in 0..4, with commas, such as 0,1")
    return [int(number) for number in dict.fromkeys(numbers)]


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of scenes in 1..10000")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.evaluate", description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, help="model folder")
    parser.add_argument("--ceiling", action="store_true", help="what the language can say at all, without a model")
    parser.add_argument("--sequential", action="store_true", help="also refine in the paper's form, one after another")
    parser.add_argument("--suite", type=_suites, default=list(USUAL), help=f"some of {', '.join(SUITES)}")
    parser.add_argument("--segmenter", type=_folders, default=[SEGMENTER], help="of suite masks; several with commas")
    parser.add_argument("--scenes", type=_count, default=1000, help="synthetic test scenes, the first so many")
    parser.add_argument("--empty", type=_count, default=200, help="frames with nothing to find, rendered on purpose")
    parser.add_argument("--refinements", type=_rounds, default=[0, 1], help="numbers of refinements, such as 0,1,3")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the model; 0 takes one a core")
    parser.add_argument("--workers", type=_count, default=0, help="processes that score scenes; default: one a core")
    parser.add_argument("--learn", type=_count, default=200, help="training scenes the constant predictor learns from")
    parser.add_argument("--real-frames", type=int, default=0, help="real frames of each set, the first so many; 0: all")
    parser.add_argument("--json", type=Path, help="write the numbers")
    parser.add_argument("--markdown", type=Path, help="write the tables")
    options = parser.parse_args(arguments)
    options.workers = options.workers or (len(os.sched_getaffinity(0)) if options.device == "cpu" else 1)
    if not (options.model or options.ceiling):
        parser.error("--model is missing: name a model folder, or ask for --ceiling")
    try:
        return evaluate(options)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
