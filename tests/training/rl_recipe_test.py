"""The recipe of reinforcement learning: each stage is a command with options it knows, done when its output is."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.recipes import rl


def options(out: Path, **more) -> argparse.Namespace:
    return argparse.Namespace(**{"start": out / "start", "out": out, "steps": 3, "arm_steps": 2, "scenes": 5,
                                 "smoke": False, "grpo": "--rate 5e-5", **more})  # fmt: skip


@pytest.mark.parametrize("smoke", [False, True])
def test_every_stage_is_a_command_that_knows_its_options(smoke: bool, tmp_path: Path, monkeypatch) -> None:
    class Parsed(Exception):
        pass

    def parse(parser, words=None, namespace=None):
        raise Parsed(parser.parse_known_args(words, namespace)[1])

    for stage in rl.stages_of(options(tmp_path, smoke=smoke)):
        module = importlib.import_module(stage.words[0])
        with monkeypatch.context() as only:
            only.setattr(argparse.ArgumentParser, "parse_args", parse)
            with pytest.raises(Parsed) as said:
                module.main(list(stage.words[1:]) + ([stage.pause, "1.0"] if stage.pause else []))
        assert said.value.args == ([],), stage.name


def test_a_stage_is_done_when_its_output_says_so(tmp_path: Path) -> None:
    stages = {stage.name: stage for stage in rl.stages_of(options(tmp_path))}
    assert not any(stage.done() for stage in stages.values())
    for name, content in ((rl.GRPO, {"steps": 5}), (rl.FREE, {"steps": 6}), (rl.ABLATION, {"complete": False}),
                          (rl.ACTIONS, {"complete": True})):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(content))
    assert {name for name, stage in stages.items() if stage.done()} == {rl.FREE, rl.ACTIONS}
    (tmp_path / rl.GRPO / "results.json").write_text("half a fi")
    assert not stages[rl.GRPO].done()


def test_help_names_what_is_compared(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        rl.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert stopped.value.code == 0 and "lanes within 1 %: F1 are compared" in said and rl.LEARNT in said


def test_a_missing_start_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(rl.signal, "signal", lambda *_: None)
    assert rl.main([str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("getok: no run at") and said.count("\n") == 1


WITHOUT_ONNX = """
import importlib, sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
def hidden(name, path=None, target=None):
    return None if name.partition(".")[0] in ("onnx", "onnxscript", "onnx_ir") else found(name, path, target)
PathFinder.find_spec = hidden
for module in sys.argv[1:]:
    importlib.import_module(module)
assert "onnx" not in sys.modules
"""


def test_no_stage_needs_onnx(tmp_path: Path) -> None:
    """A GPU machine may lack it: only the export of graphs needs it, which is no stage here."""
    modules = sorted({stage.words[0] for stage in rl.stages_of(options(tmp_path))})
    command = [sys.executable, "-c", WITHOUT_ONNX, *modules]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr[-1500:]
