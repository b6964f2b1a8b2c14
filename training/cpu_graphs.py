"""The nano's graphs for a CPU. training.export writes them; `python -m training.cpu_graphs MODEL OUT` adds them later.

The graphs of onnx_graphs.py run anywhere, in hundreds of small operations whose beginnings take most of a CPU's time.
These two hold the same weights in a few large ones, and no second copy of them. vision_cpu: image -> rows (2 L, heads,
P, d), keys and values with which every sequence begins; table (V, dim), what each token brings into a sequence; head
(dim, V), what names the next. text_cpu: tokens of one sequence, or the next one of many -> logits of the places wanted;
keys and values lie in a cache that it writes into. Products of text run in 8 bits, whatever the CPU.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, numpy_helper

from getok_core.engines.onnx_cached import CPU_GRAPHS, cache_names
from getok_core.engines.onnx_engine import GRAPHS
from getok_core.errors import GetokError, ModelError
from getok_core.manifest import Manifest, check_files, read_manifest, sha256
from getok_core.vocabulary import GRID_START

from .onnx_builder import FLOAT_BITS, VENDOR, Builder, Floats, value
from .onnx_graphs import share_weights

PLACES = 8192
"""most places of a sequence, the picture's included"""
BITS = 8
"""of products in text, chosen by measurement: training/LOG.md"""
FLOAT, INT64, INT32 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32


@dataclass(frozen=True)
class Weights:
    """Tensors of a model folder's graphs, products as (K, N)."""

    layers: list[dict[str, Floats]]
    """norm1, qkv, bias, out, norm2, gate_up, down"""
    embedding: Floats
    norm: Floats
    heads: int
    places: int
    """visual tokens"""
    cells: int

    @property
    def dim(self) -> int:
        return self.embedding.shape[1]

    @property
    def d(self) -> int:
        return self.dim // self.heads


def weights_of(vision: ModelProto, step: ModelProto) -> Weights:
    """Out of the graphs of onnx_graphs.py, by the order of the network: its exporter renames and unites tensors.

    Raises ModelError on a network whose grid tokens are not bound to the picture.
    """
    if not any("carried" in one.input for one in step.graph.node):
        raise ModelError(
            "a nano whose grid tokens are ordinary embeddings has no graphs for a CPU: score it with torch"
        )
    embedding = _held(step)["model.embedding.weight"].astype(np.float32)
    products, dim = _second(step, "MatMul"), embedding.shape[1]
    norms = [gain for gain in _second(step, "Mul") if gain.shape == (dim,)]
    biases = [bias for bias in _second(step, "Add") if bias.shape == (3 * dim,)]
    names: tuple[str, ...] = ("qkv", "out", "gate_up", "down", "norm1", "norm2", "bias")
    columns = (*(products[at::4] for at in range(4)), norms[:-1:2], norms[1::2], biases)
    layers = [dict(zip(names, tensors, strict=True)) for tensors in zip(*columns, strict=True)]
    prefix, cells = ([one.dim_value for one in output.type.tensor_type.shape.dim] for output in vision.graph.output[:2])
    return Weights(layers, embedding, norms[-1], prefix[3], prefix[4], cells[1])


