"""What is asked about a frame beside the standing queries: attributes, most of a region, and referring expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import Box, Point, Polygon, Polyline, Shape
from getok_core.lattice import Lattice
from getok_core.queries import REFERRING_TASKS, TASKS, SceneQuery

from .masks import seeds_of
from .scenes.referring import referring
from .targets import Frame, Target, sayable

REFERRING_SHARE = (0.5, 0.25, 0.25)
"""of boxes, points and masks among referring questions"""


def attribute_questions(frame: Frame, rng: np.random.Generator) -> Iterator[tuple[SceneQuery, str]]:
    """Attribute questions with their answers, most of them about a region."""
    scene = frame.scene
    for name, attribute in (("road surface", "surface"), ("road blockage", "blockage"), ("traffic density", "traffic")):
        if attribute in frame.attributes and rng.random() < 0.35:
            yield _ask(name), frame.attributes[attribute]
    if "signs" in frame.known:
        for sign in scene.signs:
            if sign.colour:
                yield _ask("sign colour", region_in(sign.box, rng)), sign.colour
            if sign.visible_state and rng.random() < 0.4:
                yield _ask("sign visible state", region_in(sign.box, rng)), sign.visible_state
        only = [sign.colour for sign in scene.signs] or ["none"]
        if len(only) < 2 and rng.random() < 0.4 and only[0]:
            yield _ask("sign colour"), only[0]
    if "lights" in frame.known:
        for light in scene.lights:
            yield _ask("light state", region_in(light.box, rng)), light.state
        if len(scene.lights) < 2 and rng.random() < 0.3:
            yield _ask("light state"), scene.lights[0].state if scene.lights else "none"
    if "obstacles" in frame.known:
        for obstacle, state in zip(scene.obstacles, frame.obstacle_states, strict=False):
            if rng.random() < 0.4:
                yield _ask("obstacle class", region_in(obstacle.box, rng)), obstacle.label
            if rng.random() < 0.2:
                yield _ask("obstacle visible state", region_in(obstacle.box, rng)), state


def _ask(name: str, region: Shape | None = None) -> SceneQuery:
    return SceneQuery(name, TASKS[name].prompt, region)


def region_in(box: NDArray[np.float64], rng: np.random.Generator) -> Shape:
    """A box (4,) named as a person would: the box, a point in it, a line across it, or an outline around it."""
    low, high = box[:2], box[2:]
    size, kind = high - low, rng.choice(["box", "pt", "pl", "poly"], p=[0.5, 0.3, 0.1, 0.1])
    if kind == "box":
        jitter = rng.normal(0.0, 0.06, (2, 2)) * size
        corners = np.sort(np.stack([low, high]) + jitter, axis=0)
        return Box(np.stack([corners[0], np.maximum(corners[1], corners[0] + 1.0)]))
    if kind == "pt":
        return Point((low + size * rng.uniform(0.3, 0.7, 2))[None])
    if kind == "pl":
        return Polyline(low + size * np.array([[0.2, 0.5], [0.8, 0.5]]))
    return Polygon(low + size * np.array([[0.0, 0.5], [0.5, 0.0], [1.0, 0.5], [0.5, 1.0]]))


def referring_questions(frame: Frame, rng: np.random.Generator,
                        count: int) -> Iterator[tuple[SceneQuery, tuple[int, ...]]]:  # fmt: skip
    """Questions that refer to a frame's things with the indices of those meant, near to far; () is the answer none."""
    for expression, meant in referring(frame.things, frame.size, rng, count):
        name = str(rng.choice(REFERRING_TASKS, p=REFERRING_SHARE))
        yield SceneQuery(name, expression), meant[: TASKS[name].form.instances]


def referred_targets(query: SceneQuery, frame: Frame, meant: Sequence[int], lattice: Lattice) -> list[Target]:
    """The instances that answer a question that refers to these things."""
    targets = [referred_target(query.name, frame, index, lattice) for index in meant]
    return sayable([target for target in targets if target is not None])


def referred_target(name: str, frame: Frame, index: int, lattice: Lattice) -> Target | None:
    """One thing as a box, a point inside it, or a box with the seeds of its mask; None where it shows no pixel."""
    thing = frame.things[index]
    label = thing.label if thing.kind == "obstacle" else thing.kind
    box = lattice.to_cells(thing.box.reshape(2, 2), frame.size)
    if name == "referred boxes" or frame.ids is None:
        return Target(label, "box", box, lattice.n)
    seeds = seeds_of(frame.ids == thing.ident, lattice.n)
    if not len(seeds):
        return None
    if name == "referred points":
        return Target(label, "pt", _inside(frame.ids == thing.ident, seeds[0], lattice, frame.size), lattice.n)
    return Target(label, "box", box, lattice.n, seeds)


def _inside(
    mask: NDArray[np.bool_], seed: NDArray[np.int64], lattice: Lattice, size: tuple[int, int]
) -> NDArray[np.float64]:
    """A point (1, 2) in cells inside the mask: the seed cell's centre, else the mean of what the mask has in it."""
    height, width = mask.shape
    scale = np.array([width, height]) / lattice.n
    left, top = (seed * scale).astype(int)
    right, bottom = np.ceil((seed + 1) * scale).astype(int)
    x, y = ((seed + 0.5) * scale).astype(int)
    if mask[y, x]:
        return seed[None] + 0.5
    rows, columns = np.nonzero(mask[top:bottom, left:right])
    return (np.array([[columns.mean() + left + 0.5, rows.mean() + top + 0.5]])) / scale
