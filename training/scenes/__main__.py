"""`python -m training.scenes --sheet OUT.png [--count 48] [--truth] [--photos FOLDER]`: a sheet of frames."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

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
    named = [
        (o.box, (255, 60, 60), f"{o.label}{'' if s == 'clear' else ' ' + s}")
        for o, s in zip(scene.obstacles, frame.obstacle_states, strict=True)
    ]
    named += [(s.box, (255, 255, 0), f"{s.colour} {s.label}") for s in scene.signs]
    named += [(light.box, (0, 255, 0), light.state) for light in scene.lights]
    for box, colour, text in named:
        corners = np.int32(box)
        cv2.rectangle(image, corners[:2].tolist(), corners[2:].tolist(), colour, 1)
        cv2.putText(image, text, (int(box[0]), int(box[1]) - 2), cv2.FONT_HERSHEY_PLAIN, 0.7, colour, 1)
    return image


def _boxes(folder: Path) -> dict[str, list[list[float]]]:
    """Boxes of real objects by file name, from annotations.json beside the folder of photographs where there is one."""
    path = folder.parent / "annotations.json"
    if not path.exists():
        return {}
    return {name: [thing["box"] for thing in entry["objects"]] for name, entry in json.loads(path.read_text()).items()}


def main() -> None:
    """Draw frames of consecutive seeds into one picture; prints the time a frame took."""
    parser = argparse.ArgumentParser(prog="python -m training.scenes", description=__doc__)
    parser.add_argument("--sheet", required=True, help="picture to write")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--truth", action="store_true", help="draw the truth on the frames")
    parser.add_argument("--photos", help="folder of photographs to cut backgrounds from")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    backgrounds = Backgrounds.load(options.photos, erase=_boxes(Path(options.photos))) if options.photos else None
    began = time.perf_counter()
    frames = [render(options.seed + index, backgrounds=backgrounds) for index in range(options.count)]
    print(f"{(time.perf_counter() - began) * 1000 / options.count:.1f} ms a frame")
    tiles = [drawn(frame) if options.truth else frame.image for frame in frames]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % options.columns)
    rows = [np.hstack(tiles[i : i + options.columns]) for i in range(0, len(tiles), options.columns)]
    cv2.imwrite(options.sheet, cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
