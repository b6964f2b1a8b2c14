"""An ONNX graph in the making, of the large operations that onnxruntime has for transformers on a CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Floats = NDArray[np.float32]
VENDOR = "com.microsoft"
"""domain of onnxruntime's own operations"""
FLOAT_BITS = 32
LEVELS, MIDDLE = 127, 128
"""of 8 bits: steps on either side, and the byte that stands for zero"""
LAST = -1


class Builder:
    """Nodes and tensors; every method returns the name of what it adds. bits of products: 32 for floats, or 8."""

    def __init__(self, bits: int):
        self.bits = bits
        self.nodes: list[NodeProto] = []
        self.tensors: dict[str, TensorProto] = {}

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        self.tensors[name] = numpy_helper.from_array(np.ascontiguousarray(values, kind).reshape(np.shape(values)), name)
        return name

    def add(self, kind: str, inputs: Sequence[str], name: str, *more: str, domain: str = "", **attributes: Any) -> str:
        """One node; more: names of its further outputs."""
        self.nodes.append(helper.make_node(kind, inputs, [name, *more], domain=domain, **attributes))
        return name

    def product(self, x: str, name: str, weight: Floats, bias: Floats | None = None) -> str:
        """x (.., K) times weight (K, N), plus bias (N,)."""
        stored = self.constant(name, weight)
        offset = [] if bias is None else [self.constant(f"{name}.bias", bias)]
        if self.bits == FLOAT_BITS:
            y = self.add("MatMul", [x, stored], f"{name}.product")
            return self.add("Add", [y, *offset], f"{name}.sum") if offset else y
        rounded, scales = self._rounded(stored, *weight.shape)
        inputs = [x, rounded, scales, *(["", "", *offset] if offset else [])]
        return self.add("MatMulNBits", inputs, f"{name}.product", domain=VENDOR, K=weight.shape[0], N=weight.shape[1],
                        bits=self.bits, block_size=block_of(weight.shape[0]), accuracy_level=4)  # fmt: skip

    def _rounded(self, stored: str, rows: int, columns: int) -> tuple[str, str]:
        """A weight as bytes (N, K / block, block) around their middle, and scales (N, K / block).

        All of it is constant: onnxruntime folds it when it loads the graph, and the file holds no second copy.
        """
        last = self.constant("last axis", [LAST], np.int64)
        shape = self.constant(f"blocks of {rows} x {columns}", [columns, -1, block_of(rows)], np.int64)
        levels, middle = self.constant("levels", LEVELS), self.constant("middle", MIDDLE)
        cut = self.add("Reshape", [self.add("Transpose", [stored], f"{stored}.turned"), shape], f"{stored}.cut")
        largest = self.add("ReduceMax", [self.add("Abs", [cut], f"{stored}.sizes"), last], f"{stored}.largest")
        least = self.add("Max", [largest, self.constant("least", 1e-12)], f"{stored}.above zero")
        scale = self.add("Div", [least, levels], f"{stored}.scale")
        steps = self.add("Round", [self.add("Div", [cut, scale], f"{stored}.steps")], f"{stored}.whole steps")
        around = self.add("Add", [steps, middle], f"{stored}.around the middle")
        bytes_ = self.add("Cast", [around], f"{stored}.bytes", to=TensorProto.UINT8)
        return bytes_, self.add("Squeeze", [scale, last], f"{stored}.scales")

    def norm(self, x: str, added: str, name: str, gain: Floats) -> tuple[str, str]:
        """x plus what the block before has added, "" for nothing -> that normed, and that."""
        stored = self.constant(name, gain)
        if not added:
            return self.add("SimplifiedLayerNormalization", [x, stored], f"{name}.normed", axis=LAST, epsilon=1e-6), x
        normed, total = f"{name}.normed", f"{name}.total"
        self.add("SkipSimplifiedLayerNormalization", [x, added, stored], normed, "", "", total, domain=VENDOR,
                 epsilon=1e-6)  # fmt: skip
        return normed, total

    def gated(self, x: str, name: str, gate_up: Floats, down: Floats) -> str:
        """SwiGLU."""
        gate, up = f"{name}.gate", f"{name}.up"
        self.add("Split", [self.product(x, f"{name}.gate_up", gate_up)], gate, up, num_outputs=2, axis=LAST)
        silu = self.add("QuickGelu", [gate], f"{name}.silu", domain=VENDOR, alpha=1.0)
        return self.product(self.add("Mul", [silu, up], f"{name}.gated"), f"{name}.down", down)

    def waves(self, places: int, d: int) -> list[str]:
        """cos and sin (places, d / 2) of rotary positions; constant, so folded as well."""
        ends = [self.constant(f"places from {value}", value) for value in (0, 1)]
        row = self.add("Range", [ends[0], self.constant("places", places), ends[1]], "place")
        column = self.add("Unsqueeze", [row, self.constant("last axis", [LAST], np.int64)], "column")
        frequency = self.constant("frequency", np.exp(np.arange(d // 2) * (-math.log(10000.0) / (d // 2))))
        angle = self.add("Mul", [column, frequency], "angle")
        return [self.add(kind, [angle], kind.lower()) for kind in ("Cos", "Sin")]

    def model(self, name: str, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> ModelProto:
        """The graph made so far."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.tensors.values()))
        sets = [helper.make_opsetid("", 20), helper.make_opsetid(VENDOR, 1)]
        return helper.make_model(graph, opset_imports=sets, ir_version=10)


def block_of(rows: int) -> int:
    """How many weights share a scale."""
    return 32 if rows % 32 == 0 else 16


def value(name: str, kind: int, *shape: int | str) -> ValueInfoProto:
    """An input or output; words are free dimensions."""
    return helper.make_tensor_value_info(name, kind, shape)
