"""Labels, splits, views and baselines of the real-frame lane score; tests of the clip need GETOK_DATA."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import getok_core.engines
from getok_core.scene import Lane, Scene
from training.baselines import ClassicalLanes, ConstantLines
from training.real_lanes import main, median_lines, model_predictor, score, table
from training.real_views import (
    LABELS,
    WARPS,
    View,
    labelled_frames,
    views,
    warp_image,
    warp_line,
    warp_matrix,
)

SIZE = (960, 540)
LABEL = json.loads(LABELS.read_text())
SPLITS = json.loads((LABELS.parents[1] / "splits.json").read_text())
DATA = os.environ.get("GETOK_DATA")
needs_data = pytest.mark.skipif(
    not DATA, reason="GETOK_DATA is not set: no folder with udacity_carnd_p1/ and the others"
)
SHIFT_0 = [[1.295835, 0.0, 0.0], [0.0, 1.295835, -119.813151]]
ALL_220 = [[-1.330022, 0.096466, 1001.356579], [0.096466, 1.330022, -133.190732]]
ALL = [(warp, entry["frame"]) for entry in LABEL["frames"] for warp in WARPS]


def test_labels_are_forty_pairs_of_lines_near_to_far_inside_the_frame() -> None:
    assert [entry["frame"] for entry in LABEL["frames"]] == np.round(np.linspace(0, 220, 40)).astype(int).tolist()
    for entry in LABEL["frames"]:
        left, right = np.array(entry["left"]), np.array(entry["right"])
        for line in (left, right):
            assert line.shape == (8, 2) and (np.diff(line[:, 1]) < 0).all()
            assert (line >= 0).all() and (line <= SIZE).all()
        assert (left[:, 0] < right[:, 0]).all()


def test_the_labelled_clip_is_a_test_image() -> None:
    assert SPLITS["test"]["udacity_carnd_p1"][LABEL["clip"]] == LABEL["sha256"]


def test_roadsigns_blocks_follow_the_stated_rule() -> None:
    def key(block: int) -> str:
        return hashlib.sha256(f"roadsigns block {block}".encode()).hexdigest()

    assert SPLITS["rule"]["roadsigns_blocks"] == sorted(sorted(range(49), key=key)[:15])
    assert len(SPLITS["test"]["roadsigns"]) == 151


@needs_data
def test_the_listed_digests_are_those_of_the_files() -> None:
    folders = {"udacity_carnd_p1": "", "comma10k": "", "roadsigns": "images"}
    for dataset, images in SPLITS["test"].items():
        for name, digest in images.items():
            path = Path(str(DATA)) / dataset / folders[dataset] / name
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path


@pytest.mark.parametrize(("warp", "frame"), ALL)
def test_a_view_is_cut_from_inside_the_frame(warp: str, frame: int) -> None:
    matrix = warp_matrix(warp, frame, SIZE)
    linear = matrix[:, :2]
    corners = np.array([[0, 0], [960, 0], [960, 540], [0, 540]])
    source = np.linalg.solve(linear, (corners - matrix[:, 2]).T).T
    assert (source >= -1e-6).all() and (source <= np.array(SIZE) + 1e-6).all()
    zoom = np.sqrt(abs(np.linalg.det(linear)))
    assert 1.2 <= zoom <= 1.6
    roll = np.degrees(np.arctan2(linear[0, 1], linear[1, 1]))
    assert 3 <= abs(roll) <= 6 if warp in ("tilt", "all") else roll == 0
    if warp == "shift":
        middle = matrix @ [480, 270, 1]
        assert 0.1 <= abs(middle[0] - 480) / 960 <= 0.2 and middle[1] <= 270


def test_views_are_the_same_on_every_machine() -> None:
    assert warp_matrix("shift", 0, SIZE) == pytest.approx(np.array(SHIFT_0), abs=1e-6)
    assert warp_matrix("all", 220, SIZE) == pytest.approx(np.array(ALL_220), abs=1e-6)
    mirrored = [np.linalg.det(warp_matrix("all", e["frame"], SIZE)[:, :2]) < 0 for e in LABEL["frames"]]
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("warp", WARPS)
def test_pixels_and_labels_move_together(warp: str) -> None:
    # discs of 8 px around label points: their centroids in the view lie on the moved points to a tenth of a pixel
    points = np.array([[300.5, 480.25], [620.0, 470.0], [480.0, 400.0]])
    matrix = warp_matrix(warp, 45, SIZE)
    x, y = np.meshgrid(np.arange(960) + 0.5, np.arange(540) + 0.5)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    seen = 0
    for point, want in zip(points, moved, strict=True):
        disc = (255 * np.clip(8.5 - np.hypot(x - point[0], y - point[1]), 0, 1)).astype(np.uint8)
        view = warp_image(np.repeat(disc[..., None], 3, axis=2), matrix)[..., 0].astype(float)
        if (want > 20).all() and (want < np.array(SIZE) - 20).all():
            centroid = np.array([(view * x).sum(), (view * y).sum()]) / view.sum()
            assert centroid == pytest.approx(want, abs=0.1)
            seen += 1
    assert seen


def test_lines_are_clipped_to_the_view_and_stumps_are_not_scored() -> None:
    right = np.array([[1.0, 0, 480], [0, 1, 0]])
    line = warp_line(np.array([[100.0, 540], [400, 400], [700, 300]]), right, SIZE)
    assert line is not None and len(line) == 24
    assert line[0] == pytest.approx([580, 540]) and line[-1] == pytest.approx([960, 373.3], abs=1)
    stump = np.array([[470.0, 540], [520, 480], [900, 100]])
    assert warp_line(stump, right, SIZE) is None
    assert warp_line(stump, np.array([[1.0, 0, 2000], [0, 1, 0]]), SIZE) is None


def test_the_constant_answers_the_median_of_its_labels() -> None:
    frames = [[np.array([[x, 500.0], [x + 40, 300.0]])] for x in (100.0, 110.0, 400.0)]
    (line,) = ConstantLines.median_of(frames, vertices=3)(np.zeros((540, 960, 3), np.uint8))
    assert line == pytest.approx(np.array([[110, 500], [130, 400], [150, 300]]))
    left, right = median_lines()(np.zeros((540, 960, 3), np.uint8))
    assert left.shape == right.shape == (12, 2) and left[0, 0] < 200 < 800 < right[0, 0]


@pytest.mark.parametrize("finder", [ClassicalLanes.fixed_region(), ClassicalLanes.consensus()])
def test_classical_finders_find_paint_on_plain_asphalt(finder: ClassicalLanes) -> None:
    road = np.full((540, 960, 3), 90, np.uint8)
    assert finder(road) == []
    lines = [np.array([[160.0, 540.0], [450.0, 325.0]]), np.array([[860.0, 540.0], [515.0, 325.0]])]
    for line, colour in zip(lines, ((250, 250, 250), (230, 190, 40)), strict=True):
        cv2.line(road, *np.round(line).astype(int).tolist(), colour, 10)
    result, _ = score(finder, [View(0, "none", road, lines)])
    assert result.hits[0].tolist() == [[2, 2, 2], [2, 2, 2]] and result.drawn.tolist() == [2]


def test_consensus_outvotes_pieces_that_lean_the_same_way() -> None:
    road = np.full((540, 960, 3), 90, np.uint8)
    cv2.line(road, (160, 540), (450, 325), (250, 250, 250), 10)
    cv2.line(road, (40, 400), (120, 340), (250, 250, 250), 6)
    (line,) = ClassicalLanes.consensus()(road)
    assert line[0] == pytest.approx([160, 540], abs=4)


def test_a_score_counts_every_lane_drawn() -> None:
    blank = np.zeros((540, 960, 3), np.uint8)
    truth = [np.array([[100.0, 540], [300, 300]]), np.array([[800.0, 540], [600, 300]])]
    looks = [View(0, "crop", blank, truth), View(6, "crop", blank, truth[:1])]
    result, drawn = score(lambda image: [truth[0]] * 8, looks)
    assert result.hits[:, 0, 0].tolist() == [1, 1] and len(drawn[0]) == 8
    assert result.found(0, 0).value == pytest.approx(2 / 3)
    report = result.to_json()
    assert report["lanes"] == {"mean": 8.0, "most": 8, "over": 1.0}
    assert "100.0 %" in table({"eight": result}).splitlines()[1]


def test_a_model_is_asked_for_its_scene_and_scored_by_its_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    line = np.array([[1.0, 9.0], [5.0, 2.0]])
    scene = Scene(960, 540, lanes=(Lane("solid white", 0.9, line),))
    perceiver = SimpleNamespace(Perceiver=lambda engine: SimpleNamespace(perceive=lambda image: scene))
    monkeypatch.setattr(getok_core.engines, "load_engine", lambda model, device: (model, device), raising=False)
    monkeypatch.setitem(sys.modules, "getok_core.perceiver", perceiver)
    (lane,) = model_predictor(Path("models/nano"), "cpu")(np.zeros((540, 960, 3), np.uint8))
    assert np.array_equal(lane, line)


def test_without_data_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GETOK_DATA", raising=False)
    assert main([]) == 2
    assert capsys.readouterr().err == "getok: GETOK_DATA is not set: name the folder that holds udacity_carnd_p1/\n"
    monkeypatch.setenv("GETOK_DATA", str(tmp_path))
    assert main([]) == 2 and "no clip at" in capsys.readouterr().err
    (tmp_path / "udacity_carnd_p1").mkdir()
    (tmp_path / "udacity_carnd_p1" / LABEL["clip"]).write_bytes(b"another clip")
    assert main([]) == 2 and "is not the labelled clip" in capsys.readouterr().err


@needs_data
def test_the_constant_wins_on_the_frames_and_loses_on_their_views() -> None:
    frames, warped = list(labelled_frames(Path(str(DATA)))), list(views(Path(str(DATA))))
    assert len(frames) == 40 and len(warped) == 200 and sum(len(view.lines) for view in warped) >= 380
    assert all(view.image.shape == (540, 960, 3) for view in warped)
    assert min((view.image.max(2) > 8).mean() for view in warped) > 0.97, "a black border"
    constant = median_lines()
    plain, moved = score(constant, frames)[0], score(constant, warped)[0]
    assert plain.found(0, 0).value > 0.9 and moved.found(0, 0).value < 0.1
