"""Samples for a baseline: `python -m training.formats FILE.jsonl --format text --view 840x840 --out text.jsonl`.

What python -m training.sft_base learns from instead of FILE.jsonl; python -m training.benchmarks --format text then
scores what it learned. --format marker draws regions on copies of the images, which the samples then name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from getok_core.errors import DataError, GetokError
from getok_core.lattice import Size
from training.datasets.sample import read, write
from training.datasets.skipped import Skipped

from .known import FORMATS, format_named
from .samples import Rewriter


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.formats", description="samples for a baseline")
    add = parser.add_argument
    add("samples", type=Path, help="file of training.datasets, JSON Lines")
    add("--format", required=True, help="one of " + ", ".join(name for name, form in FORMATS.items() if form.spoken))
    add("--view", type=_size, default=(840, 840), metavar="WxH", help="the model's input in pixels (default: 840x840)")
    add("--out", type=Path, required=True, help="file to write")
    add("--images", type=Path, help="folder of the images, for markers")
    add("--marked", type=Path, help="folder for images with markers")
    add("--limit", type=int, help="no more than so many samples")
    options = parser.parse_args(arguments)
    skipped = Skipped()
    try:
        form = format_named(options.format)
        if not form.spoken:
            raise DataError(f"{options.format} is what samples are learned in already: name another format")
        rewriter = Rewriter(form, options.view, options.images, options.marked)
        some = islice(read(options.samples, skipped), options.limit)
        count = write(options.out, rewriter.each(some, skipped))
    except (GetokError, OSError) as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {count} samples in {form.name}")
    for why, left in skipped.reasons():
        print(f"getok: left out {left}: {why}", file=sys.stderr)
    return 0


def _size(text: str) -> Size:
    sides = text.split("x")
    if len(sides) != 2 or not all(side.isdecimal() and 0 < int(side) <= 8192 for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give WxH, such as 840x840")
    return int(sides[0]), int(sides[1])


if __name__ == "__main__":
    sys.exit(main())
