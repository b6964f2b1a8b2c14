"""The shortcuts suite over engines of noise, and a graph made by hand that is close to itself in 8 bits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is missing: install the training extra")

import onnx
from onnx import TensorProto, helper, numpy_helper

from getok_core.engines.noise_engine import NoiseEngine
from getok_core.engines.onnx_engine import open_session
from getok_core.errors import ModelError
from getok_core.manifest import Manifest, check_files, read_manifest, sha256
from getok_core.metrics.tally import SECONDS
from getok_core.perceiver import Perceiver
from getok_core.queries import PROMPT_VERSION, standard_vocabulary
from training import evaluate
from training.int8_graphs import main as write_by_command
from training.int8_graphs import write_int8
from training.suites import shortcuts
from training.suites.shortcuts import INT8, PLAIN, ROWS
from training.suites.workers import Model
from training.targets import Frame

WEIGHTS = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float16)
IMAGES = {seed: np.full((90, 160, 3), 40 * seed, np.uint8) for seed in (1, 2)}
FRAMES = [(seed, Frame(image, Perceiver(NoiseEngine(40), 1).perceive(image), frozenset()))
          for seed, image in IMAGES.items()]  # fmt: skip
"""scenes whose truth is what noise says of them, so that plain is perfect"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A model folder: one graph, x times the transpose of weights stored as halves, and tensors of another graph."""
    model = tmp_path / "model"
    model.mkdir()
    nodes = [
        helper.make_node("Cast", ["stored"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["wide"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3, n]) for name, n in (("x", 64), ("y", 32)))
    graph = helper.make_graph(nodes, "prefill", [x], [y], [numpy_helper.from_array(WEIGHTS, "stored")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(made, str(model / "prefill.onnx"))
    (model / "weights.bin").write_bytes(b"tensors of a graph that stays as it is")
    files = {path.name: sha256(path) for path in model.iterdir()}
    Manifest("small", "getok-nano", 32, standard_vocabulary().digest, PROMPT_VERSION, (512, 256), "float16", 1, 160,
             files).write(model)  # fmt: skip
    return model


def test_products_in_8_bits_are_close_smaller_and_named_in_the_manifest(folder, tmp_path):
    out = tmp_path / "int8"
    out.mkdir()
    manifest = write_int8(folder, out, ["prefill"])
    assert read_manifest(out) == manifest and manifest.precision == "int8"
    assert manifest.digest != read_manifest(folder).digest
    check_files(out, manifest)
    assert (out / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()
    kinds = {node.op_type for node in onnx.load(str(out / "prefill.onnx")).graph.node}
    assert "MatMulInteger" in kinds and "MatMul" not in kinds
    x = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
    path = out / "prefill.onnx"
    said = np.asarray(open_session(path, path, "cpu", 1).run(None, {"x": x})[0])
    exact = x @ WEIGHTS.astype(np.float32).T
    assert 0 < np.abs(said - exact).max() < 0.03 * np.abs(exact).max()


def test_what_is_missing_or_changed_is_named(folder, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"holds no step\.onnx to round to 8 bits: export it"):
        write_int8(folder, tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxruntime.quantization", None)
        with pytest.raises(ModelError, match=r"need onnxruntime\.quantization: pip install 'getok_ros\[training\]'"):
            write_int8(folder, tmp_path, ["prefill"])
    (folder / "weights.bin").write_bytes(b"changed")
    with pytest.raises(ModelError, match=r"weights\.bin has digest"):
        write_int8(folder, tmp_path, ["prefill"])


@pytest.mark.parametrize(
    ("device", "reason"), [("cpu", "holds no prefill.onnx to round"), ("cuda", "the device is cuda: give --device cpu")]
)
def test_what_cannot_be_made_is_left_out_and_says_why(folder, device, reason):
    (folder / "prefill.onnx").unlink()
    manifest = read_manifest(folder)
    del manifest.files["prefill.onnx"]
    manifest.write(folder)
    made, left_out = shortcuts.engines(Model(folder, device), NoiseEngine())
    assert list(made) == [PLAIN, "offsets one after another", "anchors"]
    assert [line.partition(" left out")[0] for line in left_out] == list(INT8)
    assert reason in left_out[0]


@pytest.fixture
def noisy(monkeypatch):
    """Models in 8 bits that are engines of noise again: the same as plain."""
    monkeypatch.setattr(shortcuts, "_int8", lambda model, graphs: NoiseEngine(40))


def test_the_same_engine_costs_nothing_and_one_that_draws_something_else_stands_below_zero(noisy):
    reached, more = shortcuts.measure(Model(Path("noise")), Perceiver(NoiseEngine(40), 1), FRAMES)
    assert list(reached.columns) == [PLAIN, *more.columns] and list(more.columns)[-2:] == list(INT8)
    assert all(set(cells) == {*ROWS, SECONDS} for cells in (*reached.columns.values(), *more.columns.values()))
    drawn = [row for row in ROWS if reached.columns[PLAIN][row].value == 1]
    assert drawn and all(more.columns[name][row].value == 0 for name in INT8 for row in drawn)
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


def test_the_command_keeps_a_folder_that_holds_something(folder, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["int8_graphs", str(folder), str(tmp_path / "full")])
    with pytest.raises(SystemExit) as ended:
        write_by_command()
    assert ended.value.code == 2 and "is not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
