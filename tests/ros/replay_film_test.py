"""The film of a replay: a frame of film for every frame that can be read, models side by side, a film a camera."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest
import replay_folder as folder

from getok_core.errors import GetokError
from getok_ros.replay_film import Reel, rate, tiled, write_film
from getok_ros.replayed import Moment, Replayed


def moment(index: int, stamp_ns: int) -> Moment:
    return Moment(str(index), index, "", stamp_ns)


@pytest.mark.parametrize(("models", "size"), [(folder.MODELS[:1], (1280, 720)), (folder.MODELS, (1920, 540))])
def test_every_frame_that_can_be_read_is_in_the_film(tmp_path, models, size):
    pytest.importorskip("av", reason="films need PyAV: pip install av")
    folder.write(tmp_path, 8, models)
    (path,) = write_film(tmp_path, folder.frames)
    film = cv2.VideoCapture(str(path))
    assert path.name == "overlay.mp4" and film.get(cv2.CAP_PROP_FPS) == pytest.approx(10, abs=0.01)
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 7, "frame 5 cannot be read"
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == size


def test_each_camera_has_a_film_of_its_own(tmp_path):
    pytest.importorskip("av", reason="films need PyAV: pip install av")
    path = folder.write(tmp_path, 4, folder.MODELS[:1]) / "scenes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["frame"] = line["frame"].replace("/front", f"/cam_{line['index'] % 2}")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    written = [one.name for one in write_film(tmp_path, folder.frames)]
    assert written == ["overlay_drive_mcap_cam_0_image.mp4", "overlay_drive_mcap_cam_1_image.mp4"]


def test_without_pyav_one_line_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GetokError, match="extra film") as refusal:
        write_film(folder.write(tmp_path, 2), folder.frames)
    assert "\n" not in str(refusal.value)


def test_an_answer_stays_on_screen_and_its_region_goes(tmp_path):
    run = Replayed(folder.write(tmp_path, 12, folder.MODELS[:1]))
    reel = Reel(run, run.frames[0].stamp_ns)
    bare = folder.write(tmp_path / "bare", 12, folder.MODELS[:1])
    (bare / "answers.jsonl").unlink()
    without = Reel(Replayed(bare), run.frames[0].stamp_ns)
    panel, sign = [], []
    for one in run.frames:
        changed = (reel.picture(one, folder.image(0)) != without.picture(one, folder.image(0))).any(axis=2)
        panel.append(bool(changed[600:].any()))
        sign.append(bool(changed[140:260, 980:1110].any()))
    assert panel == [False] * 4 + [True] * 8, "shown from frame 4 on"
    assert sign == [False] * 4 + [True] * 2 + [False] * 6, "its region only while it is still there"


def test_the_pace_is_that_of_the_clock():
    assert rate([moment(i, i * 40_000_000) for i in range(9)]) == 25
    assert rate([moment(i, -i) for i in range(9)]) == 10, "a clock that goes backwards says nothing"
    assert rate([moment(0, 0)]) == 10 and rate([moment(i, i) for i in range(3)]) == 60


def test_three_models_fill_two_rows():
    sheet = tiled([np.full((4, 6, 3), value, np.uint8) for value in (50, 100, 150)])
    assert sheet.shape == (8, 12, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (0, 6), (4, 0), (4, 6))] == [50, 100, 150, 16]
