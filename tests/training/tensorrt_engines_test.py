"""TensorRT engines: their graphs compute the same, and a file belongs to one model, one GPU and one version."""

import types
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from getok_core.errors import ModelError
from getok_core.manifest import read_manifest
from getok_ros.share import default_model
from training import tensorrt_engines
from training.float8_ranges import ranges_of
from training.tensorrt_engines import GRAPHS, build, check, key_of, vendor
from training.typed_graphs import HALVED, products, typed

MODEL = default_model()


def graph(side: int = 6) -> onnx.ModelProto:
    """Bytes -> a permuted image, convolved, multiplied twice by one matrix of so many rows."""
    rng = np.random.default_rng(0)
    weights = {"kernel": rng.standard_normal((4, 3, 3, 3)), "matrix": rng.standard_normal((side, side))}
    nodes = [
        helper.make_node("Transpose", ["image"], ["chw"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["chw"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "kernel"], ["c"]),
        helper.make_node("MatMul", ["c", "matrix"], ["m"], "first"),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("MatMul", ["r", "matrix"], ["y"], "second"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 8, side + 2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, side])
    held = [numpy_helper.from_array((0.1 * w).astype(np.float32), name) for name, w in weights.items()]
    made = helper.make_graph(nodes, "g", [image], [y], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto) -> np.ndarray:
    shape = tuple(one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return ort.InferenceSession(model.SerializeToString()).run(None, {"image": image})[0]


def test_products_in_half_precision_give_nearly_the_same():
    wanted, found = run(graph()), run(typed(graph()))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-2, atol=2e-2 * np.abs(wanted).max())
    assert not np.array_equal(found, wanted), "something was rounded"


def test_every_product_takes_halves_and_bytes_meet_a_cast_first():
    nodes = typed(graph()).graph.node
    made_by = {name: node for node in nodes for name in node.output}
    products = [node for node in nodes if node.op_type in HALVED]
    assert len(products) == 3
    for node in products:
        casts = [made_by[name] for name in node.input]
        assert all(cast.op_type == "Cast" and cast.attribute[0].i == TensorProto.FLOAT16 for cast in casts)
    assert [node.op_type for node in nodes if "image" in node.input] == ["Cast"]


def test_products_with_weights_are_in_float8_where_their_input_is_known():
    wanted, known = run(graph()), {"c": 1.0, "r": 1.0}
    assert [name for name, _ in products(graph())] == []
    assert run(typed(graph(), known)).tolist() == run(typed(graph())).tolist(), "6 x 6 is no multiple of 16"
    wide = graph(16)
    assert {name: weight.shape for name, weight in products(wide)} == {"first": (16, 16), "second": (16, 16)}
    wanted = run(graph(16))
    made = typed(wide, {"c": 500.0, "r": 500.0})
    kinds = [node.op_type for node in made.graph.node]
    assert kinds.count("QuantizeLinear") == kinds.count("DequantizeLinear") == 3, "two inputs, one matrix of both"
    found = run(made)
    assert 0.001 < np.abs(found - wanted).max() / np.abs(wanted).max() < 0.1


def test_ranges_are_those_of_synthetic_scenes():
    found = ranges_of(MODEL, 1)
    assert set(found) == set(GRAPHS)
    for name, ranges in found.items():
        taken = {node.input[0] for node in onnx.load(str(MODEL / f"{name}.onnx"), load_external_data=False).graph.node}
        assert ranges and set(ranges) <= taken and all(0 < largest < 1e4 for largest in ranges.values())


def test_an_engine_belongs_to_one_model_gpu_and_version():
    manifest, trt = read_manifest(MODEL), types.SimpleNamespace(__name__="tensorrt", __version__="10.1")
    other_model = replace(manifest, files={"a": "b"})
    other_version = types.SimpleNamespace(__name__="tensorrt", __version__="10.2")
    keys = {key_of(manifest, "NVIDIA H100 80GB", trt), key_of(other_model, "NVIDIA H100 80GB", trt),
            key_of(manifest, "Orin", trt), key_of(manifest, "NVIDIA H100 80GB", other_version),
            key_of(manifest, "NVIDIA H100 80GB", trt, "fp8")}  # fmt: skip
    assert len(keys) == 5 and not any(set(key) & set(" /") for key in keys)


def test_only_what_differs_is_built_anew(tmp_path, monkeypatch):
    trt = types.SimpleNamespace(__name__="tensorrt", __version__="10.1")
    plans = []
    monkeypatch.setattr(tensorrt_engines, "vendor", lambda: trt)
    monkeypatch.setattr(tensorrt_engines, "_plan", lambda *given: plans.append(given[1].stem) or b"plan")
    first = build(MODEL, tmp_path, "SM89")
    assert plans == list(GRAPHS) and all(path.read_bytes() == b"plan" for path in first.values())
    assert build(MODEL, tmp_path, "SM89") == first and len(plans) == 3
    trt.__version__ = "10.2"
    second = build(MODEL, tmp_path, "SM89")
    assert len(plans) == 6 and sorted(tmp_path.glob("*.engine")) == sorted(second.values())


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_engines, "gpu_name", lambda: "")
    with pytest.raises(ModelError, match="needs it in this machine"):
        check(MODEL, {})
    monkeypatch.setattr(tensorrt_engines, "VENDORS", ("no_such_tensorrt",))
    with pytest.raises(ModelError, match="no TensorRT is installed"):
        vendor()
    monkeypatch.setattr(tensorrt_engines, "vendor", lambda: types.SimpleNamespace(__name__="t", __version__="1"))
    with pytest.raises(ModelError, match="no GPU: name one with --target"):
        build(MODEL, tmp_path)


def test_tensorrt_rtx_parses_and_builds_without_a_gpu(tmp_path):
    """Built, never executed: no GPU is needed for that."""
    pytest.importorskip("tensorrt_rtx_libs", reason="needs tensorrt-rtx-cu13-libs and tensorrt-rtx-cu13-bindings")
    trt, path = vendor(), tmp_path / "tiny.onnx"
    onnx.save(graph(), path)
    plan = tensorrt_engines._plan(trt, path, tmp_path / "timing.cache", "SM89", False, None)
    assert len(plan) > 1000 and (tmp_path / "timing.cache").is_file()
    onnx.save(graph(16), path)
    eight = tensorrt_engines._plan(trt, path, tmp_path / "timing.cache", "SM89", False, {"c": 4.0, "r": 4.0})
    assert len(eight) > 1000
    with pytest.raises(ModelError, match="cannot build for 'SM1'"):
        tensorrt_engines._plan(trt, path, tmp_path / "timing.cache", "SM1", False, None)
