"""How large the inputs of a nano's products get on synthetic scenes: what their scales in float8 are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray
from onnx import TensorProto, helper

from getok_core.engines.onnx_engine import GRAPHS, feeds
from getok_core.lattice import Lattice
from getok_core.manifest import read_manifest
from getok_core.queries import standard_vocabulary
from getok_core.reading import packed

from .feed import synthetic
from .samples import segments_of
from .typed_graphs import products

SEEDS = range(7_400_000, 7_500_000)
"""of scenes that neither train nor test"""
SEGMENTS = 24
"""requests of a scene at most"""


class _Watched:
    """A graph that also tells the largest magnitude of what each product with weights takes."""

    def __init__(self, path: Path):
        graph = onnx.load(str(path))
        named = {name for name, _ in products(graph)}
        self.tensors = list(dict.fromkeys(node.input[0] for node in graph.graph.node if node.name in named))
        self.largest = dict.fromkeys(self.tensors, 0.0)
        for name in self.tensors:
            graph.graph.node.append(helper.make_node("Abs", [name], [f"{name}_abs"]))
            graph.graph.node.append(helper.make_node("ReduceMax", [f"{name}_abs"], [f"{name}_max"], keepdims=0))
            graph.graph.output.append(helper.make_tensor_value_info(f"{name}_max", TensorProto.FLOAT, []))
        self._session: Any = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(self, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What the graph itself gives."""
        values = self._session.run(None, inputs)
        own = len(values) - len(self.tensors)
        for name, value in zip(self.tensors, values[own:], strict=True):
            self.largest[name] = max(self.largest[name], float(value))
        return values[:own]


def ranges_of(model: Path, scenes: int = 16) -> dict[str, dict[str, float]]:
    """A folder with ONNX graphs -> for each graph, the largest magnitude of each tensor that such a product takes.

    Sequences are the true answers and drafts of so many scenes; of each the last token is read by the step graph.
    """
    manifest = read_manifest(model)
    lattice, vocabulary = Lattice(manifest.lattice), standard_vocabulary(manifest.lattice)
    graphs = {name: _Watched(model / f"{name}.onnx") for name in GRAPHS}
    for seed in SEEDS[:scenes]:
        frame = synthetic(seed, manifest.view)
        picture = graphs["vision"].run({"image": frame.image[None]})
        segments = segments_of(frame, lattice, vocabulary, np.random.default_rng(seed))[:SEGMENTS]
        ids, position, mask = packed([segment.ids.tolist() for segment in segments])
        _, present = graphs["prefill"].run(feeds(picture, ids, position, mask))
        last = feeds(picture, ids[:, -1:], position[:, -1:], mask[:, -1:])
        graphs["step"].run({**last, "past": np.ascontiguousarray(present[..., :-1, :])})
    return {name: graph.largest for name, graph in graphs.items()}
