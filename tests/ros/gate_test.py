"""The release gate: as good passes, worse is refused with the row and the condition; and the bag it judges by."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from scripted_replay import load_models, picture, scene

from getok_core.labels import read_labels
from getok_ros import cli, gate, labelled_bag
from getok_ros.bag_labels import read as read_bag_labels
from getok_ros.bags import BagWriter
from getok_ros.replay_score import FAULTS, Measured

FRAMES = 40


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    """The gate gets scripted models instead of loading any."""
    monkeypatch.setattr(gate, "load_models", load_models)


@pytest.fixture
def given(tmp_path):
    """--bag and --labels: our own JSON Lines, true to the letter; the first half by night."""
    with BagWriter(tmp_path / "bag") as bag:
        for number in range(FRAMES):
            bag.write("/front", picture(number), 10**18 + number * 10**8, jpeg_quality=None)
    lines = []
    for number in range(FRAMES):
        seen = {name: value for name, value in scene(number).to_json().items() if name not in ("seconds", "model")}
        lines.append({"frame": number, **seen, "slices": {"time of day": "night" if number < FRAMES // 2 else "day"}})
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ["--bag", tmp_path / "bag", "--labels", tmp_path / "labels.jsonl", "--against", "present 1"]


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    code = cli.main([*map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, "".join(re.findall(r"getok: .*\n", err))


def test_a_model_that_says_the_same_passes(given, tmp_path, capfd):
    code, said, _ = run(capfd, "gate", "new 2", *given, "--out", tmp_path / "out")
    assert code == 0 and "passed: new 2 is nowhere worse than present 1" in said
    told = json.loads((tmp_path / "out" / "gate.json").read_text())
    assert told["passed"] and {row["verdict"] for row in told["rows"]} == {"same"}
    assert {"all", "time of day: night", "time of day: day"} <= {row["slice"] for row in told["rows"]}


def test_a_model_that_is_late_is_refused_with_its_rows(given, tmp_path, capfd):
    code, said, _ = run(capfd, "gate", "late 2", *given, "--out", tmp_path / "out")
    assert code == 1 and re.search(r"refused: late 2 is worse in \d+ of \d+ rows: .*lanes", said)
    rows = json.loads((tmp_path / "out" / "gate.json").read_text())["rows"]
    worse = {row["row"] for row in rows if row["verdict"] == "worse"}
    assert "lanes within 2 %: F1" in worse and not any("obstacles" in row for row in worse)


def test_the_other_way_round_it_is_better_and_passes(given, tmp_path, capfd):
    code, said, _ = run(capfd, "gate", "new 2", *given[:-1], "late 1", "--out", tmp_path / "out")
    assert code == 0 and said.splitlines()[1].startswith("better ")


def test_a_bag_without_labels_is_one_line(given, tmp_path, capfd):
    code, said, told = run(capfd, "gate", "new 2", *given[:2], "--out", tmp_path / "out")
    assert (code, said) == (2, "") and "give --labels" in told and told.count("\n") == 1


def measured(hits: list[float], row: str = "lanes: F1") -> Measured:
    one = Measured()
    for frame, hit in enumerate(hits):
        one.scenes.add(frame, {row: (hit, 1.0)})
    return one


@pytest.mark.parametrize(("row", "after", "verdict"), [
    ("lanes: F1", 0.0, "worse"), ("lanes: F1", 1.0, "better"), ("lanes: F1", 0.5, "same"),
    (FAULTS, 1.0, "worse"), (FAULTS, 0.0, "better"), ("lanes: lateral error, px", 1.0, "worse"),
])  # fmt: skip
def test_which_way_is_better_depends_on_the_row(row, after, verdict):
    (found,) = gate.compare(measured([0.5] * 20, row), measured([after] * 20, row))
    assert (found.verdict, found.before, found.after) == (verdict, 0.5, after)


def test_a_change_that_chance_explains_is_none():
    noise = np.random.default_rng(1)
    before, after = (noise.random(60) for _ in range(2))
    (found,) = gate.compare(measured(before.tolist()), measured(after.tolist()))
    assert found.verdict == "same" and found.difference.low < 0 < found.difference.high


def test_frames_of_one_second_count_as_one():
    before, after = [0.5] * 20, [0.5] * 10 + [0.4] * 10
    (alone,) = gate.compare(measured(before), measured(after))
    (together,) = gate.compare(measured(before), measured(after), [frame // 10 for frame in range(20)])
    assert (alone.verdict, together.verdict) == ("worse", "same"), "one bad second is little evidence"


def test_rows_of_few_frames_are_not_judged_and_nothing_judged_is_refused():
    assert gate.compare(measured([0.5] * 9), measured([0.0] * 9)) == [] and not gate.passed([])


def test_a_labelled_bag_holds_its_truth_twice_and_is_the_same_bytes_again(tmp_path):
    for name in ("one", "two"):
        assert labelled_bag.write(tmp_path / name / "bag", 6.0, 1.0, (192, 108)) == 6
    raw = [(tmp_path / name / "bag" / "bag.mcap").read_bytes() for name in ("one", "two")]
    assert raw[0] == raw[1]
    with Reader(tmp_path / "one" / "bag") as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts == {labelled_bag.IMAGES: 6, labelled_bag.TRUTH: 6}
    written = read_labels(tmp_path / "one" / "bag" / labelled_bag.LABELS)
    inside = read_bag_labels(tmp_path / "one" / "bag", labelled_bag.TRUTH)
    assert list(written.frames) == list(inside.frames) and not written.faults
    for name, truth in written.frames.items():
        assert len(truth.scene.lanes) == len(inside.frames[name].scene.lanes)
        assert truth.slices["weather"] in labelled_bag.WEATHER and truth.questions
    assert len({truth.slices["weather"] for truth in written.frames.values()}) == 2, "a clip of each weather in turn"


@pytest.mark.parametrize("size", ["960", "axb", "10x10", "99999x100"])
def test_a_size_that_is_none_is_one_line(size, tmp_path, capfd):
    code, said, told = run(capfd, "labelled-bag", "--out", tmp_path / "bag", "--size", size)
    assert (code, said) == (2, "") and "WIDTHxHEIGHT" in told and told.count("\n") == 1
