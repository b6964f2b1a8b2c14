"""Drawn frames are what their truth says: inside the image, in order, on the pixels drawn, the same for a seed."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import cv2
import numpy as np
import pytest

from getok_core import queries
from training.scenes import Backgrounds, Rendered, drive, render, truth, vehicles, views
from training.scenes.__main__ import main
from training.scenes.camera import random_camera
from training.scenes.canvas import ROAD
from training.scenes.markings import Line, dash_spans
from training.scenes.road import Course

SIZE = (512, 256)
SEEDS = range(60)


@pytest.fixture(scope="module")
def rendered() -> list[Rendered]:
    return [render(seed) for seed in SEEDS]


def boxes(shown: Rendered) -> list[np.ndarray]:
    scene = shown.scene
    return [thing.box for thing in (*scene.obstacles, *scene.signs, *scene.lights)]


def same(one: Rendered, other: Rendered) -> bool:
    return (
        np.array_equal(one.image, other.image)
        and one.scene.to_json() == other.scene.to_json()
        and (one.attributes, one.obstacle_states) == (other.attributes, other.obstacle_states)
        and np.array_equal(one.ids, other.ids)
        and [(t.ident, t.track, t.hue) for t in one.things] == [(t.ident, t.track, t.hue) for t in other.things]
    )


def test_a_seed_gives_the_same_frame_in_any_order(rendered):
    for seed in (17, 3, 11):
        assert same(render(seed), rendered[seed])
    assert not np.array_equal(rendered[3].image, rendered[11].image)


@pytest.mark.parametrize("size", [(512, 256), (320, 200), (256, 448)])
def test_frames_have_the_size_asked_for(size):
    shown = render(5, size)
    assert shown.image.shape == (size[1], size[0], 3) and shown.image.dtype == np.uint8
    assert (shown.scene.width, shown.scene.height) == size


def test_all_geometry_lies_inside_the_image(rendered):
    for shown in rendered:
        for thing in (*shown.scene.lanes, *shown.scene.drivable_areas):
            assert (thing.points >= 0).all() and (thing.points <= SIZE).all()
        for box in boxes(shown):
            assert (box >= 0).all() and (box.reshape(2, 2) <= SIZE).all()
            assert box[2] - box[0] >= 0.01 * SIZE[0] and box[3] - box[1] >= 0.01 * SIZE[1]


def test_words_are_the_closed_lists_of_the_language(rendered):
    for shown in rendered:
        scene = shown.scene
        assert {lane.label for lane in scene.lanes} <= set(queries.LANE_LABELS)
        assert {o.label for o in scene.obstacles} <= set(queries.OBSTACLE_LABELS)
        assert {s.label for s in scene.signs} <= set(queries.SIGN_SHAPES)
        assert {s.colour for s in scene.signs} <= set(queries.SIGN_COLOURS)
        assert {s.visible_state for s in scene.signs} | set(shown.obstacle_states) <= set(queries.VISIBLE_STATES)
        assert {light.state for light in scene.lights} <= set(queries.LIGHT_STATES)
        assert shown.attributes.get("surface", "not visible") in (*queries.SURFACES, "not visible")
        assert shown.attributes.get("blockage", "not visible") in (*queries.BLOCKAGES, "not visible")
        assert shown.attributes.get("traffic", "not visible") in (*queries.TRAFFIC, "not visible")
        assert len(shown.obstacle_states) == len(scene.obstacles)


def test_lists_are_in_order(rendered):
    for shown in rendered:
        scene = shown.scene
        feet = [lane.points[np.argmax(lane.points[:, 1]), 0] for lane in scene.lanes]
        assert feet == sorted(feet)
        for things in (scene.obstacles, scene.signs, scene.lights):
            bottoms = [thing.box[3] for thing in things]
            assert bottoms == sorted(bottoms, reverse=True)


def test_lanes_run_near_to_far_and_are_dense_and_long(rendered):
    lanes = [lane for shown in rendered for lane in shown.scene.lanes]
    assert len(lanes) > 2 * len(rendered)
    for lane in lanes:
        assert len(lane.points) >= 24
        assert np.hypot(*np.diff(lane.points, axis=0).T).sum() >= truth.SHORTEST * SIZE[1]
        assert lane.points[0, 1] >= lane.points[-1, 1] - 0.05 * SIZE[1]
    assert max(len(shown.scene.lanes) for shown in rendered) <= truth.MOST


def test_outlines_are_clockwise_and_few_cornered(rendered):
    areas = [area for shown in rendered for area in shown.scene.drivable_areas]
    assert areas
    for area in areas:
        x, y = area.points.T
        assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0
        assert 3 <= len(area.points) <= truth.VERTICES
        assert y[0] >= y.max() - 0.03 * SIZE[1] - 1e-6


@pytest.mark.parametrize("seed", [2, 9, 21, 33])
def test_outlines_cover_the_road_of_the_id_buffer(seed, rendered):
    shown = rendered[seed]
    road = shown.ids == ROAD
    painted = np.zeros(road.shape, np.uint8)
    for area in shown.scene.drivable_areas:
        cv2.fillPoly(painted, [np.int32(area.points - 0.5)], 1)
    if not shown.scene.drivable_areas:
        assert road.mean() < 0.03
        return
    both = (road & (painted > 0)).sum()
    assert both / road.sum() > 0.85


def test_boxes_hold_their_things_pixels_and_touch_them(rendered):
    for shown in rendered:
        for thing in shown.things:
            left, top, right, bottom = thing.box
            rows, columns = np.nonzero(shown.ids == thing.ident)
            assert left <= columns.min() + 2 and right >= columns.max() - 1
            assert top <= rows.min() + 2 and bottom >= rows.max() - 1
            assert columns.min() - left <= 2 and right - columns.max() <= 3


def test_things_are_the_scenes_objects_in_their_order(rendered):
    for shown in rendered:
        scene = shown.scene
        assert [thing.box.tolist() for thing in shown.things] == [box.tolist() for box in boxes(shown)]
        said = [("obstacle", o.label, s) for o, s in zip(scene.obstacles, shown.obstacle_states, strict=True)]
        said += [("sign", s.label, s.visible_state) for s in scene.signs]
        assert [(t.kind, t.label, t.visible_state) for t in shown.things if t.kind != "light"] == said
        assert [t.label for t in shown.things if t.kind == "light"] == [light.state for light in scene.lights]
        for thing in shown.things:
            assert thing.distance_m > 0 and 0 <= thing.hidden <= 0.8
            assert thing.hue in ("", *vehicles.PAINTS)
        colours = [s.colour for s in scene.signs]
        assert all(
            t.hue in ("", c) for t, c in zip([t for t in shown.things if t.kind == "sign"], colours, strict=True)
        )
        assert len({t.track for t in shown.things}) == len({t.ident for t in shown.things}) == len(shown.things)


def test_a_hue_is_the_colour_in_the_picture(rendered):
    """Red things are redder, blue ones bluer, white ones brighter than black ones, where the picture shows them."""
    means: dict[str, list[np.ndarray]] = {}
    for shown in rendered:
        for thing in shown.things:
            if thing.kind == "obstacle" and thing.hue:
                means.setdefault(thing.hue, []).append(shown.image[shown.ids == thing.ident].mean(0))
    assert {"red", "blue", "white", "black", "grey"} <= set(means)
    assert all(red > max(green, blue) for red, green, blue in means["red"])
    assert all(blue > red for red, _, blue in means["blue"])
    assert np.mean(means["white"]) > np.mean(means["grey"]) > np.mean(means["black"])


def test_painted_lines_differ_from_the_road_beside_them():
    """On dry roads most lane vertices lie on pixels that differ from both sides."""
    shares = []
    for seed in range(200, 300):
        shown = render(seed)
        if shown.attributes.get("surface") != "dry":
            continue
        grey = shown.image[..., 0].astype(float)
        for lane in shown.scene.lanes:
            if not lane.label.startswith(("solid", "double")):
                continue
            points = lane.points[(lane.points > 14).all(1) & (lane.points < np.array(SIZE) - 14).all(1)]
            near = points[points[:, 1] > 0.6 * SIZE[1]].astype(int)
            if len(near) > 5:
                middle = np.max([grey[near[:, 1], near[:, 0] + k] for k in (-1, 0, 1)], axis=0)
                beside = (grey[near[:, 1], near[:, 0] - 14] + grey[near[:, 1], near[:, 0] + 14]) / 2
                shares.append(np.median(middle - beside) > 3)
    assert len(shares) > 30
    assert np.mean(shares) > 0.8


def test_a_blank_lens_says_nothing():
    shown = views.blank(np.random.default_rng(0), SIZE)
    assert not any((shown.scene.lanes, shown.scene.drivable_areas, shown.scene.signs, boxes(shown)))
    assert shown.image.shape == (256, 512, 3)


def test_some_frames_have_no_road(rendered):
    empty = [shown for shown in (render(seed) for seed in range(300, 400)) if not shown.scene.drivable_areas]
    assert 1 <= len(empty) <= 30
    assert not any(shown.scene.lanes for shown in empty if shown.scene.obstacles == ())


def test_a_drive_moves_smoothly_and_keeps_its_road():
    shown = list(drive(4, 6, size=(640, 360)))
    assert len(shown) == 6
    assert all(one.image.shape == (360, 640, 3) for one in shown)
    assert not np.array_equal(shown[0].image, shown[1].image)
    for before, after in pairwise(shown):
        near = [lane.points[0] for lane in before.scene.lanes if lane.points[0][1] > 0.8 * 360]
        assert near
        for foot in near:
            nearest = min(np.hypot(*(other.points[0] - foot)) for other in after.scene.lanes)
            assert nearest < 60


def test_a_thing_keeps_its_track_through_a_drive():
    shown = list(drive(4, 8, (640, 360)))
    kept = 0
    for before, after in pairwise(shown):
        later = {thing.track: thing for thing in after.things}
        for thing in before.things:
            if thing.track in later:
                assert (later[thing.track].kind, later[thing.track].label) == (thing.kind, thing.label)
                assert abs(later[thing.track].distance_m - thing.distance_m) < 8
                kept += 1
    assert kept > 5


def test_drives_go_through_towns_and_bad_weather_too():
    """Single frames of many drives: other roads than highways, other surfaces than dry ones, and tracks that last."""
    first = [next(drive(seed, 1, (320, 180), plain=False)) for seed in range(24)]
    assert len({shown.attributes["surface"] for shown in first}) >= 3
    assert any(lane.label in ("curb", "edge") for shown in first for lane in shown.scene.lanes)
    one, other = drive(5, 2, (320, 180), plain=False)
    assert one.attributes["surface"] == other.attributes["surface"]


def test_a_drive_is_the_same_again():
    assert all(same(one, other) for one, other in zip(drive(9, 3, (320, 180)), drive(9, 3, (320, 180)), strict=True))


def test_backgrounds_refuse_test_images_and_paint_over_boxes(tmp_path):
    for name, tone in (("a.png", 40), ("b.png", 200)):
        photo = np.full((60, 80, 3), tone, np.uint8)
        photo[20:30, 20:40] = 255 - tone
        cv2.imwrite(str(tmp_path / name), photo)
    secret = hashlib.sha256((tmp_path / "b.png").read_bytes()).hexdigest()
    kept = Backgrounds.load(tmp_path, exclude=frozenset({secret}), erase={"a.png": [[20, 20, 40, 30]]})
    assert len(kept) == 1
    assert (kept.photos[0] == 40).all()
    assert kept.cut(np.random.default_rng(1), SIZE).shape == (256, 512, 3)
    with pytest.raises(ValueError, match="no background photograph"):
        Backgrounds.load(tmp_path, ["b.png"], frozenset({secret}))
    (tmp_path / "c.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"c\.png is no image"):
        Backgrounds.load(tmp_path, ["c.png"])


def test_backgrounds_are_cut_the_same_for_a_seed():
    photos = Backgrounds([np.random.default_rng(k).integers(0, 255, (90, 160, 3)).astype(np.uint8) for k in range(3)])
    assert same(render(12, backgrounds=photos), render(12, backgrounds=photos))


def test_projection_and_its_inverse_agree():
    camera = random_camera(np.random.default_rng(3), SIZE)
    point = camera.unproject((200.0, 100.0), 12.0)
    pixel, depth = camera.project(point)
    assert depth == pytest.approx(12.0)
    if camera.k1 == 0:
        assert pixel == pytest.approx([200.0, 100.0])


def test_a_straight_road_lies_ahead_and_a_crest_hides_what_is_behind():
    flat = Course().seen_from(0.0, 0.0, 0.0, 1.4)
    assert flat.at(np.array([30.0]), 2.0)[0] == pytest.approx([2.0, 0.0, 30.0])
    assert flat.visible(np.array([5.0, 60.0])).all()
    crest = Course(hills=np.array([[4.0, 2 * np.pi / 120, np.pi / 2]])).seen_from(0.0, 0.0, 0.0, 1.4)
    assert crest.visible(np.array([12.0, 35.0])).tolist() == [True, False]
    assert crest.visible(np.array([35.0]), lift=1.5)[0]


def test_dashes_stay_on_the_course_while_the_camera_moves():
    line = Line(0.0, "dashed white", dash=(3.0, 9.0, 2.0))
    start, end = dash_spans(line, 100.0, 60.0)
    later, _ = dash_spans(line, 105.0, 60.0)
    assert end - start == pytest.approx(3.0)
    assert np.isclose((start[:, None] - 5.0), later[None]).any(1)[2:].all()


def test_lines_are_cut_exactly_at_the_border():
    line = np.array([[-10.0, 50.0], [10.0, 50.0], [30.0, 50.0], [30.0, 120.0]])
    inside = truth.clip_inside(line, 100, 100)
    assert inside[0] == pytest.approx([0.0, 50.0]) and inside[-1] == pytest.approx([30.0, 100.0])
    assert len(truth.clip_inside(line + 500, 100, 100)) == 0


def test_the_sheet_is_a_picture_and_bad_input_is_one_line(tmp_path, capsys, monkeypatch):
    out = tmp_path / "sheet.png"
    assert main(["--sheet", str(out), "--count", "3", "--columns", "2", "--truth"]) == 0
    assert cv2.imread(str(out)).shape == (512, 1024, 3)
    assert "ms of one core a frame" in capsys.readouterr().out
    monkeypatch.delenv("GETOK_DATA", raising=False)
    for arguments, said in (
        (["--sheet", str(tmp_path / "no" / "sheet.png"), "--count", "1"], "existing folder"),
        (["--sheet", str(out), "--count", "0"], "at least one frame"),
        (["--beside-real", str(out)], "GETOK_DATA"),
    ):
        assert main(arguments) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and said in lines[0]
