"""The real node around a perceiver that says what it was shown: run as a process of its own by the tests.

GETOK_TEST_SECONDS: how long a look takes, and half as long again each of GETOK_TEST_ROUNDS; GETOK_TEST_BATCH images at
once. GETOK_TEST_LOAD: how long loading takes, or the text of a ModelError. A scene names the colour of the image's
first pixel; an answer repeats the question. "explode" in a question raises, "hang" never ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import numpy as np

from getok_core.errors import ModelError
from getok_core.perceiver import Look, Seen
from getok_core.protocol import Progress
from getok_core.queries import SceneQuery
from getok_core.scene import Answer, Fault, Lane, Obstacle, Scene
from getok_ros.perception_node import main
from getok_ros.settings import Settings

SECONDS = {"vision": 0.01, "propose": 0.02, "refine": 0.03, "total": 0.06}


class ScriptedPerceiver:
    """Implements Perceives."""

    refinements = int(os.environ.get("GETOK_TEST_ROUNDS", "0"))
    images_per_batch = int(os.environ.get("GETOK_TEST_BATCH", "1"))

    def look_at(
        self, looks: Sequence[Look], refinements: int | None = None, deadline_s: float | None = None
    ) -> list[Seen]:
        rounds = self.refinements if refinements is None else refinements
        base_s = float(os.environ.get("GETOK_TEST_SECONDS", "0"))
        refine_s = 0.5 * rounds * base_s
        time.sleep(base_s + refine_s)
        return [Seen(*self._seen(look, refine_s), rounds) for look in looks]

    def _seen(self, look: Look, refine_s: float) -> tuple[Scene, list[Answer]]:
        if any("explode" in query.text for query in look.queries):
            raise RuntimeError("told to explode")
        while any("hang" in query.text for query in look.queries):
            time.sleep(1.0)
        height, width = look.image.shape[:2]
        colour = "#" + "".join(f"{value:02x}" for value in look.image[0, 0])
        scene = Scene(
            width,
            height,
            lanes=(Lane("solid white", 0.5, np.array([[0.0, height], [width / 2, 0.5]])),),
            obstacles=(Obstacle(colour, 1.0, np.array([0.0, 0.0, width, height])),),
            faults=(Fault("stray token", "as scripted", "lanes"),),
            seconds={**SECONDS, "refine": SECONDS["refine"] + refine_s},
            model="scripted 000000",
            tracked=look.before is not None,
        )
        answers = [self._answer(query, colour, scene) for query in look.queries]
        return scene if look.standing else Scene(width, height), answers

    def close(self) -> None:
        print("the model is freed", flush=True)

    def _answer(self, query: SceneQuery, colour: str, scene: Scene) -> Answer:
        where = "" if query.region is None else f" at {query.region.kind}"
        return Answer(f"{query.text}{where} {colour}", 0.75, (), Scene(scene.width, scene.height, model=scene.model))


def make_perceiver(settings: Settings, progress: Progress) -> tuple[ScriptedPerceiver, str]:
    load = os.environ.get("GETOK_TEST_LOAD", "0")
    try:
        progress("loading what was scripted", 0.25)
        time.sleep(float(load))
    except ValueError:
        raise ModelError(load) from None
    return ScriptedPerceiver(), "scripted 000000"


if __name__ == "__main__":
    sys.exit(main(make_perceiver=make_perceiver))
