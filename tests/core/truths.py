"""Hypothesis strategies: truths of frames as labels hold them, in pixels that every format keeps."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from getok_core.geometry import Box, Point, Polygon, Polyline, clockwise
from getok_core.labels import Truth
from getok_core.queries import (
    ATTRIBUTE_TASKS,
    LANE_LABELS,
    LIGHT_STATES,
    OBSTACLE_LABELS,
    SIGN_COLOURS,
    SIGN_SHAPES,
    TASKS,
    VISIBLE_STATES,
    SceneQuery,
)
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign

SIZE = (640, 360)
_x, _y = st.integers(0, 10 * SIZE[0]).map(lambda i: i / 10), st.integers(0, 10 * SIZE[1]).map(lambda i: i / 10)
points = st.tuples(_x, _y)


def lines(least: int, most: int = 5) -> st.SearchStrategy[np.ndarray]:
    """(N, 2) pixels to a tenth, all different."""
    return st.lists(points, min_size=least, max_size=most, unique=True).map(np.array)


def boxes() -> st.SearchStrategy[np.ndarray]:
    """(4,) with positive sides."""
    sides = [st.lists(side, min_size=2, max_size=2, unique=True).map(sorted) for side in (_x, _y)]
    return st.tuples(*sides).map(lambda pair: np.array(pair).T.reshape(4))


def word(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    """One of them, or "" for what was not labelled."""
    return st.sampled_from(("", *words))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Objects in the order a Scene promises."""
    near_first = [xy if xy[0, 1] >= xy[-1, 1] else xy[::-1] for xy in draw(st.lists(lines(2), max_size=3))]
    lanes = [Lane(draw(word(LANE_LABELS)), 1.0, xy) for xy in near_first]
    areas = [DrivableArea("drivable", 1.0, clockwise(xy)) for xy in draw(st.lists(lines(3), max_size=2))]
    some = st.lists(boxes(), max_size=2)
    obstacles = [Obstacle(draw(st.sampled_from(OBSTACLE_LABELS)), 1.0, box) for box in draw(some)]
    signs = [
        Sign(draw(word(SIGN_SHAPES)), draw(word(SIGN_COLOURS)), draw(word(VISIBLE_STATES)), 1.0, box)
        for box in draw(some)
    ]
    lights = [Light(draw(word(LIGHT_STATES)), 1.0, box) for box in draw(some)]
    by_bottom = [sorted(things, key=lambda thing: -thing.box[3]) for things in (obstacles, signs, lights)]
    lanes.sort(key=lambda lane: lane.points[lane.points[:, 1].argmax(), 0])
    return Scene(*SIZE, tuple(lanes), tuple(areas), *(tuple(things) for things in by_bottom))


_regions = (
    st.none()
    | boxes().map(lambda box: Box.of(box.tolist()))
    | points.map(lambda xy: Point([xy]))
    | lines(2).map(Polyline)
    | lines(3).map(Polygon)
)
questions = st.builds(
    lambda task, region, answer: (SceneQuery(task, TASKS[task].prompt, region), answer),
    st.sampled_from(ATTRIBUTE_TASKS),
    _regions,
    st.sampled_from(["red", "not visible", "wet"]),
)
names = st.text("abcdefghijklmnop_0123456789", min_size=1, max_size=8)
truths = st.builds(
    Truth,
    scene=scenes(),
    slices=st.dictionaries(st.sampled_from(["time of day", "weather"]), st.sampled_from(["night", "rainy & wet"])),
    questions=st.lists(questions, max_size=3).map(tuple),
)


def as_data(truth: Truth) -> dict:
    """A truth as plain data, to compare it; pixels to a tenth."""
    asked = [(query.name, query.text, query.region, answer) for query, answer in truth.questions]
    return {"scene": truth.scene.to_json(), "known": truth.known, "slices": truth.slices, "asked": asked}
