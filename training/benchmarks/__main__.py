"""The paper's tables: `python -m training.benchmarks --suite rec --samples test.jsonl --images coco --model DIR`.

Samples are those of training.datasets; every format given with --format is asked of the same model and scored by the
same code: grid, grid+offset, text, bins, marker, vision-reasoner. A format that a model was not trained to says nothing
of the model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from getok_core.engines import DEVICES, load_engine
from getok_core.engines.segmenters import load_segmenter
from getok_core.errors import GetokError
from getok_core.metrics.tally import Block
from getok_core.perceiver import Perceiver
from training.datasets.sample import Sample, read
from training.datasets.skipped import Skipped
from training.formats.grid import Grid
from training.formats.known import FORMATS, format_named
from training.results import write_json

from .asking import Asker
from .run import NAMES, measure


def benchmarks(options: argparse.Namespace) -> list[Block]:
    """Reads, asks and scores; prints every table. Raises GetokError."""
    forms = [format_named(name) for name in options.format]
    skipped = Skipped()
    samples: list[Sample] = []
    for path in options.samples:
        samples += islice(read(path, skipped), options.limit)
    engine = load_engine(options.model, options.device)
    local = options.device if options.device in DEVICES else "cpu"
    segmenter = load_segmenter(options.segmenter, local) if options.segmenter else None
    askers = [Asker(Perceiver(engine, form.rounds if isinstance(form, Grid) else 0), form, segmenter) for form in forms]
    print(f"{engine.manifest.title} on {options.device}; percent, in brackets 95 % bootstrap intervals over images")
    blocks = measure(options.suite, samples, askers, options.images, skipped)
    print("\n" + "\n\n".join(block.text() for block in blocks))
    for why, count in skipped.reasons():
        print(f"getok: left out {count}: {why}", file=sys.stderr)
    return blocks


def _names(known: Sequence[str], text: str) -> list[str]:
    chosen = list(dict.fromkeys(text.split(",")))
    if not set(chosen) <= set(known):
        raise argparse.ArgumentTypeError(f"{text!r}: name one or more of {', '.join(known)}, with commas")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.benchmarks", description="The paper's benchmarks of a model")
    add = parser.add_argument
    add("--samples", type=Path, nargs="+", required=True, help="files of training.datasets, JSON Lines")
    add("--images", type=Path, required=True, help="folder below which the samples name their images")
    add("--model", type=Path, required=True, help="model folder")
    add("--suite", type=lambda text: _names(NAMES, text), required=True, help="some of " + ", ".join(NAMES))
    add("--format", type=lambda text: _names(list(FORMATS), text), default=["grid", "grid+offset"],
        help="some of " + ", ".join(FORMATS) + " (default: grid,grid+offset)")  # fmt: skip
    add("--segmenter", default="", help="for masks: folder of a segmenter of ours, of SAM or of SAM 2")
    add("--device", default="cpu", help="cpu, cuda, or http://HOST:PORT of a model server")
    add("--limit", type=int, help="no more than so many samples of each file")
    add("--json", type=Path, help="write the numbers")
    options = parser.parse_args(arguments)
    try:
        blocks = benchmarks(options)
        if options.json:
            write_json(options.json, [block.to_json() for block in blocks])
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
