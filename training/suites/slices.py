"""Where a test scene belongs when scores are split: light and weather, the road's bend, distance and size of things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from getok_core.lattice import Size
from getok_core.metrics.boxes import box_ious, match_boxes
from getok_core.metrics.tally import Part
from getok_core.scene import Scene
from training.scenes.world import World, random_world
from training.targets import Frame

MAIN = ("lanes within 2 %: F1", "drivable area: IoU", "obstacles at IoU 0.5: F1", "signs at IoU 0.5: F1",
        "lights at IoU 0.5: F1")  # fmt: skip
"""rows that are split"""
WEATHER = {"clear": "day", "cloudy": "day"}
"""other moods keep their names: dusk, night, rain, fog, snow"""
AHEAD_M = 50
"""the road's turn is taken over so many metres"""
BENDS = (("straight", 3.0), ("gentle bend", 10.0), ("sharp bend", 360.0))
"""name, and up to which turn in degrees"""
DISTANCES = (("nearer than 15 m", 15.0), ("15 to 40 m", 40.0), ("farther than 40 m", np.inf))
HEIGHTS = (("lower than 5 % of the image", 0.05), ("5 to 15 % high", 0.15), ("higher than 15 %", np.inf))
CONDITIONS = ("day", "dusk", "night", "rain", "fog", "snow", *(name for name, _ in BENDS))
FOUND = tuple(f"{kind}s {name}: found" for kind in ("obstacle", "sign") for name, _ in (*DISTANCES, *HEIGHTS))
"""rows of found_parts"""


def world_of(seed: int, size: Size) -> World:
    """The world that training.scenes.render(seed, size) draws; a test holds the two together."""
    rng = np.random.default_rng(seed)
    rng.random()
    return random_world(rng, size)


def conditions(seed: int, frame: Frame) -> list[str]:
    """Light or weather, and the bend, of a test scene with a road; none without one."""
    if not frame.scene.drivable_areas:
        return []
    world = world_of(seed, frame.size)
    return [WEATHER.get(world.mood.name, world.mood.name), _named(_turn(world), BENDS)]


def _turn(world: World) -> float:
    """Degrees that the road's direction changes ahead of the camera."""
    road = world.course.seen_from(world.course.start, world.offset, world.heading, world.camera.altitude)
    here, there = np.interp([0.0, AHEAD_M], road.s, road.heading)
    return float(np.degrees(abs(there - here)))


def found_parts(frame: Frame, said: Scene) -> dict[str, Part]:
    """Obstacles and signs found at IoU .5, split by distance and by height in the image."""
    parts: dict[str, Part] = {}
    groups = (("obstacle", frame.scene.obstacles, said.obstacles), ("sign", frame.scene.signs, said.signs))
    for kind, truths, drawn in groups:
        things = [thing for thing in frame.things if thing.kind == kind]
        found = _found([one.box for one in truths], [one.box for one in drawn], [one.score for one in drawn])
        for thing, hit in zip(things, found, strict=True):
            height = (thing.box[3] - thing.box[1]) / frame.size[1]
            for name in (_named(thing.distance_m, DISTANCES), _named(height, HEIGHTS)):
                above, below = parts.get(f"{kind}s {name}: found", (0.0, 0.0))
                parts[f"{kind}s {name}: found"] = above + hit, below + 1
    return parts


def _found(truths: Sequence[NDArray[np.float64]], drawn: Sequence[NDArray[np.float64]],
           scores: Sequence[float]) -> list[bool]:  # fmt: skip
    hit = {pair.truth for pair in match_boxes(box_ious(truths, drawn), scores, 0.5)}
    return [index in hit for index in range(len(truths))]


def _named(value: float, names: Sequence[tuple[str, float]]) -> str:
    return next(name for name, most in names if value <= most)
