"""Graphs for a CPU, of random weights: 8 bits are close, and a cache says what whole sequences say."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="onnx is missing: install the training extra")

import onnx
import onnxruntime as ort
from onnx import TensorProto

from getok_core.engines.onnx_cached import CachedText
from getok_core.errors import ModelError
from getok_core.manifest import Manifest, sha256
from getok_core.queries import PROMPT_VERSION, standard_vocabulary
from training import cpu_graphs
from training.cpu_graphs import Weights, convert, text_graph, weights_of
from training.onnx_builder import FLOAT_BITS, Builder, value

DIM, HEADS, HIDDEN, WORDS, PICTURE, LAYERS = 32, 2, 48, 60, 6, 2
TOKENS = st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=12)


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def weights() -> Weights:
    rng = np.random.default_rng(0)
    shapes = {"qkv": (DIM, 3 * DIM), "out": (DIM, DIM), "gate_up": (DIM, 2 * HIDDEN), "down": (HIDDEN, DIM),
              "norm1": (DIM,), "norm2": (DIM,), "bias": (3 * DIM,)}  # fmt: skip
    layers = [{name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
              for _ in range(LAYERS)]  # fmt: skip
    rows = rng.normal(size=(WORDS, DIM)).astype(np.float32)
    return Weights(layers, rows, np.ones(DIM, np.float32), HEADS, PICTURE, 4)


@pytest.fixture(scope="module", params=[FLOAT_BITS, 8])
def text(request, weights):
    """-> a new cache over the same picture, and how far logits may lie apart: 8 bits turn a rounding into a step."""
    rng = np.random.default_rng(1)
    beginning = rng.normal(size=(2 * LAYERS, HEADS, PICTURE, DIM // HEADS)).astype(np.float32)
    picture = [beginning, weights.embedding, np.ascontiguousarray(weights.embedding.T)]
    graph = session(text_graph(weights, request.param))
    return lambda: CachedText(graph, picture), 1e-4 if request.param == FLOAT_BITS else 0.1


@settings(max_examples=20)
@given(st.lists(TOKENS, min_size=1, max_size=4), st.data())
def test_steps_of_many_rows_say_what_each_sequence_says_alone(text, prompts, data):
    """Rows end in any order, and grow past the room that they began with."""
    new, apart = text
    cached = new()
    said = [list(prompt) for prompt in prompts]
    logits = cached.start(prompts)
    going = list(range(len(prompts)))
    for _ in range(data.draw(st.sampled_from([1, 3, 80]))):
        for row, own in zip(going, logits, strict=True):
            np.testing.assert_allclose(own, new().read(said[row], [len(said[row]) - 1])[0], atol=apart)
        keep = sorted(data.draw(st.sets(st.sampled_from(range(len(going))), min_size=1)))
        going = [going[at] for at in keep]
        tokens = [data.draw(st.integers(0, WORDS - 1)) for _ in going]
        for row, token in zip(going, tokens, strict=True):
            said[row].append(token)
        logits = cached.step(np.asarray(keep), np.asarray(tokens))


@settings(max_examples=30)
@given(st.lists(TOKENS, min_size=1, max_size=3), TOKENS, st.data())
def test_what_the_cache_knows_of_a_sequence_changes_nothing_in_its_logits(text, prompts, more, data):
    new, apart = text
    cached = new()
    cached.start(prompts)
    for _ in range(3):
        ids = [*data.draw(st.sampled_from(prompts)), *more]
        wanted = sorted(data.draw(st.sets(st.sampled_from(range(len(ids))))))
        read = cached.read(ids, wanted)
        assert read.shape == (len(wanted), WORDS)
        np.testing.assert_allclose(read, new().read(ids, wanted), atol=apart)


@pytest.mark.parametrize("shape", [(32, 8), (48, 5), (256, 16)])
@pytest.mark.parametrize("largest", [1e-6, 1.0, 1e4])
def test_products_in_8_bits_are_within_a_hundredth(shape, largest):
    rng = np.random.default_rng(2)
    weight = rng.uniform(-largest, largest, shape).astype(np.float32)
    weight[:, 0] = 0
    x = rng.normal(size=(3, shape[0])).astype(np.float32)
    bias = rng.normal(size=shape[1]).astype(np.float32) * largest
    graph = Builder(8)
    y = graph.product("x", "w", weight, bias)
    ends = [value("x", TensorProto.FLOAT, 3, shape[0])], [value(y, TensorProto.FLOAT, 3, shape[1])]
    found = session(graph.model("product", *ends)).run(None, {"x": x})[0]
    exact = x @ weight + bias
    assert 0 < np.abs(found - exact).max() < 0.01 * np.abs(x).sum(1).max() * largest
    np.testing.assert_allclose(found[:, 0], bias[0] + np.zeros(3), rtol=1e-6)


def test_a_network_that_binds_no_grid_token_is_refused():
    empty = Builder(FLOAT_BITS).model("step", [], [])
    with pytest.raises(ModelError, match="grid tokens are ordinary embeddings"):
        weights_of(empty, empty)


def test_a_folder_without_graphs_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "weights.bin").write_bytes(b"none")
    Manifest("small", "getok-nano", 32, standard_vocabulary().digest, PROMPT_VERSION, (512, 256), "float16", 1, 160,
             {"weights.bin": sha256(tmp_path / "weights.bin")}).write(tmp_path)  # fmt: skip
    with pytest.raises(ModelError, match="lacks graphs to make those for a CPU of: export it"):
        convert(tmp_path, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["cpu_graphs", str(tmp_path / "missing"), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        cpu_graphs.main()
    assert ended.value.code == 2 and capsys.readouterr().err.startswith("getok: no model at")
