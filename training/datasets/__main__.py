"""Datasets -> samples: `python -m training.datasets CONVERTER SOURCE --out FILE.jsonl [--limit N]`.

What cannot be read is skipped, counted by its reason, and listed with file and place in FILE.skipped.txt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from getok_core.errors import DataError, GetokError
from getok_core.lattice import Lattice

from .left_out import trainable
from .registry import CONVERTERS, converter
from .sample import Sample, write
from .seeds import SeedWriter, load_segmenter
from .skipped import Skipped
from .source import Source


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    given = options().parse_args(arguments)
    skipped = Skipped()
    source = Source(given.source, given.images and given.images / given.prefix, given.split, skipped)
    try:
        samples = converter(given.converter)(source)
        samples = trainable(_prefixed(samples, given.prefix), given.without, skipped)
        if given.seeds or given.segmenter:
            decoder = load_segmenter(given.segmenter, given.device) if given.segmenter else None
            samples = _seeded(samples, SeedWriter(Lattice(given.lattice), decoder, given.images), skipped)
        count = _save(islice(samples, given.limit), given.out, skipped)
    except GetokError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{given.out}: {count} samples; {len(skipped.lines)} records skipped or doubtful")
    for reason, times in skipped.reasons()[:12]:
        print(f"  {times:8d}  {reason}")
    return 0


def _save(samples: Iterator[Sample], out: Path, skipped: Skipped) -> int:
    """Writes beside the file and then takes its place, so that an interruption leaves what was there."""
    unfinished, listed = out.with_name(out.name + ".part"), out.with_suffix(".skipped.txt")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        count = write(unfinished, samples)
        if not count:
            first = f"; the first of {len(skipped.lines)} skipped: {skipped.lines[0]}" if skipped.lines else ""
            raise DataError(f"nothing was converted{first}: check SOURCE, CONVERTER and --split")
        unfinished.replace(out)
        listed.unlink(missing_ok=True)
        if skipped.lines:
            listed.write_text("".join(f"{line}\n" for line in skipped.lines), "utf-8")
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _prefixed(samples: Iterable[Sample], prefix: str) -> Iterator[Sample]:
    """Samples whose images lie in a folder of the folder of all images."""
    for sample in samples:
        yield replace(sample, image=f"{prefix}/{sample.image}") if prefix and sample.image else sample


def _seeded(samples: Iterable[Sample], writer: SeedWriter, skipped: Skipped) -> Iterator[Sample]:
    places = ((sample.image, sample) for sample in samples)
    return skipped.each("seeds", places, lambda sample: [writer.write(sample)])


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    table = "\n".join(f"  {name:14s} {entry.source}" for name, entry in CONVERTERS.items())
    parser = argparse.ArgumentParser(
        "python -m training.datasets",
        description=__doc__,
        epilog=f"converters and what SOURCE is:\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("converter", choices=CONVERTERS, metavar="CONVERTER")
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("--out", type=Path, required=True, help="file of samples to write")
    parser.add_argument("--limit", type=_count, help="stop after so many samples")
    parser.add_argument("--images", type=Path, help="folder of all images, where their size or content is needed")
    parser.add_argument("--prefix", default="", help="folder inside it, written before each image's name")
    parser.add_argument("--split", default="train", help='of sets that name one in each record; "" takes all')
    parser.add_argument("--without", type=Path, action="append", default=[], metavar="FILE",
                        help="leave out images that this file of samples names, such as an evaluation's")  # fmt: skip
    parser.add_argument("--seeds", action="store_true", help="write seeds beside masks, by rule")
    parser.add_argument("--segmenter", help="write seeds by the greedy cover of this segmenter's masks: a folder")
    parser.add_argument("--lattice", type=int, default=32, choices=(16, 32, 64), help="lattice of the seeds")
    parser.add_argument("--device", default="cpu", help="of the segmenter")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
