"""The evaluation's command line: tables and numbers it writes, and in what words it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is missing: install the training extra")

from tests.training.evaluate_test import FRAMES, NUMBERED, truthful
from training import evaluate
from training.suites import frames, workers
from training.suites.frames import asked_of


@pytest.fixture
def engine(monkeypatch):
    """The command with a scripted model and the two frames above instead of rendered ones."""
    monkeypatch.setattr(workers.Model, "perceivers", lambda self, remember=False: {0: truthful(), 1: truthful()})
    monkeypatch.setattr(frames, "unseen_frames", lambda count: NUMBERED[:count])
    monkeypatch.setattr(frames, "unseen_seeds", lambda count: range(min(count, 2)))
    monkeypatch.setattr(frames, "unseen", lambda seed: FRAMES[seed])
    monkeypatch.setattr(frames, "empty", lambda seed: ("no road", FRAMES[1]))
    pairs = [(frame, asked_of(seed, frame)) for seed, frame in NUMBERED]
    monkeypatch.setattr(evaluate, "training_frames", lambda count: pairs)


def test_the_command_prints_a_table_and_writes_json(engine, tmp_path: Path, capsys) -> None:
    out, table = tmp_path / "scores.json", tmp_path / "scores.md"
    few = ["--model", "m", "--suite", "synthetic", "--scenes", "2", "--workers", "1"]
    assert evaluate.main([*few, "--json", str(out), "--markdown", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "scripted 0 on cpu" in printed and "ceiling R=1" in printed and "100.0 (100.0-100.0)" in printed
    assert (
        "| ceiling R=1 |" in table.read_text() and "| lanes within 2 %: F1 | 100.0 (100.0-100.0) |" in table.read_text()
    )
    written = json.loads(out.read_text())
    columns = written["suites"]["synthetic"][0]["columns"]
    assert columns["model R=0"]["obstacles at IoU 0.5: F1"][0] == 1.0 and written["missing"] == []


def test_a_suite_without_data_leaves_the_other_and_exits_2(engine, monkeypatch, capsys) -> None:
    monkeypatch.delenv("GETOK_DATA", raising=False)
    assert evaluate.main(["--model", "m", "--scenes", "2", "--workers", "1"]) == 2
    printed = capsys.readouterr()
    assert "Synthetic scenes: 2" in printed.out and "Real" not in printed.out
    assert "getok: suite real: GETOK_DATA names no folder" in printed.err


def test_an_empty_data_folder_names_each_thing_missing(engine, monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("GETOK_DATA", str(tmp_path))
    assert evaluate.main(["--model", "m", "--suite", "real"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "getok: suite real" in line]
    assert len(lines) == 3 and "no clip at" in lines[0] and "comma10k" in lines[1] and "annotations.json" in lines[2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["--suite", "moon"], "'moon': name one or more of"), (["--refinements", "0,9"], "'0,9': give numbers"),
     (["--scenes", "0"], "'0': give a number of scenes")],
)  # fmt: skip
def test_wrong_options_are_refused_in_one_line(wrong, said, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--model", "m", *wrong])
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_a_missing_model_exits_2(tmp_path: Path, capsys) -> None:
    assert evaluate.main(["--model", str(tmp_path / "none")]) == 2
    assert "getok: " in capsys.readouterr().err
