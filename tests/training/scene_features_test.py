"""What the truth says of a scene shows in its picture: surfaces, closed lanes, ramps, side roads, visible states."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.scenes import Rendered, Thing, blockage
from training.scenes.camera import Camera, random_camera
from training.scenes.canvas import ROAD
from training.scenes.catalogue import MAKERS, MODELS, pick
from training.scenes.chance import chosen
from training.scenes.frame import compose
from training.scenes.layout import Layout, Side, mirrored, random_layout
from training.scenes.mover import Mover, Post
from training.scenes.openings import Crossing, random_ramp
from training.scenes.road import Course
from training.scenes.signs import random_board
from training.scenes.world import World, random_world

SIZE = (512, 256)


def world(seed: int, **mood: object) -> World:
    """A world by day on a dry highway, without traffic, its mood changed as asked."""
    made = random_world(np.random.default_rng(seed), SIZE, plain=True)
    return replace(made, movers=(), posts=(), hood=False, mood=replace(made.mood, **mood))


def shot(scene: World) -> Rendered:
    return compose(scene, 0.0, np.random.default_rng(1), None)


def test_surfaces_look_different():
    """The same roads dry, wet, snowy and icy: darker when wet, whiter in snow, bluer on ice."""
    seen: dict[str, list[np.ndarray]] = {}
    for seed in range(8):
        for surface in ("dry", "wet", "snow", "ice"):
            shown = shot(world(seed, surface=surface))
            assert shown.attributes["surface"] == surface
            seen.setdefault(surface, []).append(shown.image[shown.ids == ROAD].mean(0))
    mean = {surface: np.mean(colours, axis=0) for surface, colours in seen.items()}
    assert mean["wet"].mean() < mean["dry"].mean() - 10
    assert mean["snow"].mean() > mean["dry"].mean() + 15
    assert mean["ice"][2] - mean["ice"][0] > mean["wet"][2] - mean["wet"][0] + 3
    assert mean["ice"].mean() > mean["wet"].mean() + 5


def two_lanes(*directions: int) -> Layout:
    borders = (-1.75, 1.75, 5.25) if directions[0] > 0 else (-5.25, -1.75, 1.75)
    side = Side(1.0, "grass")
    return Layout(borders, directions, directions.index(1), (), side, side, "rural")


def thing(track: int, away: float = 20.0) -> Thing:
    return Thing(track + 2, track, "obstacle", "cone", "", np.array([0, 0, 9.0, 9.0]), away, 0.0, "clear")


@pytest.mark.parametrize(
    ("directions", "standing", "in_sight", "answer"),
    [
        ((1, 1), [], [], "open"),
        ((1, 1), [("cone", 0.0), ("cone", 3.5)], [0, 1], "blocked"),
        ((1, 1), [("cone", 0.0)], [0], "partly blocked"),
        ((-1, 1), [("barrier", 0.0)], [0], "blocked"),
        ((-1, 1), [("barrier", -3.5)], [0], "partly blocked"),
        ((-1, 1), [("debris", 0.0)], [0], "partly blocked"),
        ((1, 1), [("cone", 6.5)], [0], "open"),
        ((1, 1), [("cone", 0.0), ("cone", 3.5)], [], "open"),
        ((1, 1), [("car", 3.5)], [0], "open"),
    ],
)
def test_a_road_is_blocked_by_what_one_sees_in_its_lanes(directions, standing, in_sight, answer):
    rng = np.random.default_rng(0)
    movers = [Mover(pick(kind, rng), 20.0, d) for kind, d in standing]
    assert blockage.truth(two_lanes(*directions), movers, [thing(track) for track in in_sight]) == answer


def test_a_car_that_stands_across_a_lane_closes_it_and_a_far_one_does_not():
    car = Mover(pick("car", np.random.default_rng(0)), 20.0, -2.0, turn=np.pi / 2, blocks=True)
    assert blockage.truth(two_lanes(-1, 1), [car], [thing(0)]) == "blocked"
    assert blockage.truth(two_lanes(-1, 1), [car], [thing(0, 60.0)]) == "open"


def test_closed_roads_are_drawn_and_answers_are_balanced():
    answers = []
    for seed in range(150):
        made = random_world(np.random.default_rng(seed), SIZE)
        answers.append(any(mover.blocks for mover in made.movers))
    assert 0.2 < np.mean(answers) < 0.5


def sharpness(shown: Rendered, box: np.ndarray) -> float:
    left, top, right, bottom = np.int32(box)
    return float(cv2.Laplacian(shown.image[top:bottom, left:right], cv2.CV_64F).var())


def test_blurred_and_backlit_obstacles_look_it():
    softer, darker = [], []
    for seed in range(10):
        empty = world(seed)
        car = Mover(pick("car", np.random.default_rng(seed)), 9.0, empty.layout.centre(empty.layout.own))
        plain = shot(replace(empty, movers=(car,)))
        smeared = shot(replace(empty, movers=(replace(car, smeared=True),)))
        sun = replace(empty.mood, against=0.25, sun=(0.1, 0.15))
        dark = shot(replace(empty, movers=(car,), mood=sun))
        if [s.obstacle_states for s in (plain, smeared, dark)] != [("clear",), ("blurred",), ("backlit",)]:
            continue
        softer.append(sharpness(smeared, plain.things[0].box) < 0.7 * sharpness(plain, plain.things[0].box))
        means = [shown.image[shown.ids == shown.things[0].ident].mean() for shown in (plain, dark)]
        darker.append(means[1] < means[0])
    assert len(softer) >= 5
    assert np.mean(softer) > 0.8 and np.mean(darker) > 0.6


def test_leaves_before_a_sign_hide_a_part_of_it():
    more = []
    for seed in range(16):
        empty = world(seed)
        board = replace(random_board(np.random.default_rng(seed)), state="clear")
        post = Post(board, 10.0, empty.layout.edges[1] + 0.5, 2.0, 0.6, 0.0, True, look=seed)
        pair = [shot(replace(empty, posts=(replace(post, covered=covered),))) for covered in (False, True)]
        signs = [one for shown in pair for one in shown.things if one.kind == "sign"]
        assert all((sign.visible_state == "occluded") == (sign.hidden > 0.25) for sign in signs)
        if len(signs) == 2:
            more.append(signs[1].hidden - signs[0].hidden)
    assert len(more) >= 4 and min(more) > 0 and np.mean(more) > 0.15


@given(st.integers(0, 2**31))
def test_a_ramp_is_a_lane_wide_somewhere_and_never_turned_inside_out(seed):
    ramp = random_ramp(np.random.default_rng(seed), 3.5)
    inner, outer = ramp.pavement(np.linspace(-200, 400, 601))
    assert (outer >= inner - 1e-9).all() and outer.max() >= 3.5 - 1e-9
    assert (np.diff(ramp.outer[:, 0]) >= 0).all()


def test_lines_of_ramps_lie_on_paint():
    bright = []
    for seed in range(400):
        layout = random_layout(np.random.default_rng(seed), "highway")
        if layout.ramp is None or not any(line.shift is not None and line.width > 0 for line in layout.lines):
            continue
        lines = tuple(replace(line, strength=1.0, width=0.12) for line in layout.lines if line.width > 0)
        shown = shot(replace(world(3), course=Course(), layout=replace(layout, lines=lines, other=None)))
        grey = shown.image[..., 0].astype(float)
        for lane in shown.scene.lanes:
            if lane.label.startswith("solid"):
                inside = (lane.points > 12).all(1) & (lane.points < np.array(SIZE) - 12).all(1)
                points = lane.points[inside & (lane.points[:, 1] > 150)]
                column, row = points.astype(int).T
                paint = np.max([grey[row, column + k] for k in (-1, 0, 1)], axis=0) if len(points) else np.empty(0)
                beside = (grey[row, column - 12] + grey[row, column + 12]) / 2
                bright += (paint > beside + 3).tolist()
        if len(bright) > 400:
            break
    assert len(bright) > 200 and np.mean(bright) > 0.8


def test_a_side_road_belongs_to_the_road_and_a_driveway_does_not():
    empty = world(7)
    wide = []
    for drive in (False, True):
        aside = Crossing(12.0, 7.0, True, True, 30.0, 1.0, drive)
        sides = {name: replace(getattr(empty.layout, name), barrier="", kind="grass") for name in ("left", "right")}
        layout = replace(empty.layout, crossings=(aside,), other=None, **sides)
        wide.append((shot(replace(empty, layout=layout)).ids == ROAD).sum())
    assert wide[0] > 1.05 * wide[1]


@given(st.integers(0, 2**31), st.sampled_from(["highway", "rural", "urban", "street"]))
@settings(max_examples=30)
def test_mirrored_twice_is_the_same_road(seed, kind):
    layout = random_layout(np.random.default_rng(seed), kind)
    again = mirrored(mirrored(layout))
    assert again.borders == pytest.approx(layout.borders) and again.own == layout.own
    ahead = np.linspace(-50, 150, 21)
    for one, other in zip(again.lines, layout.lines, strict=True):
        assert np.broadcast_to(one.across(ahead), 21) == pytest.approx(np.broadcast_to(other.across(ahead), 21))
        assert (one.label, one.span) == (other.label, other.span)


@given(st.floats(-0.25, 0.04))
def test_distortion_bends_and_never_folds(k1):
    straight = random_camera(np.random.default_rng(1), SIZE)
    camera = Camera(*SIZE, straight.focal, straight.centre, np.diag([1.0, -1.0, 1.0]), 1.4, k1)
    aside = np.stack([np.linspace(0, 3, 200), np.full(200, 1.4), np.ones(200)], axis=1)
    pixels, _ = camera.project(aside)
    assert (np.diff(pixels[:, 0]) > 0).all()
    radius = aside[20, 0]
    assert pixels[20, 0] - camera.centre[0] == pytest.approx(radius * (1 + k1 * radius**2) * camera.focal[0])


@pytest.mark.parametrize("kind", list(MAKERS))
def test_models_are_what_their_kind_says_and_the_same_when_picked_again(kind):
    body = pick(kind, np.random.default_rng(5))
    assert body.label == ("barrier" if kind == "water barrier" else kind)
    assert body is pick(kind, np.random.default_rng(5))
    width, height, length = body.size
    spread = np.ptp(body.corners.reshape(-1, 3), axis=0)
    assert (spread <= np.array([width, height, length]) * 1.6 + 0.3).all() and body.outline <= len(body.corners)
    assert set(MODELS) <= set(MAKERS)


def test_a_choice_follows_its_shares():
    rng = np.random.default_rng(0)
    picked = [chosen(rng, "abc", (1, 2, 1)) for _ in range(4000)]
    assert [picked.count(letter) / 4000 for letter in "abc"] == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert {chosen(rng, "abc") for _ in range(50)} == set("abc")
