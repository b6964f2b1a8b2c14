"""One language, many geometries: `python -m training.gallery --out docs/gallery.jpg`, a picture of a model's answers.

Each tile is a rendered scene that nothing was trained on, one question, and below it what the model said, token by
token: points, boxes, lines, outlines, seeds of a mask, a question about a region, and a refinement with its arrows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.engines import load_engine
from getok_core.engines.tapped_engine import TappedEngine
from getok_core.errors import DataError, GetokError
from getok_core.geometry import Box
from getok_core.overlay import draw
from getok_core.perceiver import Look, Perceiver
from getok_core.protocol import Engine
from getok_core.queries import STANDING, TASKS, SceneQuery
from getok_core.scene import Answer
from getok_core.view import RGB, write_image

from .scenes import Rendered, render
from .scenes.referring import referring

SEEDS = range(1_000_000, 1_002_000)
"""test scenes, tried in this order"""
SIZE, COLUMNS, GAP = (960, 540), 3, 8
CLEAR = 0.01
"""least share of the image of a thing that is asked about"""
BRIGHT = 70.0
"""least mean grey level of a scene: darker ones show little in print"""
MODEL = Path(__file__).parents[1] / "models" / "nano"


@dataclass(frozen=True)
class Tile:
    """What one picture shows, and the question for a scene; None where the scene does not suit."""

    title: str
    ask: Callable[[Rendered, np.random.Generator], SceneQuery | None]
    rounds: int | None = None
    """refinements, whose arrows are then drawn; None for the model's own number, without"""


def _standing(name: str, least: int) -> Callable[[Rendered, np.random.Generator], SceneQuery | None]:
    """A standing query, where there are as many things to find, boxes of them large enough to see."""
    query = next(query for query in STANDING if query.name == name)
    field = {"drivable area": "drivable_areas"}.get(name, name)

    def ask(frame: Rendered, rng: np.random.Generator) -> SceneQuery | None:
        things = getattr(frame.scene, field)
        return query if sum(not hasattr(one, "box") or _clear(one.box, CLEAR / 5) for one in things) >= least else None

    return ask


def _referred(name: str) -> Callable[[Rendered, np.random.Generator], SceneQuery | None]:
    """An expression of more than a noun that means one clearly visible thing."""

    def ask(frame: Rendered, rng: np.random.Generator) -> SceneQuery | None:
        for expression, meant in referring(frame.things, SIZE, rng, 6):
            if len(meant) == 1 and len(expression.split()) > 2 and _clear(frame.things[meant[0]].box):
                return SceneQuery(name, expression)
        return None

    return ask


def _about_a_sign(frame: Rendered, rng: np.random.Generator) -> SceneQuery | None:
    boxes = [sign.box for sign in frame.scene.signs if sign.visible_state == "clear" and _clear(sign.box)]
    return SceneQuery("sign colour", TASKS["sign colour"].prompt, Box.of(boxes[0])) if boxes else None


def _clear(box: NDArray[np.float64], share: float = CLEAR) -> bool:
    return float(np.prod((box[2:] - box[:2]) / SIZE)) > share


TILES = (
    Tile("polylines", _standing("lanes", 3)),
    Tile("a polygon", _standing("drivable area", 1)),
    Tile("boxes", _standing("obstacles", 4)),
    Tile("a point", _referred("referred points")),
    Tile("a box that words refer to", _referred("referred boxes")),
    Tile("seeds of a mask", _referred("referred masks")),
    Tile("a box in the question", _about_a_sign),
    Tile("proposed, refined once", _standing("lanes", 3), 1),
    Tile("proposed, refined three times", _standing("obstacles", 3), 3),
)


def gallery(engine: Engine) -> RGB:
    """All tiles side by side, (H, W, 3) uint8. Raises DataError when no test scene suits one of them."""
    frames, pictures = _scenes(), []
    for tile in TILES:
        query, frame = next(frames_that_suit(tile, frames), (None, None))
        if query is None or frame is None:
            raise DataError(f"no test scene of {len(SEEDS)} suits the tile {tile.title!r}: ask for something commoner")
        pictures.append(picture(tile, query, frame.image, engine))
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % COLUMNS)
    framed = [cv2.copyMakeBorder(one, *[GAP // 2] * 4, cv2.BORDER_CONSTANT) for one in pictures]
    rows = [np.hstack(framed[at : at + COLUMNS]) for at in range(0, len(framed), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _scenes() -> Iterator[tuple[int, Rendered]]:
    frames = ((seed, render(seed, SIZE)) for seed in SEEDS)
    return ((seed, frame) for seed, frame in frames if frame.image.mean() > BRIGHT)


def frames_that_suit(tile: Tile, frames: Iterator[tuple[int, Rendered]]) -> Iterator[tuple[SceneQuery, Rendered]]:
    """Questions with the scenes they are asked about; scenes that do not suit are used up."""
    for seed, frame in frames:
        query = tile.ask(frame, np.random.default_rng([23, seed]))
        if query is not None:
            yield query, frame


def picture(tile: Tile, query: SceneQuery, image: RGB, engine: Engine) -> RGB:
    """One question asked and drawn: the answer on the image, its tokens below."""
    tapped = TappedEngine(engine)
    seen = Perceiver(tapped, tile.rounds).look_at([Look(image, [query], ())])[0]
    answer = seen.answers[0]
    asked = replace(query, text=f"{TASKS[query.name].prompt} {query.text}") if TASKS[query.name].refers else query
    tokens = "".join(tapped.spoken[0].tokens).replace("<0x0A>", " ")
    said = Answer(tokens, answer.score, answer.points)
    return draw(image, answer.scene, [(asked, said)], tile.title, moves=seen.moves if tile.rounds else ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.gallery", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="picture to write, such as gallery.jpg")
    parser.add_argument("--model", type=Path, default=MODEL, help="model folder (default: the nano)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    try:
        made = gallery(load_engine(options.model, options.device))
        write_image(options.out, made, quality=88)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(f"{len(TILES)} answers in {options.out}, {made.shape[1]} x {made.shape[0]} pixels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
