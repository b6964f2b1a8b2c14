"""`getok labelled-bag`: short drives through worlds of our own, with exact truth: a recording to judge models by.

Images, our Scene messages as truth on a topic of their own, and the same truth with conditions and questions as
labels.jsonl in the bag's folder. Rendered by training/, so it needs a checkout. Says nothing about real roads.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.errors import GetokError
from getok_core.geometry import Box
from getok_core.labels import Truth, jsonl
from getok_core.lattice import Size
from getok_core.queries import TASKS, SceneQuery
from getok_core.scene import Scene
from getok_core.view import RGB

from .bag_scenes import scene_to_record
from .bags import BagWriter
from .progress import bar

IMAGES, TRUTH, LABELS = "/camera/image/compressed", "/truth/scene", "labels.jsonl"
BEGAN_NS = 1_700_000_000_000_000_000
"""stamp of the first frame: the same bag is the same bytes"""
FIRST_SEED = 3_000_000_000
"""worlds from here on; no training seed comes near"""
WEATHER = ("clear", "night", "rain", "cloudy", "dusk", "fog", "snow")
"""of the clips, in turn"""
CLIP_S, BREAK_S = 4.0, 5.0
"""length of a clip, and how far the clock jumps between two: no frame follows one of another road"""
TALL_M = 1.5
ATTRIBUTES = {"surface": "road surface", "blockage": "road blockage", "traffic": "traffic density"}
"""what the world says of a frame -> the task that asks for it"""


@dataclass(frozen=True, eq=False)
class Clip:
    """One frame of a clip."""

    image: RGB
    scene: Scene
    stamp_ns: int
    truth: Truth


def labelled_bag(arguments: Namespace) -> int:
    """Writes the bag; returns 0. Raises GetokError where the place is taken, or training/ is not there."""
    frames = write(Path(arguments.out), arguments.seconds, arguments.fps, size_of(arguments.size))
    print(f"{arguments.out}: {frames} frames on {IMAGES}, truth on {TRUTH} and in {LABELS}")
    return 0


def write(path: Path, seconds: float, fps: float, size: Size) -> int:
    """A bag of that many seconds of clips, CLIP_S each; returns how many frames it holds."""
    truths: dict[str, Truth] = {}
    with BagWriter(path) as bag:
        for one in bar(clips(seconds, fps, size), path.name, round(seconds * fps)):
            bag.write(IMAGES, one.image, one.stamp_ns)
            bag.write_message(TRUTH, scene_to_record(one.scene, one.stamp_ns), one.stamp_ns)
            truths[str(one.stamp_ns)] = one.truth
    jsonl.write(path / LABELS, truths)
    return len(truths)


def clips(seconds: float, fps: float, size: Size) -> Iterator[Clip]:
    """Frames of clips through different worlds, their weather in turn."""
    random_world, compose = _renderer()
    worlds = ((seed, random_world(np.random.default_rng(seed), size, drive=True)) for seed in count(FIRST_SEED))
    left, began = round(seconds * fps), BEGAN_NS
    for weather in cycle(WEATHER):
        if left <= 0:
            return
        seed, world = next(pair for pair in worlds if pair[1].mood.name == weather)
        frames = min(left, round(CLIP_S * fps))
        for index in range(frames):
            drawn = compose(world, index / fps, np.random.default_rng([seed, index]), None)
            truth = Truth(drawn.scene, slices=_conditions(world), questions=tuple(_questions(drawn)))
            yield Clip(drawn.image, drawn.scene, began + round(index * 1e9 / fps), truth)
        left -= frames
        began += round((frames / fps + BREAK_S) * 1e9)


def size_of(text: str) -> Size:
    """ "960x540" -> (width, height). Raises GetokError."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 64 <= int(width) <= 4096 and 64 <= int(height) <= 4096):
        raise GetokError(f"size {text!r}: give WIDTHxHEIGHT in pixels, 64 to 4096, such as 960x540")
    return int(width), int(height)


def _conditions(world: Any) -> dict[str, str]:
    return {
        "weather": world.mood.name,
        "time of day": "night" if world.mood.name in ("night", "dusk") else "day",
        "camera height": f"{'above' if world.camera.altitude > TALL_M else 'up to'} {TALL_M:g} m",
    }


def _questions(drawn: Any) -> Iterator[tuple[SceneQuery, str]]:
    """What the world knows besides the scene, and the colour and class of the nearest sign and obstacle."""
    for attribute, task in ATTRIBUTES.items():
        if attribute in drawn.attributes:
            yield SceneQuery(task, TASKS[task].prompt), drawn.attributes[attribute]
    for task, things, word in (
        ("sign colour", drawn.scene.signs, "colour"),
        ("obstacle class", drawn.scene.obstacles, "label"),
        ("light state", drawn.scene.lights, "state"),
    ):
        if things:
            region = Box(np.round(things[0].box, 1).reshape(2, 2))
            yield SceneQuery(task, TASKS[task].prompt, region), getattr(things[0], word)


def _renderer() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What makes a world, and what draws it, of training/scenes."""
    try:
        from training.scenes.frame import compose
        from training.scenes.world import random_world
    except ModuleNotFoundError:
        raise GetokError("labelled bags are rendered by training/, in a checkout: run there, or give a bag") from None
    return random_world, compose
