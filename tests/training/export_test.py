"""A checkpoint exported for onnxruntime and for torch: one folder, two engines, the same scenes."""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from getok_core.decoding import decode
from getok_core.engines import load_engine
from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.engines.nano_torch import WEIGHTS, TorchStepper, picture_of, read_nano, write_nano
from getok_core.errors import ModelError
from getok_core.grammar import write
from getok_core.lattice import Lattice
from getok_core.manifest import NAME, read_manifest, sha256
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Request
from getok_core.queries import STANDING, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part
from getok_ros import cli
from training import checkpoint, sft
from training.cpu_graphs import convert
from training.export import ROUNDING, export, rounding
from training.onnx_builder import FLOAT_BITS
from training.torch_engine import checkpoint_engine

VOCABULARY = standard_vocabulary()
SMALL = NanoConfig(VOCABULARY.size, width=256, height=256, dim=32, layers=2, heads=2, hidden=48, neck=16)
IMAGE = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
REQUESTS = [Request(query.prompt(VOCABULARY, Lattice(), (256, 256)), query.form) for query in STANDING]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Nano(SMALL).eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("run")
    ema, state = checkpoint.Ema(model, 0.9), {"samples": 0, "seconds": 0.0}
    checkpoint.save_training(folder, model, sft.optimiser(model, 1e-3), ema, state, SMALL)
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory, run):
    """A folder for either engine, in half precision; a CPU too multiplies in floats, so that words must be the same."""
    out = tmp_path_factory.mktemp("out")
    manifest, worst = export(run, out, "tiny", 1, 40, "float16", ("onnx", "torch"))
    assert worst < 1e-3 and manifest.view == (256, 256) and manifest.precision == "float16" and manifest.smoothing > 0
    assert 0 < rounding(out, manifest) < ROUNDING
    assert rounding(out, convert(out, out, FLOAT_BITS)) < 1e-4
    return out


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_folder_for_both_answers_as_the_checkpoint_does_in_either(both, model, engine):
    with load_engine(both, engine=engine).open([IMAGE]) as frames:
        replies = frames.propose(REQUESTS, Limits(tokens=40))
    rounded = copy.deepcopy(model).half().float()
    reference = decode(TorchStepper(rounded, picture_of(rounded, IMAGE)), REQUESTS, VOCABULARY, Limits(tokens=40))
    for one, other in zip(replies, reference, strict=True):
        shared = min(len(one.ids), len(other.ids), 5)
        assert (one.ids[:shared] == other.ids[:shared]).all()


def test_graphs_hold_no_path_of_the_machine_that_made_them(both):
    for path in both.glob("*.onnx"):
        assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()


def test_both_read_the_same_offsets_for_every_step(both):
    instance = Instance("dashed white", (Part("pl", np.array([[3, 4], [5, 6], [9, 9]])),))
    proposal = tuple(write([instance], VOCABULARY))
    drafts = [Draft.of(REQUESTS[0].prompt, proposal, (instance,), step) for step in (-1, 0, 1, 2)]
    read = []
    for engine in ("onnx", "torch"):
        with load_engine(both, engine=engine).open([IMAGE]) as frames:
            read.append(frames.refine(drafts, Limits()))
    for one, other in zip(*read, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        np.testing.assert_allclose(one.logp, other.logp, atol=1e-3)


def test_a_checkpoint_is_an_engine_too(run):
    scene = Perceiver(checkpoint_engine(run)).perceive(IMAGE[:90, :160])
    assert (scene.width, scene.height) == (160, 90) and scene.seconds["total"] > 0


def test_weights_of_other_sizes_are_refused_in_one_line(both, tmp_path):
    shutil.copytree(both, tmp_path, dirs_exist_ok=True)
    write_nano(Nano(replace(SMALL, height=128)), tmp_path / WEIGHTS)
    signed(tmp_path)
    with pytest.raises(ModelError, match="is of other sizes than its manifest says"):
        load_engine(tmp_path, engine="torch")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"dim": 64}, "holds no nano"), ({"dim": 2**40}, "holds no nano"), ({"unheard": 1}, "holds no nano")],
)
def test_sizes_that_the_tensors_do_not_have_are_refused(tmp_path, model, sizes, said):
    save_file(model.state_dict(), tmp_path / WEIGHTS, {"config": json.dumps({**SMALL.to_json(), **sizes})})
    with pytest.raises(ModelError, match=said):
        read_nano(tmp_path / WEIGHTS)


def test_a_provider_that_does_not_start_is_named(both, monkeypatch):
    """onnxruntime itself would go on without it, and a warning."""
    offered = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: offered)
    with warnings.catch_warnings(), pytest.raises(ModelError, match="TensorrtExecutionProvider did not start"):
        warnings.simplefilter("ignore")
        load_engine(both, "cuda", engine="tensorrt")


def test_a_gpu_that_torch_lacks_is_named(both, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device 'cuda' is not offered by this torch"):
        load_engine(both, "cuda", engine="torch")


def test_a_replay_through_two_engines_tells_how_far_they_agree(both, tmp_path, capsys):
    (tmp_path / "drive").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "drive" / f"{number}.png"), np.roll(IMAGE, 40 * number, axis=1))
    engines, out = ("--engine", "onnx", "--engine", "torch"), tmp_path / "out"
    given = ["replay", str(tmp_path / "drive"), "--model", str(both), "--numbers", "--out", str(out)]
    assert cli.main([*given, *engines]) == 0
    found = json.loads((out / "metrics.json").read_text())
    title = read_manifest(both).title
    assert "Parity" in capsys.readouterr().out
    assert list(found["models"]) == [f"{title} in onnx", f"{title} in torch"]
    assert found["parity"]["frames"] == 2 and found["parity"]["same words"][0] == 1.0
    assert cli.main([*given, "--engine", "torch"]) == 2
    assert "holds a replay with other" in capsys.readouterr().err
    assert cli.main([*given, "--engine", "torch", "--engine", "torch"]) == 2
    assert "was given twice" in capsys.readouterr().err


def signed(folder):
    """The manifest with the digests that the files have now."""
    raw = json.loads((folder / NAME).read_text())
    raw["files"] = {name: sha256(folder / name) for name in raw["files"]}
    (folder / NAME).write_text(json.dumps(raw))
