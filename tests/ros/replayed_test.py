"""A replay's folder is read back as it was written, up to a line that was cut off."""

from __future__ import annotations

import pytest
import replay_folder as folder

from getok_core.errors import DataError
from getok_core.geometry import Box
from getok_ros.replayed import Replayed


def test_what_was_said_comes_back_with_its_timing(tmp_path):
    run = Replayed(folder.write(tmp_path))
    assert run.models == list(folder.MODELS) and len(run.frames) == 12
    third = run.frames[3]
    assert (third.frame, third.index, third.topic) == (folder.name(3), 3, folder.TOPIC)
    scene = run.scene(third.frame, run.models[1])
    assert {**scene.to_json(), "seconds": {}} == folder.said(3, run.models[1]).to_json()
    assert scene.seconds["propose"] == pytest.approx(0.063)
    assert run.truth(third.frame).to_json() == folder.truth(3).to_json()
    assert run.scene("nowhere", run.models[0]) is None and run.truth("nowhere") is None


def test_answers_come_back_with_their_region(tmp_path):
    run = Replayed(folder.write(tmp_path))
    ((query, answer),) = run.answers(folder.name(4), run.models[0])
    assert query.text == "What colour is the sign?" and query.region == Box.of([250, 40, 272, 62])
    assert (answer.answer, answer.score) == ("red & dull", 0.9)
    assert run.answers(folder.name(4), run.models[1]) == []


def test_a_run_that_was_interrupted_keeps_every_whole_line(tmp_path):
    path = folder.write(tmp_path, 4, folder.MODELS[:1], labelled=False) / "scenes.jsonl"
    raw = path.read_bytes()
    path.write_bytes(raw[:-9])
    (tmp_path / "metrics.json").unlink()
    (tmp_path / "timing.jsonl").unlink()
    run = Replayed(tmp_path)
    assert len(run.frames) == 3 and run.metrics == {} and run.scene(folder.name(0), run.models[0]).seconds == {}


@pytest.mark.parametrize(("text", "says"), [
    (None, "does not exist"),
    ("", "holds no scene"),
    ("nonsense\n", "no JSON at byte 0"),
    ('{"frame": "a"}\n', "without frame or model"),
])  # fmt: skip
def test_a_folder_without_scenes_is_refused_in_one_line(tmp_path, text, says):
    if text is not None:
        (tmp_path / "scenes.jsonl").write_text(text)
    with pytest.raises(DataError, match=says) as refusal:
        Replayed(tmp_path)
    assert "\n" not in str(refusal.value)
