"""Label-free checks: a scene agrees with itself, mirroring undoes itself, and what cannot be is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.core.strategies  # noqa: F401 - loads the profile
from getok_core.metrics.consistency import TASKS, agreed, agreement, crossings, mirrored, out_of_range
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign

W, H = 640, 360
ROAD = np.array([[60.0, 350.0], [300.0, 180.0], [330.0, 180.0], [560.0, 350.0]])
BOW = np.array([[0.0, 0.0], [99.0, 99.0], [99.0, 0.0], [0.0, 99.0]])
ACROSS = np.array([[60.0, 250.0], [560.0, 240.0]])
BOX = np.array([100.0, 120.0, 180.0, 200.0])
SCENE = Scene(
    W, H,
    lanes=(Lane("solid white", 0.9, np.array([[60.0, 350.0], [180.0, 260.0], [300.0, 180.0]])),
           Lane("dashed white", 0.9, np.array([[560.0, 350.0], [440.0, 260.0], [330.0, 180.0]]))),
    drivable_areas=(DrivableArea("drivable", 0.9, ROAD),),
    obstacles=(Obstacle("car", 0.8, BOX), Obstacle("truck", 0.7, BOX + 150)),
    signs=(Sign("stop", "red", "clear", 0.9, BOX / 2),),
    lights=(Light("red", 0.9, BOX / 4),),
)  # fmt: skip


def test_a_scene_agrees_with_itself_and_with_nothing_else():
    assert {task: above / below for task, (above, below) in agreement(SCENE, SCENE).items()} == dict.fromkeys(
        TASKS, 1.0
    )
    assert agreed(agreement(SCENE, SCENE)) == 1.0
    assert agreed(agreement(SCENE, Scene(W, H))) == 0.0
    assert np.isnan(agreed(agreement(Scene(W, H), Scene(W, H)))), "silence agrees with nothing, and counts as nothing"


def test_one_box_of_two_is_two_thirds():
    fewer = replace(SCENE, obstacles=SCENE.obstacles[:1])
    above, below = agreement(SCENE, fewer)["obstacles"]
    assert above / below == pytest.approx(2 / 3)
    assert agreement(SCENE, fewer) == agreement(fewer, SCENE), "symmetric"


@given(st.floats(0, 30))
def test_lanes_agree_less_the_further_they_are_apart(shift):
    moved = replace(
        SCENE, lanes=tuple(replace(lane, points=lane.points + np.array([shift, 0])) for lane in SCENE.lanes)
    )
    above, below = agreement(SCENE, moved)["lanes"]
    assert above / below in ((1.0,) if shift < 0.019 * W else (0.0, 0.5, 1.0) if shift < 0.045 * W else (0.0,))


def test_mirroring_flips_geometry_and_undoes_itself():
    flipped = mirrored(SCENE)
    assert flipped.obstacles[0].box.tolist() == [W - 180.0, 120.0, W - 100.0, 200.0]
    assert [lane.label for lane in flipped.lanes] == ["dashed white", "solid white"], "ordered by x again"
    assert flipped.drivable_areas[0].points[0].tolist() == [W - 560.0, 350.0], "from the lowest left vertex"
    assert mirrored(flipped).to_json() == SCENE.to_json()
    assert agreed(agreement(flipped, SCENE)) < 0.9 and out_of_range(flipped) == []


def lane(*points: tuple[float, float]) -> Scene:
    return Scene(W, H, lanes=(Lane("curb", 0.5, np.array(points, np.float64)),))


def box(*sides: float) -> Scene:
    return Scene(W, H, obstacles=(Obstacle("car", 0.5, np.array(sides, np.float64)),))


@pytest.mark.parametrize(("scene", "says"), [
    (SCENE, None),
    (lane((0, 360), (0, 300), (640, 0)), None),
    (lane((10, 300), (-12, 200)), "lanes 0: 12 px outside the image"),
    (lane((10, 300), (20, 100), (30, 200)), "turns back by 100 px"),
    (box(10, 10, 10, 20), "without area"),
    (box(20, 10, 10, 20), "without area"),
    (box(0, 0, 640, 360), "as large as the image"),
    (replace(SCENE, lanes=(*SCENE.lanes, Lane("edge", 0.5, ACROSS))), "lanes 0 and 2 cross"),
    (Scene(W, H, drivable_areas=(DrivableArea("drivable", 1, BOW),)), "crosses itself"),
])  # fmt: skip
def test_geometry_that_cannot_be_is_named(scene, says):
    faults = out_of_range(scene)
    assert bool(faults) == (says is not None)
    if says:
        assert says in faults[0].detail and faults[0].kind == "out of range"


def test_lines_that_meet_at_a_vertex_do_not_cross():
    one = np.array([[0.0, 0.0], [10.0, 10.0]])
    assert crossings(one, one[::-1]) == 0
    assert crossings(one, np.array([[10.0, 10.0], [20.0, 0.0]])) == 0
    assert crossings(one, np.array([[0.0, 10.0], [10.0, 0.0]])) == 1
    assert crossings(one[:1], one) == 0
