"""Resumable stages: what is done is not done again, what fails is said, what is stopped goes on; and the parcel."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from getok_core.errors import DataError
from training.recipes import nano, parcel, stages
from training.recipes.stages import DONE, FAILED, PARTIAL, SKIPPED, STATE, WAITS, Stage, run

WRITES = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('made'); print('made', sys.argv[1])"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch) -> Path:
    """Stages are modules: two small ones, in a folder that python -m finds."""
    (tmp_path / "writes.py").write_text(WRITES)
    (tmp_path / "breaks.py").write_text("import sys; print('no space'); sys.exit(4)")
    (tmp_path / "idles.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    return tmp_path


def writing(out: Path, name: str, *needs: str, module: str = "writes", **more) -> Stage:
    file = out / f"{name}.txt"
    return Stage(name, (module, str(file)), file.is_file, needs, **more)


def test_what_is_done_is_not_done_again_and_the_state_says_so(here, capsys) -> None:
    chain = [writing(here, "first"), writing(here, "second", "first")]
    assert run(chain, here) == {"first": DONE, "second": DONE}
    assert "made" in capsys.readouterr().out and "made" in (here / "logs" / "first.log").read_text()
    (here / "second.txt").unlink()
    before = (here / "first.txt").stat().st_mtime_ns
    assert run(chain, here) == {"first": DONE, "second": DONE}
    assert (here / "first.txt").stat().st_mtime_ns == before
    state = json.loads((here / STATE).read_text())
    assert state["second"]["state"] == DONE and state["second"]["seconds"] > 0


def test_a_failure_is_named_and_stops_only_what_needs_it(here, capsys) -> None:
    chain = [writing(here, "broken", module="breaks"), writing(here, "after", "broken"), writing(here, "apart"),
             writing(here, "left out", skip="no data")]  # fmt: skip
    assert run(chain, here) == {"broken": FAILED, "after": WAITS, "apart": DONE, "left out": SKIPPED}
    printed = capsys.readouterr().out
    assert "broken: failed (python -m breaks" in printed and "exited 4" in printed and "no space" in printed
    assert json.loads((here / STATE).read_text())["after"]["says"] == "for broken"


def test_a_command_that_ends_well_without_its_output_has_failed(here) -> None:
    assert run([Stage("empty", ("writes", str(here / "elsewhere")), lambda: False)], here) == {"empty": FAILED}
    paused = Stage("paused", ("writes", str(here / "elsewhere")), lambda: False, pause="--pause")
    assert run([paused], here, 5.0) == {"paused": PARTIAL}


def test_a_limit_ends_a_stage_and_begins_no_other(here, monkeypatch) -> None:
    monkeypatch.setattr(stages, "LEAVE", 0.0)
    chain = [writing(here, "long", module="idles", least=0.0), writing(here, "next", least=1.0)]
    assert run(chain, here, 0.02) == {"long": PARTIAL, "next": WAITS}
    assert "begun" in (here / "logs" / "long.log").read_text()


def test_two_calls_do_not_work_in_one_folder(here) -> None:
    holder = "import sys; from pathlib import Path\nfrom training.recipes.stages import _alone\n" \
             "with _alone(Path(sys.argv[1])): print('held', flush=True); input()"  # fmt: skip
    command = [sys.executable, "-c", holder, str(here)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="another call is at work"):
            run([writing(here, "first")], here)
        other.communicate("\n")
    assert run([writing(here, "first")], here) == {"first": DONE}


def test_a_parcel_comes_in_small_pieces_and_unpacks_to_the_same(here, monkeypatch) -> None:
    monkeypatch.setattr(parcel, "PART", 5_000)
    (here / "run").mkdir()
    weights = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    save_file({"w": weights, "count": np.arange(3)}, str(here / "run" / parcel.AVERAGE), {"state": "{}"})
    (here / "table.md").write_text("| a |")
    (here / "run" / "optimiser.pt").write_bytes(b"stays")
    for _ in range(2):  # the second takes the place of the first
        pieces = parcel.write_parcel(here, ["run/average.safetensors", "table.md", "not there"])
    assert len(pieces) > 1 and all(piece.stat().st_size <= 5_000 for piece in pieces)
    assert sorted(pieces) == sorted((here / "parcel").iterdir())
    other = here / "other"
    with tarfile.open(fileobj=io.BytesIO(b"".join(piece.read_bytes() for piece in pieces))) as tar:
        assert sorted(tar.getnames()) == ["run/average.safetensors", "table.md"]
        tar.extractall(other, filter="data")
    with safe_open(str(other / "run" / parcel.AVERAGE), "np") as file:
        assert file.metadata() == {"state": "{}"} and file.get_tensor("w").dtype == np.float16
        np.testing.assert_allclose(file.get_tensor("w"), weights, atol=2e-3)


# -- the nano's stages -------------------------------------------------------------------------------------------------


def options(out: Path, **changes) -> argparse.Namespace:
    plain = {"out": out, "minutes": 14.0, "segmenter_minutes": 3.0, "call_minutes": 0.0, "arms": "all", "scenes": 1000,
             "imagenet": None, "no_photos": False, "sft": "", "ablation": "", "smoke": False}  # fmt: skip
    return argparse.Namespace(**{**plain, **changes})


def test_every_stage_of_an_empty_folder_is_to_be_done(here) -> None:
    made = nano.stages_of(options(here, sft="--box-weight 3", imagenet=Path("w.safetensors")))
    assert not any(stage.done() for stage in made)
    train = made[0].words
    assert train[-2:] == ("--box-weight", "3") and "w.safetensors" in train
    names = [stage.name for stage in made]
    assert all(names.index(need) < names.index(stage.name) for stage in made for need in stage.needs)
    assert nano.stages_of(options(here, arms=""))[4].skip == "no arms are asked for"


def test_a_run_is_trained_when_its_minutes_are_spent(here) -> None:
    (here / "run").mkdir()
    for seconds, done in ((800.0, False), (840.0, True)):
        state = json.dumps({"seconds": seconds, "samples": 5})
        save_file({"w": np.zeros(1, np.float32)}, str(here / "run" / parcel.AVERAGE), {"state": state})
        assert nano.stages_of(options(here))[0].done() == done
    assert not nano.stages_of(options(here, minutes=20.0))[0].done(), "asked for longer, it goes on"


def test_where_onnx_is_missing_the_network_is_exported_for_torch(here, monkeypatch) -> None:
    monkeypatch.setattr(nano, "find_spec", lambda name: None if name == "onnx" else object())
    made = {stage.name: stage for stage in nano.stages_of(options(here))}
    assert made["export"].words[-2:] == ("--engines", "torch")
    assert "onnx missing: pip install 'getok_ros[training]'" in made["export_segmenter"].skip


def test_missing_photographs_and_short_calls_are_refused_in_one_line(here, monkeypatch, capsys) -> None:
    monkeypatch.delenv("GETOK_DATA", raising=False)
    assert nano.main([str(here)]) == 2 and "set it, or give --no-photos" in capsys.readouterr().err
    assert nano.main([str(here), "--call-minutes", "2"]) == 2
    assert "a call needs 4 at least" in capsys.readouterr().err
    assert "GETOK_DATA holds no udacity_carnd_p1" in nano.stages_of(options(here))[-1].skip


def test_the_shell_command_says_how_it_is_called() -> None:
    script, known = Path(nano.__file__).with_name("nano.sh"), {**os.environ, "PYTHON": sys.executable}
    said = subprocess.run([script, "--help"], check=True, capture_output=True, text=True, env=known)
    assert "--smoke" in said.stdout
