"""The nano as ONNX graphs, vision, prefill and step, and the one file of tensors that they share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscript  # noqa: F401  torch's exporter needs it
import torch
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from getok_core.engines.nano_network import Nano, Picture
from getok_core.engines.onnx_engine import GRAPHS, PICTURE

WEIGHTS = "weights.bin"
"""one file of tensors for all graphs: prefill and step share theirs"""


class Vision(nn.Module):
    """image (1, H, W, 3) uint8 -> prefix (L, 2, 1, heads, P, d), carried and matched cells (1, n * n, dim)."""

    def __init__(self, model: Nano):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        picture = self.model.look(image.permute(0, 3, 1, 2).float())
        return torch.stack([torch.stack(pair) for pair in picture.prefix]), picture.carried, picture.matched


class Text(nn.Module):
    """Tokens over a picture -> logits and keys and values (L, 2, B, heads, S + T, d)."""

    def __init__(self, model: Nano):
        super().__init__()
        self.model = model

    def forward(
        self,
        ids: Tensor,
        position: Tensor,
        mask: Tensor,
        prefix: Tensor,
        carried: Tensor,
        matched: Tensor,
        past: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        picture = Picture([(layer[0], layer[1]) for layer in prefix], carried, carried, matched)
        before = None if past is None else [(layer[0], layer[1]) for layer in past]
        hidden, present = self.model.hidden(ids, position, picture, before, mask)
        return self.model.logits(hidden, picture), torch.stack([torch.stack(pair) for pair in present])


def export_graphs(model: Nano, folder: Path, half: bool = False) -> None:
    """Writes vision.onnx, prefill.onnx, step.onnx and the tensors they share."""
    c = model.eval().config
    places, d = (c.width // 32) * (c.height // 32), c.dim // c.heads
    cells = torch.zeros(1, c.n * c.n, c.dim)
    picture = (torch.zeros(c.layers, 2, 1, c.heads, places, d), cells, cells.clone())
    batch, length, seen = (torch.export.Dim(name, min=1, max=4096) for name in ("batch", "length", "seen"))
    rows, square, still = {0: batch, 1: length}, {0: batch, 1: length, 2: length}, {}

    def tokens(count: int, before: int) -> tuple[Tensor, ...]:
        ids = torch.zeros(3, count, dtype=torch.int64)
        return ids, ids.clone(), torch.ones(3, count, before + count, dtype=torch.bool), *picture

    image = torch.zeros(1, c.height, c.width, 3, dtype=torch.uint8)
    past = torch.zeros(c.layers, 2, 3, c.heads, 5, d)
    text = ["ids", "position", "mask", *PICTURE]
    _export(Vision(model), (image,), folder / "vision.onnx", ["image"], [*PICTURE], (still,))
    _export(Text(model), tokens(7, 0), folder / "prefill.onnx", text, ["logits", "present"],
            (rows, rows, square, still, still, still))  # fmt: skip
    _export(Text(model), (*tokens(1, 5), past), folder / "step.onnx", [*text, "past"], ["logits", "present"],
            ({0: batch}, {0: batch}, {0: batch, 2: seen + 1}, still, still, still, {2: batch, 4: seen}))  # fmt: skip
    share_weights(folder, {name: onnx.load(str(folder / f"{name}.onnx")) for name in GRAPHS}, half)


def _export(module: nn.Module, example: tuple[Tensor, ...], path: Path, inputs: list[str], outputs: list[str],
            shapes: tuple[Any, ...]) -> None:  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, example, str(path), input_names=inputs, output_names=outputs, dynamic_shapes=shapes,
                          dynamo=True, external_data=False, verbose=False)  # fmt: skip


def share_weights(folder: Path, graphs: Mapping[str, ModelProto], half: bool = False, least_bytes: int = 1024) -> None:
    """Writes graphs whose tensors are in memory, and one file of these; a tensor that two graphs have is stored once.

    half: floats are stored in half precision and widened when a graph is loaded; arithmetic stays in single precision.
    """
    offsets: dict[bytes, tuple[int, int]] = {}
    with (folder / WEIGHTS).open("wb") as file:
        for name, graph in graphs.items():
            _forget_origin(graph)
            if half:
                _halve(graph.graph, least_bytes)
            for tensor in graph.graph.initializer:
                raw = numpy_helper.to_array(tensor).tobytes()
                if len(raw) < least_bytes:
                    continue
                if raw not in offsets:
                    file.write(b"\0" * (-file.tell() % 64))
                    offsets[raw] = (file.tell(), len(raw))
                    file.write(raw)
                _point_outside(tensor, *offsets[raw])
            onnx.save(graph, str(folder / f"{name}.onnx"))


def _forget_origin(model: ModelProto) -> None:
    """Drops what the exporter notes of every node: stack traces, with paths of the machine it ran on."""
    graph = model.graph
    for one in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del one.metadata_props[:]
    for one in (model, graph, *graph.node):
        one.ClearField("doc_string")


def _halve(graph: GraphProto, least_bytes: int) -> None:
    """Stores large float tensors as halves; a Cast, which runtimes fold when they load, gives them their old name."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.nbytes >= least_bytes:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def _point_outside(tensor: TensorProto, offset: int, length: int) -> None:
    for field in ("raw_data", "float_data", "int32_data", "int64_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", WEIGHTS), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
