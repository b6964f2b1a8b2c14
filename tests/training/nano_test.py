"""The nano network: caches change nothing, padding changes nothing, a region changes something, a smoke run learns."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.engines.nano_torch import TorchStepper, picture_of
from getok_core.errors import ModelError
from getok_core.lattice import Lattice
from getok_core.queries import STANDING, standard_vocabulary
from getok_core.reading import packed
from training import checkpoint, sft, sft_options

VOCABULARY = standard_vocabulary()
SMALL = NanoConfig(VOCABULARY.size, width=256, height=256, dim=32, layers=2, heads=2, hidden=48, neck=16)
IMAGE = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Nano(SMALL).eval()


def prompts():
    return [q.prompt(VOCABULARY, Lattice(), (256, 256)) for q in STANDING]


@torch.no_grad()
def test_reading_token_by_token_equals_reading_at_once(model):
    rng = np.random.default_rng(1)
    ids = rng.integers(1, VOCABULARY.size, 12).tolist()
    stepper = TorchStepper(model, picture_of(model, IMAGE))
    steps = [stepper.start([ids[:4]])]
    steps += [stepper.step(np.array([0]), np.array([token])) for token in ids[4:]]
    at_once, position, mask = map(torch.from_numpy, packed([ids]))
    hidden, _ = model.hidden(at_once, position, stepper.picture, mask=mask)
    logits = model.logits(hidden, stepper.picture)[0, 3:].numpy()
    np.testing.assert_allclose(np.concatenate(steps), logits, atol=2e-5)


def test_company_in_the_batch_changes_nothing(model):
    long_, short = [5] * 9, [6] * 3
    together = TorchStepper(model, picture_of(model, IMAGE)).start([long_, short])
    alone = [TorchStepper(model, picture_of(model, IMAGE)).start([one])[0] for one in (long_, short)]
    np.testing.assert_allclose(together, np.stack(alone), atol=2e-5)


@torch.no_grad()
def test_a_grid_token_carries_what_its_cell_looks_like(model):
    other = IMAGE.copy()
    other[64:96, 64:96] = 255
    tokens = VOCABULARY.grid_ids(np.array([[9, 9]])).tolist()
    here, there = (TorchStepper(model, picture_of(model, image)).start([tokens]) for image in (IMAGE, other))
    assert np.abs(here - there).max() > 1e-3


def test_a_smoke_run_learns_and_resumes(tmp_path, monkeypatch):
    out = tmp_path / "run"
    monkeypatch.setattr(sft_options, "NanoConfig", lambda size, **trainable: SMALL)
    arguments = ["sft", "--out", str(out), "--smoke"]
    monkeypatch.setattr("sys.argv", arguments)
    sft.main()
    curve = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["word"] < curve[0]["word"] and curve[-1]["dense"] < curve[0]["dense"]
    fresh = Nano(SMALL)
    learn = sft.optimiser(fresh, 1e-3)
    state = checkpoint.load_training(out, fresh, learn, checkpoint.Ema(fresh, 0.9))
    assert state["samples"] == 96 and state["updates"] == 24
    assert checkpoint.load_average(out).config == SMALL


def test_broken_checkpoints_are_refused_in_one_line(tmp_path):
    (tmp_path / "average.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(ModelError, match="cannot be read"):
        checkpoint.load_average(tmp_path)
    with pytest.raises(ModelError, match="no checkpoint at"):
        checkpoint.load_average(tmp_path / "nothing")
    model = Nano(SMALL)
    meta_of = checkpoint.standard_vocabulary
    checkpoint.standard_vocabulary = lambda n: type("Other", (), {"digest": "f" * 64})()
    try:
        checkpoint.save_training(tmp_path, model, sft.optimiser(model, 1e-3), checkpoint.Ema(model, 0.9),
                                 {"samples": 0, "seconds": 0}, SMALL)  # fmt: skip
    finally:
        checkpoint.standard_vocabulary = meta_of
    with pytest.raises(ModelError, match="speaks vocabulary ffffffff"):
        checkpoint.load_average(tmp_path)


def test_a_run_goes_on_from_its_average_alone_and_with_other_blocks_frozen(tmp_path, model):
    checkpoint.save_training(tmp_path, model, sft.optimiser(model, 1e-3), checkpoint.Ema(model, 0.9),
                             {"samples": 7, "seconds": 1.0}, SMALL)  # fmt: skip
    for name in ("weights.safetensors", "optimiser.pt"):
        (tmp_path / name).unlink()
    average = tmp_path / "average.safetensors"
    meta = checkpoint.read_meta(average)
    frozen = Nano(replace(SMALL, frozen_blocks=9))
    learn, ema = sft.optimiser(frozen, 1e-3), checkpoint.Ema(frozen, 0.9)
    assert checkpoint.load_training(tmp_path, frozen, learn, ema) == meta["state"] and meta["state"]["samples"] == 7
    torch.testing.assert_close(frozen.state_dict(), model.state_dict())
    other = Nano(replace(SMALL, dim=64))
    with pytest.raises(ModelError, match="other sizes"):
        checkpoint.load_training(tmp_path, other, sft.optimiser(other, 1e-3), checkpoint.Ema(other, 0.9))


@pytest.mark.parametrize("blocks", [0, 9, 16])
def test_frozen_blocks_are_not_learned(blocks):
    backbone = Nano(replace(SMALL, frozen_blocks=blocks)).eye.backbone
    learned = [any(p.requires_grad for p in block.parameters()) for block in backbone.blocks]
    assert learned == [False] * blocks + [True] * (16 - blocks)
    assert sft.optimiser(Nano(replace(SMALL, frozen_blocks=blocks)), 1e-3).param_groups
