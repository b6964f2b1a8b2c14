"""The overlay: any size works, the image given is left alone, and what was said lands where it was said."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.moves import Moves
from getok_core.overlay import PAINT, draw
from getok_core.palette import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from getok_core.queries import parse_region, question
from getok_core.scene import Answer, DrivableArea, Fault, Lane, Light, Obstacle, Scene, Sign


def full_scene(width: int, height: int) -> Scene:
    """One or more of everything, spread over an image of that size."""
    unit = np.array([width, height], np.float64)
    box = np.array([0.6, 0.5, 0.7, 0.6]) * np.tile(unit, 2)
    return Scene(
        width,
        height,
        lanes=tuple(
            Lane(label, 0.9, np.array([[x, 0.98], [x + 0.05, 0.7], [x + 0.08, 0.55]]) * unit)
            for label, x in (("solid yellow", 0.1), ("dashed white", 0.4), ("double white", 0.8), ("dots yellow", 0.9))
        ),
        drivable_areas=(DrivableArea("drivable", 0.9, np.array([[0.2, 0.95], [0.45, 0.6], [0.7, 0.95]]) * unit),),
        obstacles=(Obstacle("car", 0.8, box), Obstacle("pedestrian", 0.7, box + 0.05 * width)),
        signs=(Sign("stop", "red", "blurred", 0.9, box / 2),),
        lights=(Light("green", 0.9, box / 3),),
        faults=(Fault("unclosed", "", "lanes"),),
        truncated=True,
        seconds={"vision": 0.06, "propose": 0.05, "refine": 0.02, "total": 0.14},
        model="getok-nano 1a2b3c",
    )


def near(picture: np.ndarray, x: float, y: float, colour: tuple[int, int, int], reach: int = 6) -> bool:
    """Whether a pixel within reach of x, y has about that colour."""
    part = picture[max(0, int(y) - reach) : int(y) + reach, max(0, int(x) - reach) : int(x) + reach].astype(int)
    return bool((np.abs(part - colour).max(axis=2) < 40).any())


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 500), (700, 1), (64, 48), (400, 225), (1280, 720), (3840, 2160)])
def test_every_size_is_drawn_and_the_image_is_left_alone(size):
    width, height = size
    image = np.full((height, width, 3), 128, np.uint8)
    query = question("what colour is the sign?", parse_region("0.1,0.1,0.9,0.9"))
    answer = Answer("red", 0.9, (np.array([[0.5, 0.5]]),), full_scene(width, height))
    picture = draw(image, full_scene(width, height), [(query, answer), ("how dense?", answer)], title="frame 7")
    assert picture.shape == image.shape and picture.dtype == np.uint8
    assert (image == 128).all() and not np.shares_memory(picture, image)


def test_everything_lands_where_it_was_said():
    image = np.full((720, 1280, 3), 90, np.uint8)
    picture = draw(image, full_scene(1280, 720))
    assert near(picture, 0.125 * 1280, 0.84 * 720, YELLOW), "solid yellow lane"
    assert near(picture, 0.425 * 1280, 0.84 * 720, SKY, 12), "dashed white lane"
    assert near(picture, 768, 360, ORANGE) and near(picture, 896, 432, ORANGE), "corners of the car"
    assert near(picture, 832, 424, VERMILLION), "corner of the pedestrian"
    green = picture[int(0.9 * 720), int(0.45 * 1280)].astype(int) - 79
    assert green[1] > green[0] and green[1] > 10, "the drivable area is tinted green"
    assert np.abs(picture[0, 1270].astype(int) - 79).max() <= 1, "where nothing was said the frame is only dimmed"
    assert GREEN[1] > GREEN[0]


def test_moves_are_red_dots_with_blue_arrows_and_crosses_where_vertices_went():
    image, nan = np.full((720, 1280, 3), 90, np.uint8), float("nan")
    moved = np.array([[100.0, 300.0], [200.0, 300.0], [300.0, 300.0]])
    moves = [Moves("pl", moved, np.array([[160.0, 300.0], [200.0, 300.0], [nan, nan]]))]
    picture = draw(image, Scene(640, 360), moves=[Moves("pl", moved / 2, moves[0].refined / 2)])
    assert np.array_equal(picture, draw(image, Scene(1280, 720), moves=moves)), "scaled with its scene"
    assert (
        near(picture, 100, 300, PAINT["red"], 3) and near(picture, 130, 300, BLUE, 2) and near(picture, 157, 300, BLUE)
    )
    assert near(picture, 200, 300, PAINT["red"], 3) and not near(picture, 200, 300, BLUE, 9), "it stayed"
    assert near(picture, 296, 296, PAINT["red"], 2) and near(picture, 304, 296, PAINT["red"], 2), "a cross: deleted"
    draw(image[:2, :2].copy(), Scene(2, 2), moves=[Moves("pt", np.array([[1e9, nan]]), np.array([[-1e9, 1e30]]))])


def test_a_scene_of_another_size_is_scaled_to_the_picture():
    large = draw(np.full((720, 1280, 3), 90, np.uint8), full_scene(1280, 720))
    same = draw(np.full((720, 1280, 3), 90, np.uint8), full_scene(640, 360))
    assert np.abs(cv2.blur(large, (9, 9)).astype(int) - cv2.blur(same, (9, 9))).mean() < 1.5


def test_panels_and_tags_are_text_on_plates_that_do_not_overlap():
    image = np.full((720, 1280, 3), 200, np.uint8)
    bare = draw(image, Scene(1280, 720))
    assert (bare == bare[0, 0]).all(), "an empty scene without model, title or timing draws nothing"
    named = draw(image, Scene(1280, 720, model="getok-nano 1a2b3c"), title="frame 7")
    assert (named[20:60, 20:100] < 100).any() and (named[200:] == bare[200:]).all(), "status stands top left only"
    asked = draw(image, Scene(1280, 720), [("a very long question " * 30, Answer("yes", 0.5))])
    assert (asked[:500] == bare[:500]).all() and (asked[640:] != bare[640:]).any(), "answers stand at the bottom"
    assert (asked[:, 1270:] == bare[:, 1270:]).all(), "a long question is cut to the image"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=4, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_geometry_raises(values):
    xy = np.array(values[: len(values) // 2 * 2], np.float64).reshape(-1, 2)
    box = np.array(values[:4], np.float64)
    scene = Scene(
        64,
        48,
        lanes=tuple(Lane(label, 0.5, xy) for label in ("dashed white", "double yellow", "dots white", "curb", "")),
        drivable_areas=(DrivableArea("drivable", 0.5, xy),),
        obstacles=(Obstacle("cone", 0.5, box),),
    )
    assert draw(np.zeros((480, 640, 3), np.uint8), scene).shape == (480, 640, 3)


# What a protanope and a deuteranope see of linear RGB (Vienot, Brettel and Mollon 1999).
SEEN_BY = {
    "protanope": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranope": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_kinds_of_things_differ_for_colour_blind_eyes(eyes):
    """CIE76 distance of at least 15, where 2.3 is just noticeable."""
    kinds = {"lane": SKY, "yellow lane": YELLOW, "area": GREEN, "car": ORANGE, "person": VERMILLION, "bicycle": PURPLE}
    linear = (np.array(list(kinds.values())) / 255) ** 2.2 @ np.array(SEEN_BY[eyes]).T
    seen = np.clip(linear, 0, 1).astype(np.float32) ** np.float32(1 / 2.2)
    lab = cv2.cvtColor(seen[None], cv2.COLOR_RGB2LAB)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 100 * np.eye(len(kinds))
    assert apart.min() > 15, f"{list(kinds)}: {apart.round()}"


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused_with_its_shape(wrong):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB, got"):
        draw(wrong, Scene(4, 4))


def test_labels_are_dashes_beside_what_was_said():
    image, scene = np.full((720, 1280, 3), 90, np.uint8), full_scene(1280, 720)
    plain, labelled = draw(image, Scene(1280, 720)), draw(image, Scene(1280, 720), truth=scene)
    corner = labelled[355:365, 763:773]
    assert (corner > 240).all(axis=2).any(), "a white dash begins at the corner of the labelled car"
    assert (labelled[int(0.7 * 720) - 5 : int(0.7 * 720) + 5, 180:200] != plain[0, 0]).any(), "and at the lane"
    assert (labelled[:100, 1000:] == plain[:100, 1000:]).all()


def test_times_are_bars_whose_height_is_their_share_of_the_largest():
    image = np.full((720, 1280, 3), 90, np.uint8)
    picture = draw(image, Scene(1280, 720), totals_s=[0.05, 0.2, 0.1])
    yellow, sky = ((np.abs(picture.astype(int) - colour).max(axis=2) < 3) for colour in (YELLOW, SKY))
    last, tallest = np.flatnonzero(yellow.any(axis=1)), np.flatnonzero(sky[:, 1245])
    assert len(last) == pytest.approx(len(tallest) / 2, abs=2)
    assert yellow[:, :640].sum() == 0, "they stand at the right"
    assert (draw(image, Scene(1280, 720), totals_s=[0.05]) == draw(image, Scene(1280, 720))).all(), "one is no history"
