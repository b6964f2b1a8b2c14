"""One world made from a seed: a road, what stands and moves on it, its weather, and the camera that looks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import traffic
from .camera import Camera, random_camera
from .chance import chosen
from .layout import Layout, random_layout
from .mood import Mood, random_mood
from .mover import Mover, Post
from .openings import random_junction
from .road import Course, random_course


@dataclass(frozen=True)
class World:
    """Everything that does not depend on the moment."""

    camera: Camera
    course: Course
    layout: Layout
    mood: Mood
    movers: tuple[Mover, ...]
    posts: tuple[Post, ...]
    offset: float
    heading: float
    speed: float
    look: int
    """seed of all that is drawn at random but must not flicker"""
    hood: bool


def random_world(rng: np.random.Generator, size: tuple[int, int], drive: bool = False, plain: bool = False) -> World:
    """A world for one picture, or (drive) one that goes on, with a square-pixel camera and a calm driver.

    plain asks for a highway with solid edge lines by day.
    """
    kind = "highway" if plain else chosen(rng, ["highway", "rural", "urban", "street"], [0.4, 0.14, 0.25, 0.21])
    highway, urban = kind == "highway", kind in ("urban", "street")
    layout = random_layout(rng, kind)
    while plain and not (_edged(layout) and layout.ramp is None):
        layout = random_layout(rng, kind)
    camera = random_camera(rng, size, squashed=not drive)
    mood = random_mood(rng)
    while plain and not (mood.name in ("clear", "cloudy") and mood.surface == "dry" and not mood.backlit):
        mood = random_mood(rng)
    calm = drive or rng.random() < 0.75
    offset = rng.normal(0, 0.3) if calm else rng.uniform(-2.0, 2.0)
    heading = rng.normal(0, 0.008) if calm else rng.normal(0, 0.05)
    if urban and not drive and rng.random() < 0.1:
        heading = chosen(rng, (-1, 1)) * rng.uniform(0.25, 0.7)
        layout = replace(layout, crossings=(random_junction(rng),))
    course = replace(random_course(rng, kind, drive), start=float(rng.uniform(0, 900)))
    speed = float(rng.uniform(18, 30) if highway else rng.uniform(4, 14))
    movers = traffic.movers(rng, layout, urban, speed)
    if plain:
        movers = tuple(replace(mover, smeared=False) for mover in movers if not mover.blocks)
    posts = traffic.posts(rng, layout, camera, urban, drive)
    return World(
        camera,
        course,
        layout,
        mood,
        movers,
        posts,
        offset,
        heading,
        speed,
        int(rng.integers(2**31)),
        rng.random() < 0.42,
    )


def _edged(layout: Layout) -> bool:
    """Whether solid lines bound the lanes."""
    outer = [line for line in layout.lines if line.d in (layout.borders[0], layout.borders[-1])]
    return bool(outer) and all(line.label.startswith("solid") for line in outer)
