"""Label-free checks of a replay, the frames worth labelling, and the way to CVAT and back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import replay_folder as folder

from getok_core.errors import GetokError
from getok_core.labels import read_labels
from getok_core.metrics.consistency import mirrored
from getok_core.scene import Fault, Scene
from getok_ros.label_free import BEFORE, MIRROR, MIRRORS, MODELS, Checked, by_frame, check, table
from getok_ros.replayed import Moment, Replayed
from getok_ros.worth_labelling import rank, ranking


def truthful(model: str, image: np.ndarray) -> Scene:
    """Says of a mirrored picture exactly the mirrored scene of its frame, whose number the picture shows."""
    index = round(float(image[0, -1, 0]) / 4)
    return mirrored(folder.said(index, model))


def test_each_check_is_made_where_it_can_be(tmp_path):
    checked = list(check(Replayed(folder.write(tmp_path)), folder.frames, truthful))
    assert [(one.moment.index, one.model) for one in checked] == [(i, m) for i in range(12) for m in folder.MODELS]
    assert BEFORE not in checked[0].agreements and BEFORE in checked[2].agreements
    assert all(one.agreed(MIRROR) == pytest.approx(1, abs=0.02) for one in checked if one.moment.index != 5)
    assert MIRROR not in checked[10].agreements, "frame 5 cannot be read"
    missing = next(one for one in checked if one.moment.index == 8)
    assert missing.agreements[MODELS]["obstacles"][0] == 0, "the second model misses the car of frame 8"
    assert [f.kind for one in checked for f in one.faults] == ["unclosed"]


def test_the_table_has_a_row_for_each_task_and_check(tmp_path):
    rows = table(check(Replayed(folder.write(tmp_path)), folder.frames, truthful))
    assert list(rows) == list(folder.MODELS)
    value, low, high = rows[folder.MODELS[0]]["obstacles, between models"]
    assert value == pytest.approx(9 * 2 / 21, abs=1e-4) and low < value < high
    assert rows[folder.MODELS[0]]["lanes, from frame to frame"][0] == 1
    assert rows[folder.MODELS[1]]["frames at fault"][0] == pytest.approx(1 / 12, abs=1e-4)
    assert rows[folder.MODELS[0]]["frames with geometry out of range"] == [0, 0, 0]


def test_each_frame_has_the_lowest_agreement_of_any_model(tmp_path):
    found = by_frame(check(Replayed(folder.write(tmp_path))))
    assert list(found) == [folder.name(index) for index in range(12)] and BEFORE not in found[folder.name(0)]
    assert found[folder.name(8)][MODELS] < 0.9 < found[folder.name(9)][MODELS]
    missed, kept = (found[folder.name(index)][BEFORE] for index in (8, 10))
    assert missed < kept, "a car that goes and comes again"


def test_one_model_without_pictures_is_still_checked_against_time(tmp_path):
    rows = table(check(Replayed(folder.write(tmp_path, models=folder.MODELS[:1]))))
    assert {row.partition(", ")[2] for row in rows[folder.MODELS[0]] if ", " in row} == {BEFORE}
    assert MIRRORS > 1


def checked(index: int, stamp_ns: int = 0, score: float = 1.0, faults: int = 0, apart: float = 0.0) -> Checked:
    moment = Moment(f"a##{index}", index, "", stamp_ns)
    parts = {MODELS: {"lanes": (1 - apart, 1.0)}}
    return Checked(moment, "m", parts, [Fault("unclosed", "at 3")] * faults, [score] if score < 1 else [])


def test_the_worthiest_come_first_with_their_reasons():
    some = [checked(0), checked(1, score=0.6), checked(2, faults=2, apart=0.5), checked(3, apart=0.05), checked(4)]
    some += [checked(at, score=0.9) for at in (5, 6)]
    chosen = ranking(some)
    assert [one.moment.index for one in chosen][:2] == [2, 1] and {one.moment.index for one in chosen[2:]} <= {5, 6}
    assert chosen[0].reasons == [("unclosed: at 3", 1.0), ("the models say different things", 0.5)]
    assert chosen[0].worth == pytest.approx(1.5)
    assert chosen[1].worth == pytest.approx(0.4 - 0.1), "what is usual in a recording makes no frame worthier"


def test_of_frames_that_show_the_same_only_one_is_listed():
    film = [checked(i, 10**9 + i * 4 * 10**8, score=0.8 - 0.1 * (i == 3)) for i in range(8)]
    assert [one.moment.index for one in ranking(film)] == [3, 0, 6]
    assert len(ranking([checked(i, score=0.5) for i in range(8)])) == 8, "pictures of a folder have no clock"
    assert len(ranking([checked(i, score=0.5) for i in range(8)], limit=3)) == 3


def test_the_list_goes_to_cvat_and_comes_back_as_labels(tmp_path):
    run = Replayed(folder.write(tmp_path, 30))
    ranked = rank(tmp_path, check(run), folder.frames)
    lines = [json.loads(line) for line in (tmp_path / "worth_labelling.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == [one.moment.frame for one in ranked] and len(lines) == 2
    assert lines[0]["frame"] == folder.name(7) and lines[0]["reasons"][0]["reason"] == "unclosed"
    names = (tmp_path / "cvat" / "images.txt").read_text().split()
    assert names[0] == f"{folder.BEGAN_NS + 7 * 10**8}.jpg" and all(
        (tmp_path / "cvat/images" / n).is_file() for n in names
    )
    assert any(spec["name"] == "lane" for spec in json.loads((tmp_path / "cvat" / "labels.json").read_text()))
    truth = read_labels(tmp_path / "cvat" / "annotations.xml").of(stamp_ns=None, name=names[0].removesuffix(".jpg"))
    said = run.scene(folder.name(7), run.models[0])
    assert np.allclose(truth.scene.lanes[0].points, said.lanes[0].points)
    assert [one.label for one in truth.scene.obstacles] == ["car"]


def test_several_cameras_have_folders_of_their_own(tmp_path):
    path = folder.write(tmp_path, 4, folder.MODELS[:1]) / "scenes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["frame"] = line["frame"].replace("/front", f"/cam_{line['index'] % 2}")
        line["scene"]["obstacles"] = [{"label": "car", "score": 0.2, "box": [0, 0, 9, 9]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rank(tmp_path, check(Replayed(tmp_path)), folder.frames)
    assert {name.partition("/")[0] for name in (tmp_path / "cvat/images.txt").read_text().split()} == {
        "drive_mcap_cam_0_image", "drive_mcap_cam_1_image",
    }  # fmt: skip


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    run = Replayed(folder.write(tmp_path, 3))
    (tmp_path / "worth_labelling.jsonl").mkdir()
    with pytest.raises(GetokError, match="cannot write into") as refusal:
        rank(tmp_path, [replace(one, scores=[0.2]) for one in check(run)])
    assert "\n" not in str(refusal.value)
