"""Seeds become masks: `python -m training.mask_pictures --out docs/masks.jpg`, rendered scenes that nothing trained on.

Above the words of the language, a few points in each thing; below what a segmenter makes of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from getok_core.engines.segmenters import load_segmenter
from getok_core.errors import DataError, GetokError
from getok_core.geometry import Seeds
from getok_core.lattice import Lattice
from getok_core.masked import Masked, Named, masked
from getok_core.overlay import draw
from getok_core.protocol import MaskDecoder
from getok_core.scene import Answer, Scene
from getok_core.view import RGB, write_image

from .gallery import BRIGHT, GAP, SEEDS, SIZE
from .masks import seeds_of
from .scenes import Rendered, render

COLUMNS, THINGS = 3, 3
SHARE = 0.004
"""least share of the image of a thing that is shown"""
SEGMENTER = Path(__file__).parents[1] / "models" / "nano_segmenter"


def picture(segmenter: MaskDecoder, frames: Iterator[Rendered]) -> RGB:
    """COLUMNS frames that show THINGS large things, each above with its seeds and below with their masks, (H, W, 3)."""
    above, below = [], []
    for frame in frames:
        named = named_in(frame)
        if len(named) < THINGS:
            continue
        drawn = masked(segmenter, frame.image, named)
        above.append(_tile(frame.image, drawn, with_masks=False))
        below.append(_tile(frame.image, drawn, with_masks=True))
        if len(above) == COLUMNS:
            return np.asarray(np.vstack([np.hstack(above), np.hstack(below)]), np.uint8)
    raise DataError(f"fewer than {COLUMNS} scenes show {THINGS} large things: try more")


def named_in(frame: Rendered) -> list[Named]:
    """The seeds of every large thing of a frame, as the language says them."""
    masks = [(thing.label, frame.ids == thing.ident) for thing in frame.things]
    large = [(label, mask) for label, mask in masks if mask.mean() >= SHARE]
    return [(label, 1.0, Seeds(Lattice().decode(seeds_of(mask), SIZE))) for label, mask in large]


def _tile(image: RGB, drawn: Sequence[Masked], with_masks: bool) -> RGB:
    empty = Scene(image.shape[1], image.shape[0])
    count = sum(len(one.prompt.xy) for one in drawn)
    said = f"{count} grid tokens" if not with_masks else f"{len(drawn)} masks"
    answer = Answer(said, 1.0, tuple(one.prompt.xy for one in drawn), empty, tuple(drawn) if with_masks else ())
    edges = [GAP // 2] * 4
    return np.asarray(cv2.copyMakeBorder(draw(image, empty, [("seeds", answer)]), *edges, cv2.BORDER_CONSTANT))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.mask_pictures", description=__doc__.partition("\n")[0])
    parser.add_argument("--segmenter", type=Path, default=SEGMENTER, help="folder of a segmenter")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    options = parser.parse_args(arguments)
    frames = (frame for seed in SEEDS if (frame := render(seed, SIZE)).image.mean() > BRIGHT)
    try:
        made = picture(load_segmenter(options.segmenter), frames)
        half = cv2.resize(made, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        write_image(options.out, half)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