def _held(model: ModelProto) -> dict[str, Floats]:
    """Tensors by the names that floats have."""
    return {tensor.name.removesuffix("_half"): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _second(model: ModelProto, kind: str) -> list[Floats]:
    """The tensors that are the second input of one kind of node, in order."""
    held = _held(model)
    nodes = (one for one in model.graph.node if one.op_type == kind)
    return [held[one.input[1]].astype(np.float32) for one in nodes if one.input[1] in held]


def text_graph(w: Weights, bits: int) -> ModelProto:
    """The decoder over a picture and a cache."""
    graph = Builder(bits)
    caches: list[ValueInfoProto] = []
    written: list[ValueInfoProto] = []
    waves, added = graph.waves(PLACES, w.d), ""
    x = graph.add("Gather", ["table", "ids"], "embedded")
    for at, layer in enumerate(w.layers):
        normed, x = graph.norm(x, added, f"layers.{at}.norm1", layer["norm1"])
        qkv = graph.product(normed, f"layers.{at}.qkv", layer["qkv"], layer["bias"])
        before, after = cache_names(at)
        mixed = graph.add("GroupQueryAttention", [qkv, "", "", *before, "ends", "longest", *waves],
                          f"layers.{at}.mixed", *after, domain=VENDOR, num_heads=w.heads, kv_num_heads=w.heads,
                          do_rotary=1)  # fmt: skip
        caches += [value(name, FLOAT, "batch", w.heads, "room", w.d) for name in before]
        written += [value(name, FLOAT, "batch", w.heads, "room", w.d) for name in after]
        added = graph.product(mixed, f"layers.{at}.out", layer["out"])
        normed, x = graph.norm(x, added, f"layers.{at}.norm2", layer["norm2"])
        added = graph.gated(normed, f"layers.{at}", layer["gate_up"], layer["down"])
    normed, _ = graph.norm(x, added, "norm", w.norm)
    states = graph.add("Reshape", [normed, graph.constant("a row each", [-1, w.dim], np.int64)], "states")
    graph.add("MatMul", [graph.add("Gather", [states, "wanted"], "states wanted"), "head"], "logits")
    vocabulary = len(w.embedding)
    inputs = [value("table", FLOAT, vocabulary, w.dim), value("head", FLOAT, w.dim, vocabulary),
              value("ids", INT64, "batch", "length"), value("wanted", INT64, "answers"),
              value("ends", INT32, "batch"), value("longest", INT32)]  # fmt: skip
    return graph.model("text_cpu", [*inputs, *caches], [value("logits", FLOAT, "answers", vocabulary), *written])


def vision_graph(vision: ModelProto, w: Weights) -> ModelProto:
    """The vision graph as it is, with rows of the embedding beside what the cells bring: table and head."""
    graph = Builder(FLOAT_BITS)
    embedding, axis = graph.constant("embedding", w.embedding), graph.constant("first axis", [0], np.int64)
    cuts = (0, GRID_START, GRID_START + w.cells, len(w.embedding))
    ends = [graph.constant(f"row {cut}", [cut], np.int64) for cut in cuts]
    before, cells, after = (
        graph.add("Slice", [embedding, *pair, axis], f"embedding {at}") for at, pair in enumerate(pairwise(ends))
    )
    flat = graph.constant("cells by channels", [w.cells, w.dim], np.int64)
    for name, share in (("table", "carried"), ("names", "matched")):
        own = graph.add("Add", [cells, graph.add("Reshape", [share, flat], f"{share} in rows")], f"{name} of cells")
        graph.add("Concat", [before, own, after], name, axis=0)
    graph.add("Transpose", ["names"], "head", perm=[1, 0])
    prefix = graph.constant("keys and values", [-1, w.heads, w.places, w.d], np.int64)
    graph.add("Reshape", ["prefix", prefix], "rows")
    graph.nodes[:0] = vision.graph.node
    graph.tensors |= {tensor.name: tensor for tensor in vision.graph.initializer}
    outputs = [value("rows", FLOAT, 2 * len(w.layers), w.heads, w.places, w.d),
               value("table", FLOAT, *w.embedding.shape), value("head", FLOAT, *w.embedding.shape[::-1])]  # fmt: skip
    return graph.model("vision_cpu", list(vision.graph.input), outputs)


def add_cpu_graphs(folder: Path, half: bool, bits: int = BITS) -> None:
    """Writes both graphs into a folder of the others, whose tensors they share; half as in share_weights.

    bits of products in text: 8, or 32 for floats.
    """
    graphs = {name: onnx.load(str(folder / f"{name}.onnx")) for name in GRAPHS}
    w = weights_of(graphs["vision"], graphs["step"])
    made = (vision_graph(graphs["vision"], w), text_graph(w, bits))
    share_weights(folder, {**graphs, **dict(zip(CPU_GRAPHS, made, strict=True))}, half)


def convert(model: Path, out: Path, bits: int = BITS) -> Manifest:
    """A model folder with the graphs for a CPU added -> its manifest; out may be the folder itself.

    Raises ModelError on a folder that will not do.
    """
    manifest = read_manifest(model)
    check_files(model, manifest)
    if not all(f"{name}.onnx" in manifest.files for name in GRAPHS):
        raise ModelError(f"{model} lacks graphs to make those for a CPU of: export it with --engines onnx")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in manifest.files:
            copyfile(model / name, folder / name)
        add_cpu_graphs(folder, manifest.precision == "float16", bits)
        files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
        for name in files:
            copyfile(folder / name, out / name)
    written = replace(manifest, files=files)
    written.write(out)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model folder with ONNX graphs")
    parser.add_argument("out", type=Path, help="folder to write; may be the same")
    parser.add_argument("--bits", type=int, choices=(8, FLOAT_BITS), default=BITS, help="of products in text")
    args = parser.parse_args()
    try:
        manifest = convert(args.model, args.out, args.bits)
    except (GetokError, OSError) as error:
        parser.exit(2, f"getok: {error}\n")
    print(f"{args.out}: {manifest.title}, {', '.join(CPU_GRAPHS)} beside {', '.join(GRAPHS)}")


if __name__ == "__main__":
    main()
