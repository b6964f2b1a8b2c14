"""The world as a picture: `python -m training.scenes --sheet OUT.png [--truth]`, or `--beside-real OUT.jpg`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError, GetokError
from getok_core.view import write_image

from . import Backgrounds, Rendered, render

TINTS = {"white": (0, 255, 255), "yellow": (255, 160, 0), "edge": (255, 0, 255), "curb": (160, 80, 255)}


def drawn(frame: Rendered) -> NDArray[np.uint8]:
    """(H, W, 3) the frame with its truth drawn on it."""
    image = np.ascontiguousarray(frame.image).copy()
    scene = frame.scene
    for area in scene.drivable_areas:
        cv2.polylines(image, [np.int32(area.points)], True, (60, 220, 60), 1)
    for lane in scene.lanes:
        cv2.polylines(image, [np.int32(lane.points)], False, TINTS[lane.label.split()[-1]], 1, cv2.LINE_AA)
    for thing in frame.things:
        colour = {"obstacle": (255, 60, 60), "sign": (255, 255, 0), "light": (0, 255, 0)}[thing.kind]
        words = [thing.hue if thing.kind != "light" else "", thing.label, thing.visible_state.replace("clear", "")]
        corners = np.int32(thing.box)
        cv2.rectangle(image, corners[:2].tolist(), corners[2:].tolist(), colour, 1)
        above = (int(thing.box[0]), int(thing.box[1]) - 2)
        cv2.putText(image, " ".join(filter(None, words)), above, cv2.FONT_HERSHEY_PLAIN, 0.7, colour, 1)
    said = ", ".join(f"{name} {answer}" for name, answer in frame.attributes.items())
    cv2.putText(image, said, (4, image.shape[0] - 5), cv2.FONT_HERSHEY_PLAIN, 0.8, (255, 255, 255), 1)
    return image


def grid(tiles: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Pictures of one size (H, W, 3) in rows of so many columns; what is missing is black."""
    whole = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(whole[i : i + columns]) for i in range(0, len(whole), columns)])


def beside_real(count: int, seed: int) -> NDArray[np.uint8]:
    """Synthetic frames in the left two columns, photographs that may be trained on in the right two.

    Raises DataError when GETOK_DATA holds none.
    """
    from training.photos import training_photos

    photos = training_photos()
    if not photos:
        raise DataError("GETOK_DATA holds no photograph outside tests/splits.json: there is nothing to compare with")
    rng, tiles = np.random.default_rng(seed), []
    for row in range(-(-count // 2)):
        tiles += [render(seed + 2 * row + k).image for k in (0, 1)]
        for _ in range(2):
            photo = photos[int(rng.integers(len(photos)))].image
            tiles.append(np.asarray(cv2.resize(photo, (512, 256), interpolation=cv2.INTER_AREA), np.uint8))
    return grid(tiles, 4)


def sheet(options: argparse.Namespace) -> NDArray[np.uint8]:
    """Frames of consecutive seeds; prints the processor time a frame took, textures and models already made."""
    backgrounds: Backgrounds | None = None
    if options.photos:
        from training.photos import training_backgrounds

        backgrounds = training_backgrounds()
    for seed in range(options.seed, options.seed + 4):
        render(seed)
    began = time.process_time()
    frames = [render(options.seed + index, backgrounds=backgrounds) for index in range(options.count)]
    print(f"{(time.process_time() - began) * 1000 / options.count:.1f} ms of one core a frame")
    return grid([drawn(frame) if options.truth else frame.image for frame in frames], options.columns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the picture asked for; 0, or 2 with one line when it cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m training.scenes", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--sheet", type=Path, help="picture of frames of consecutive seeds to write")
    what.add_argument("--beside-real", type=Path, help="picture to write: frames left, real photographs right")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--truth", action="store_true", help="draw the truth on the frames")
    parser.add_argument("--photos", action="store_true", help="cut backgrounds from the photographs of GETOK_DATA")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        if options.count < 1 or options.columns < 1:
            raise DataError(f"--count {options.count} --columns {options.columns}: ask for at least one frame a row")
        picture = beside_real(options.count, options.seed) if options.beside_real else sheet(options)
        write_image(options.beside_real or options.sheet, picture)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
