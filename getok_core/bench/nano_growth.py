"""How a frame's time grows with what there is to draw and to ask, for the nano."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..engines import load_engine
from ..perceiver import Look, Perceiver
from ..protocol import Engine
from ..queries import question
from .forced_engine import ForcedEngine
from .forced_scene import ForcedScene
from .small import camera_image
from .table import timed


def growth_small(model: Path, device: str, engine: str = "", runs: int = 5) -> dict[str, list[tuple[float, float]]]:
    """Lanes, points, boxes, queries, rounds and cameras, one at a time: what was varied -> (value, milliseconds).

    What is drawn is forced: 4 lanes of 8 points, a drivable polygon of 12, 6 boxes, but for what is varied; questions
    are asked beside what the model itself sees in the bench's image.
    """
    loaded, image = load_engine(model, device, engine=engine), camera_image()
    queries = [question(f"what is it? number {k}", options=("a", "b")) for k in range(16)]
    lines: dict[str, list[tuple[float, float]]] = {}

    def measure(what: str, value: float, drawing: Engine, looks: Sequence[Look], rounds: int = 1) -> None:
        perceiver = Perceiver(drawing, refinements=rounds)
        perceiver.look_at(looks)
        lines.setdefault(what, []).append((value, timed(lambda: perceiver.look_at(looks), runs)))

    def draw(what: str, value: float, scene: ForcedScene, rounds: int = 1, cameras: int = 1) -> None:
        measure(what, value, ForcedEngine(loaded, scene), [Look(image)] * cameras, rounds)

    for lanes in (1, 2, 4, 8):
        draw("lanes", lanes, ForcedScene(lanes=lanes))
    for points in (4, 8, 16):
        draw("points a lane", points, ForcedScene(points=points))
    for boxes in (1, 4, 8, 16):
        draw("boxes", boxes, ForcedScene(boxes=boxes))
    for rounds in range(5):
        draw("rounds", rounds, ForcedScene(), rounds)
    for cameras in (1, 2, 4):
        draw("cameras", cameras, ForcedScene(), cameras=cameras)
    for count in (0, 1, 2, 4, 8, 16):
        measure("questions", count, loaded, [Look(image, queries[:count])])
    return lines
