"""Draws every component of the rewards on one example: `python -m training.rewards --picture rewards.png`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from getok_core.engines.nano_segmenter import NanoSegmenter
from getok_core.errors import GetokError
from getok_core.view import write_image

from .picture import example


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.rewards", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--picture", type=Path, required=True, metavar="FILE", help="picture to write")
    parser.add_argument("--segmenter", type=Path, help="mask decoder; without one, seeds are judged by boxes and hits")
    options = parser.parse_args(arguments)
    try:
        decoder = NanoSegmenter(options.segmenter) if options.segmenter else None
        if decoder:
            decoder.load()
        write_image(options.picture, example(decoder))
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
