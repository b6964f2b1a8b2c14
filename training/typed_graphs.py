"""An ONNX graph for TensorRT's strongly typed networks: every product says by its inputs in which precision it runs.

Products and convolutions are in half precision, a Cast before and after each. Products with weights whose input's
largest magnitude is known are in float8 (e4m3): a QuantizeLinear and a DequantizeLinear before each input, one scale
for the input, one for each output of the weights. What is no multiple of 16, such as the words' head, stays in halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HALVED = ("Conv", "MatMul")
LARGEST = 448.0
"""of float8 e4m3"""
LEAST_SCALE = 2.0**-14
"""smallest normal half"""


def typed(graph: onnx.ModelProto, ranges: Mapping[str, float] | None = None) -> onnx.ModelProto:
    """The graph rewritten in place; its ends stay. ranges: tensor that a product takes -> its largest magnitude."""
    weights = dict(products(graph)) if ranges else {}
    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    del graph.graph.value_info[:]
    rewriting = _Rewriting(graph.graph)
    # TensorRT takes bytes in nothing but a Cast.
    raw = {one.name for one in graph.graph.input if one.type.tensor_type.elem_type == TensorProto.UINT8}
    for name in raw:
        rewriting.add("Cast", [name], f"{name}_as_float", to=TensorProto.FLOAT)
    for node in nodes:
        for at, name in enumerate(node.input):
            node.input[at] = f"{name}_as_float" if name in raw else name
        if node.op_type in HALVED:
            largest = (ranges or {}).get(node.input[0]) if node.name in weights else None
            rewriting.product(node, largest, weights.get(node.name))
        else:
            graph.graph.node.append(node)
    return graph


def products(graph: onnx.ModelProto) -> Iterator[tuple[str, NDArray[Any]]]:
    """Names of the products with weights (inputs, outputs), both multiples of 16, and those weights."""
    made_by = {name: node for node in graph.graph.node for name in node.output}
    held = {one.name: one for one in graph.graph.initializer}
    for node in graph.graph.node:
        weight = _constant(node.input[1], made_by, held) if node.op_type == "MatMul" else None
        if weight is not None and weight.ndim == 2 and not any(size % 16 for size in weight.shape):
            yield node.name, weight


def _constant(name: str, made_by: Mapping[str, Any], held: Mapping[str, Any]) -> NDArray[Any] | None:
    """What a tensor holds if nothing but casts and transpositions lie between it and an initializer."""
    if name in held:
        return numpy_helper.to_array(held[name])
    node = made_by.get(name)
    if node is None or node.op_type not in ("Cast", "Transpose"):
        return None
    value: Any = _constant(node.input[0], made_by, held)
    if value is None or node.op_type == "Cast":
        return value
    order = next((tuple(one.ints) for one in node.attribute if one.name == "perm"), None)
    return value.transpose(order)


class _Rewriting:
    """Appends nodes to a graph; a tensor that several products take is converted once."""

    def __init__(self, graph: onnx.GraphProto):
        self.graph = graph
        self._known: set[str] = set()

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A node with one output, unless it is there; returns the output."""
        if output not in self._known:
            self._known.add(output)
            self.graph.node.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def product(self, node: Any, largest: float | None, weight: NDArray[Any] | None) -> None:
        """A product or convolution on halves, or on float8 where the largest magnitude of its input is known."""
        for at, name in enumerate(node.input):
            if name:
                node.input[at] = self.add("Cast", [name], f"{name}_as_half", to=TensorProto.FLOAT16)
        if largest is not None and weight is not None:
            node.input[0] = self._eighth(node.input[0], np.asarray(largest))
            node.input[1] = self._eighth(node.input[1], np.abs(weight.astype(np.float32)).max(0))
        wide = node.output[0]
        node.output[0] = f"{wide}_in_half"
        self.graph.node.append(node)
        self.add("Cast", [node.output[0]], wide, to=TensorProto.FLOAT)

    def _eighth(self, name: str, largest: NDArray[Any]) -> str:
        """A half tensor through float8 and back: what TensorRT takes as the order to multiply in float8."""
        scale, zero, axis = f"{name}_scale", f"{name}_zero", {"axis": 1} if largest.ndim else {}
        if scale not in self._known:
            self._known.add(scale)
            values = np.maximum(largest / LARGEST, LEAST_SCALE).astype(np.float16)
            zeros = helper.make_tensor(zero, TensorProto.FLOAT8E4M3FN, values.shape, bytes(values.size), raw=True)
            self.graph.initializer.extend([numpy_helper.from_array(values, scale), zeros])
        rounded = self.add("QuantizeLinear", [name, scale, zero], f"{name}_in_float8", **axis)
        return self.add("DequantizeLinear", [rounded, scale, zero], f"{name}_of_float8", **axis)
