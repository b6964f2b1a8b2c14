"""`getok` with models that see what a picture's first pixel tells them: run by the tests, in their process or apart.

A model is called by its title; "late" in it shifts its lane by 4 px on every third frame. GETOK_TEST_SECONDS: how long
a look takes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from getok_core.scene import Answer, Fault, Lane, Obstacle, Scene
from getok_ros import cli, replay

SIZE = (64, 36)


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3): a picture that names its own number."""
    return np.full((size[1], size[0], 3), 40 + 4 * (number % 50), np.uint8)


def number_of(image: np.ndarray) -> int:
    return round((float(image.mean()) - 40) / 4)


def scene(number: int, size: tuple[int, int] = SIZE, shift: float = 0.0) -> Scene:
    """What there is to see in a picture: a lane, and a car in every second one."""
    width, height = size
    lane = Lane("dashed white", 0.75, np.array([[10.0 + number + shift, height], [0.5 * width + shift, 0.5 * height]]))
    car = Obstacle("car", 0.5, np.array([0.5, 0.5, 0.75, 0.75]) * [width, height, width, height])
    return Scene(width, height, (lane,), (), (car,) * (number % 2))


class Scripted:
    """Stands for a Perceiver."""

    refinements = 2

    def __init__(self, title: str) -> None:
        self.title = title
        self.manifest = SimpleNamespace(title=title, files={"weights.bin": title})
        self.engine = SimpleNamespace(device="cpu")

    def perceive(self, image: np.ndarray) -> Scene:
        time.sleep(float(os.environ.get("GETOK_TEST_SECONDS", "0")))
        number, size = number_of(image), (image.shape[1], image.shape[0])
        said = scene(number, size, 4.0 if "late" in self.title and number % 3 == 0 else 0.0)
        faults = (Fault("unclosed", "", "lanes"),) if number == 5 else ()
        seconds = {"vision": 0.01, "total": 0.02 + 0.001 * number}
        return Scene(**{**vars(said), "faults": faults, "seconds": seconds, "model": self.title})

    def look_at(self, looks) -> list[SimpleNamespace]:
        return [SimpleNamespace(scene=replace(self.perceive(one.image), tracked=bool(one.before))) for one in looks]

    def ask(self, image: np.ndarray, query) -> Answer:
        return Answer("red" if number_of(image) < 3 else "blue", 0.5, scene=Scene(image.shape[1], image.shape[0]))


def load_models(
    given: Sequence[str], device: str, refinements: int | None, engines: Sequence[str] = ()
) -> dict[str, Scripted]:
    return {title: Scripted(title) for title in given or ["scripted 000000"]}


if __name__ == "__main__":
    replay.load_models = load_models
    sys.exit(cli.main())
