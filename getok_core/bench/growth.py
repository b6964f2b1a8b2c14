"""Milliseconds a scene of a large shape against how much there is to draw, lists drawn from anchors."""

from __future__ import annotations

import torch

from ..engines.anchored_engine import AnchoredEngine
from ..perceiver import Look, Perceiver
from ..queries import STANDING
from .forced_scene import ForcedScene
from .scripted import Large


def growth_large(shape: str, device: str, dtype: torch.dtype, runs: int = 3) -> dict[str, list[tuple[float, float]]]:
    """Lanes, points, boxes, queries, rounds and cameras, one at a time: what was varied -> (value, milliseconds)."""
    first = Large(shape, device, ForcedScene(), dtype)
    lines: dict[str, list[tuple[float, float]]] = {}

    def measure(what: str, value: int, scene: ForcedScene, rounds: int = 1, queries: int = 5) -> None:
        large = Large(shape, device, scene, dtype, model=first.model)
        perceiver = Perceiver(AnchoredEngine(large.engine), refinements=rounds)
        ms = large.timed(lambda: perceiver.look(large.frame, (), STANDING[:queries]), runs)
        lines.setdefault(what, []).append((float(value), ms))
        large.engine.close()

    for lanes in (1, 2, 4, 8):
        measure("lanes", lanes, ForcedScene(lanes=lanes))
    for points in (4, 8, 16):
        measure("points a lane", points, ForcedScene(points=points))
    for boxes in (1, 4, 8, 16):
        measure("boxes", boxes, ForcedScene(boxes=boxes))
    for queries in range(1, 6):
        measure("queries", queries, ForcedScene(), queries=queries)
    for rounds in range(4):
        measure("rounds", rounds, ForcedScene(), rounds=rounds)
    perceiver = Perceiver(AnchoredEngine(first.engine), refinements=1)
    for cameras in (1, 2, 4):
        looks = [Look(first.frame)] * cameras
        ms = first.timed(lambda seen=looks: perceiver.look_at(seen), runs)
        lines.setdefault("cameras", []).append((float(cameras), ms))
    return lines
