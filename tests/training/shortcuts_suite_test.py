"""The shortcuts suite over engines of noise."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from getok_core.engines.noise_engine import NoiseEngine
from getok_core.manifest import Manifest, sha256
from getok_core.metrics.tally import SECONDS
from getok_core.perceiver import Perceiver
from getok_core.queries import PROMPT_VERSION, standard_vocabulary
from training import evaluate
from training.suites import shortcuts
from training.suites.shortcuts import FLOATS, PLAIN, ROWS
from training.suites.workers import Model
from training.targets import Frame

IMAGES = {seed: np.full((90, 160, 3), 40 * seed, np.uint8) for seed in (1, 2)}
FRAMES = [(seed, Frame(image, Perceiver(NoiseEngine(40), 1).perceive(image), frozenset()))
          for seed, image in IMAGES.items()]  # fmt: skip
"""scenes whose truth is what noise says of them, so that plain is perfect"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A model folder that lacks the graphs for a CPU."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"tensors of graphs for any device")
    Manifest("small", "getok-nano", 32, standard_vocabulary().digest, PROMPT_VERSION, (512, 256), "float16", 1, 160,
             {"weights.bin": sha256(model / "weights.bin")}).write(model)  # fmt: skip
    return model


@pytest.mark.parametrize(
    ("device", "reason"), [("cpu", "holds no graphs for a CPU"), ("cuda", "the device is cuda: give --device cpu")]
)
def test_what_cannot_be_made_is_left_out_and_says_why(folder, device, reason):
    made, left_out = shortcuts.engines(Model(folder, device), NoiseEngine())
    assert list(made) == [PLAIN, "offsets one after another", "anchors"]
    assert len(left_out) == 1 and left_out[0].startswith(f"{FLOATS} left out") and reason in left_out[0]


@pytest.fixture
def noisy(monkeypatch):
    """The model in floats is an engine of noise again: the same as plain."""
    monkeypatch.setattr(shortcuts, "_floats", lambda model: NoiseEngine(40))


def test_the_same_engine_costs_nothing_and_one_that_draws_something_else_stands_below_zero(noisy):
    reached, more = shortcuts.measure(Model(Path("noise")), Perceiver(NoiseEngine(40), 1), FRAMES)
    assert list(reached.columns) == [PLAIN, *more.columns] and list(more.columns)[-1] == FLOATS
    assert all(set(cells) == {*ROWS, SECONDS} for cells in (*reached.columns.values(), *more.columns.values()))
    drawn = [row for row in ROWS if reached.columns[PLAIN][row].value == 1]
    assert drawn and all(more.columns[FLOATS][row].value == 0 for row in drawn)
    assert all(more.columns["anchors"][row].value < 0 for row in drawn), "noise of other prompts"
    assert all(cells[SECONDS].value > 0 for cells in reached.columns.values())
    assert "2 rendered scenes, R = 1" in reached.title and "left out" not in reached.title


def test_the_command_runs_the_suite_at_the_most_refinements(noisy, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "unseen_frames", lambda count: FRAMES[:count])
    options = argparse.Namespace(scenes=1)
    perceivers = {rounds: Perceiver(NoiseEngine(40), rounds) for rounds in (0, 2)}
    tables = evaluate.tables_of("shortcuts", options, Model(Path("noise")), perceivers, None)
    blocks, missing = evaluate.run(tables)
    assert len(blocks) == 2 and not missing
    assert "1 rendered scenes, R = 2" in capsys.readouterr().out
