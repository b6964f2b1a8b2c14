"""What the world offers: single frames, frames without a road, and drives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from getok_core.scene import Scene

from . import surface
from .backgrounds import Backgrounds
from .canvas import UNNAMED, Canvas
from .chance import chosen
from .frame import Rendered, compose, finish
from .sky import sky
from .standing import put
from .texture import picked
from .things import Frame
from .traffic import close_ups
from .world import World, random_world


def render(seed: int, size: tuple[int, int] = (512, 256), backgrounds: Backgrounds | None = None) -> Rendered:
    """One frame, the same for the same seed; size is (width, height)."""
    rng = np.random.default_rng(seed)
    kind = rng.random()
    if kind < 0.01:
        return blank(rng, size)
    world = random_world(rng, size)
    if kind < 0.07:
        return roadless(rng, world, backgrounds, 0)
    if kind < 0.15 and backgrounds is not None:
        return roadless(rng, world, backgrounds, int(rng.integers(1, 4)))
    return compose(world, 0.0, rng, backgrounds)


def roadless(rng: np.random.Generator, world: World, backgrounds: Backgrounds | None, count: int) -> Rendered:
    """A photograph, or sky and texture, without a road; count signs and lights held before it."""
    camera, mood = world.camera, world.mood
    photo = backgrounds is not None and (count or rng.random() < 0.5)
    if backgrounds is not None and photo:
        image = backgrounds.cut(rng, (camera.width, camera.height))
    else:
        image = sky(rng, camera, mood, 0.0)
        top = int(rng.uniform(0.0, 0.9) * camera.height)
        image[top:] = np.array(surface.TERRAIN[chosen(rng, list(surface.TERRAIN))]) * rng.uniform(0.4, 1.2)
        grain = cv2.resize(picked(rng, 1.0), (camera.width, camera.height))
        image = cv2.multiply(image, cv2.merge([grain] * 3), scale=1 / 128)
    frame = Frame(Canvas(camera, np.ascontiguousarray(image), (mood.haze, 1e6)), mood)
    for track, post in enumerate(sorted(close_ups(rng, camera, count), key=lambda post: -post.s)):
        put(frame, post, camera.unproject(post.pixel or (0, 0), post.s), post.turn, track)
    rendered = finish(rng, rng, frame, replace(world, hood=False), None)
    return replace(rendered, known=frozenset({"signs", "lights"}), attributes={}) if photo else rendered


def blank(rng: np.random.Generator, size: tuple[int, int]) -> Rendered:
    """A covered, dirty or blinded lens: there is nothing to say."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = rng.uniform(0, 255, 3) * rng.uniform(0, 1)
    if rng.random() < 0.6:
        image = cv2.merge([cv2.resize(picked(rng, 1.6), size) // int(rng.integers(1, 9))] * 3)
    unknown = dict.fromkeys(("surface", "blockage", "traffic"), "not visible")
    return Rendered(image, Scene(width, height), unknown, (), (), np.full((height, width), UNNAMED, np.uint8))


def drive(
    seed: int, frames: int, size: tuple[int, int] = (1280, 720), fps: float = 10.0, plain: bool = True
) -> Iterator[Rendered]:
    """Frames of one drive: the camera's car goes along one road, others move, posts come nearer and pass.

    plain is a highway by day; without it roads and weather are as varied as those of single frames.
    """
    rng = np.random.default_rng(seed)
    world = random_world(rng, size, drive=True, plain=plain)
    for index in range(frames):
        yield compose(world, index / fps, np.random.default_rng([seed, index]), None)
