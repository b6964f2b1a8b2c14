"""The real node around a perceiver that says what it was shown: run as a process of its own by the tests.

GETOK_TEST_SECONDS: how long a look takes. GETOK_TEST_LOAD: how long loading takes, or the text of a ModelError.
A scene names the colour of the image's first pixel; an answer repeats the question. "explode" in a question raises.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import numpy as np

from getok_core.errors import ModelError
from getok_core.queries import STANDING, SceneQuery
from getok_core.scene import Answer, Fault, Lane, Obstacle, Scene
from getok_ros.parameters import Settings
from getok_ros.perception_node import main

SECONDS = {"vision": 0.01, "propose": 0.02, "refine": 0.03, "total": 0.06}


class ScriptedPerceiver:
    """Implements Perceives."""

    def look(
        self, image: np.ndarray, queries: Sequence[SceneQuery] = (), standing: Sequence[SceneQuery] = STANDING
    ) -> tuple[Scene, list[Answer]]:
        time.sleep(float(os.environ.get("GETOK_TEST_SECONDS", "0")))
        if any("explode" in query.text for query in queries):
            raise RuntimeError("told to explode")
        height, width = image.shape[:2]
        colour = "#" + "".join(f"{value:02x}" for value in image[0, 0])
        scene = Scene(
            width,
            height,
            lanes=(Lane("solid white", 0.5, np.array([[0.0, height], [width / 2, 0.5]])),),
            obstacles=(Obstacle(colour, 1.0, np.array([0.0, 0.0, width, height])),),
            faults=(Fault("stray token", "as scripted", "lanes"),),
            seconds=SECONDS,
            model="scripted 000000",
        )
        return scene if standing else Scene(width, height), [self._answer(query, colour, scene) for query in queries]

    def _answer(self, query: SceneQuery, colour: str, scene: Scene) -> Answer:
        where = "" if query.region is None else f" at {query.region.kind}"
        return Answer(f"{query.text}{where} {colour}", 0.75, (), Scene(scene.width, scene.height, model=scene.model))


def make_perceiver(settings: Settings) -> tuple[ScriptedPerceiver, str]:
    load = os.environ.get("GETOK_TEST_LOAD", "0")
    try:
        time.sleep(float(load))
    except ValueError:
        raise ModelError(load) from None
    return ScriptedPerceiver(), "scripted 000000"


if __name__ == "__main__":
    sys.exit(main(make_perceiver=make_perceiver))
