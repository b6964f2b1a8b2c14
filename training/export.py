"""A checkpoint -> a model folder: ONNX graphs, manifest. `python -m training.export runs/nano models/nano`.

--engines torch writes the weights for torch instead of graphs, onnx,torch writes both: one folder that runs in either.
Fails, and leaves the old folder as it was, unless onnxruntime and torch agree on every graph and on whole answers.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import GraphProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from getok_core.decoding import decode
from getok_core.engines.nano_network import Nano, Picture
from getok_core.engines.nano_torch import WEIGHTS as TENSORS
from getok_core.engines.nano_torch import TorchStepper, picture_of, write_nano
from getok_core.engines.onnx_engine import GRAPHS, PICTURE, OnnxEngine, feeds
from getok_core.errors import GetokError, ModelError
from getok_core.lattice import Lattice
from getok_core.manifest import NAME, Manifest, sha256
from getok_core.protocol import Limits, Request
from getok_core.queries import PROMPT_VERSION, STANDING, TASKS, standard_vocabulary
from getok_core.reading import packed
from getok_core.smoothing import WEIGHT as SMOOTHING

from .checkpoint import load_average, read_meta

TOLERANCE = 2e-3
"""largest difference of logits between onnxruntime and torch, both in fp32"""
WEIGHTS = "weights.bin"
"""one file of tensors for all graphs: prefill and step share theirs"""
ENGINES = ("onnx", "torch", "onnx,torch")


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
    share_weights(folder, half)


def _export(module: nn.Module, example: tuple[Tensor, ...], path: Path, inputs: list[str], outputs: list[str],
            shapes: tuple[Any, ...]) -> None:  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, example, str(path), input_names=inputs, output_names=outputs, dynamic_shapes=shapes,
                          dynamo=True, external_data=False, verbose=False)  # fmt: skip


def share_weights(folder: Path, half: bool = False, least_bytes: int = 1024) -> None:
    """Moves the tensors of all graphs into one file; a tensor that two graphs have is stored once.

    half: floats are stored in half precision and widened when a graph is loaded; arithmetic stays in single precision.
    """
    offsets: dict[bytes, tuple[int, int]] = {}
    with (folder / WEIGHTS).open("wb") as file:
        for name in GRAPHS:
            graph = onnx.load(str(folder / f"{name}.onnx"))
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


# -- agreement ---------------------------------------------------------------------------------------------------


@torch.no_grad()
def disagreement(model: Nano, folder: Path, manifest: Manifest) -> float:
    """Largest difference of logits over the standing prompts, on a flat picture and on noise.

    Raises ModelError when a whole answer differs.
    """
    engine = OnnxEngine(folder, manifest)
    engine.load()
    vocabulary, size = standard_vocabulary(model.config.n), manifest.view
    flat = np.full((size[1], size[0], 3), 90, np.uint8)
    images = [flat, np.random.default_rng(0).integers(0, 256, flat.shape, dtype=np.uint8)]
    requests = [Request(q.prompt(vocabulary, Lattice(model.config.n), size), q.form) for q in STANDING]
    limits, worst = Limits(tokens=manifest.tokens), 0.0
    for image in images:
        own = picture_of(model, image)
        picture = engine.run("vision", {"image": image[None]})
        tokens = packed([request.prompt for request in requests])
        theirs = engine.run("prefill", feeds(picture, *tokens))[0][:, -1]
        ours = TorchStepper(model, own).start([request.prompt for request in requests])
        worst = max(worst, float(np.abs(theirs - ours).max()))
        with engine.open([image]) as frames:
            replies = frames.propose(requests, limits)
        reference = decode(TorchStepper(model, own), requests, vocabulary, limits)
        for query, one, other in zip(STANDING, replies, reference, strict=True):
            if not _same(one.ids, one.logp, other.ids):
                raise ModelError(f"torch and onnxruntime answer {query.name!r} differently: do not ship this export")
    return worst


def _same(ids: np.ndarray, logp: np.ndarray, others: np.ndarray) -> bool:
    """Equal up to the first place where two tokens were as good as equally likely."""
    shared = min(len(ids), len(others))
    differ = np.flatnonzero(ids[:shared] != others[:shared])
    if len(differ):
        return bool(logp[differ[0]] < np.log(0.51))
    return len(ids) == len(others)


def export(run: Path, out: Path, name: str, refinements: int, tokens: int, precision: str = "float32",
           engines: tuple[str, ...] = ("onnx",), smoothing: float = SMOOTHING) -> tuple[Manifest, float]:  # fmt: skip
    """A run's averaged weights -> a model folder; precision of the stored weights is float32 or float16.

    Returns its manifest and by how much the graphs' logits differ from torch's. Raises ModelError when they disagree
    with torch, whose weights are then rounded alike.
    """
    model, half = load_average(run), precision == "float16"
    model = model.half().float() if half else model
    state = read_meta(run / "average.safetensors" if run.is_dir() else run)["state"]
    c = model.config
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "onnx" in engines:
            export_graphs(model, folder, half)
        if "torch" in engines:
            write_nano(model, folder / TENSORS, half)
        files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
        training = {"samples": state["samples"], "seconds": round(state["seconds"])}
        digest, view = standard_vocabulary(c.n).digest, (c.width, c.height)
        manifest = Manifest(name, "getok-nano", c.n, digest, PROMPT_VERSION, view, precision,
                            refinements, tokens, files, engines, tuple(TASKS), training,
                            smoothing=smoothing)  # fmt: skip
        manifest.write(folder)
        worst = disagreement(model, folder, manifest) if "onnx" in engines else 0.0
        if worst > TOLERANCE:
            raise ModelError(f"torch and onnxruntime differ by {worst:.2g} in logits (bound {TOLERANCE}): not exported")
        out.mkdir(parents=True, exist_ok=True)
        for old in [*out.glob("*.onnx"), out / WEIGHTS, out / TENSORS, out / NAME]:
            old.unlink(missing_ok=True)
        for path in folder.iterdir():
            shutil.copyfile(path, out / path.name)
    return manifest, worst


def export_large(run: Path, out: Path) -> int:
    """Exit status of `--base`: 0, or 2 with one line on standard error."""
    from .export_base import export_base

    try:
        manifest, worst = export_base(run, out)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(f"{out}: {manifest.title} for {', '.join(manifest.engines)}; merging changed logits by {worst:.1e}")
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training run, or a safetensors file")
    parser.add_argument("out", type=Path, help="model folder to write")
    parser.add_argument("--base", action="store_true", help="the run is one of training.sft_base: merge its LoRA")
    parser.add_argument("--name", default="getok-nano")
    parser.add_argument("--refinements", type=int, default=1, help="rounds by default")
    parser.add_argument("--tokens", type=int, default=160, help="most tokens in one answer")
    parser.add_argument("--precision", choices=("float32", "float16"), default="float32", help="of stored weights")
    parser.add_argument("--engines", choices=ENGINES, default="onnx", help="what the folder is made for")
    parser.add_argument("--smoothing", type=float, default=SMOOTHING, help="of lines at decode; 0 leaves them as said")
    args = parser.parse_args()
    if args.base:
        parser.exit(export_large(args.run, args.out))
    try:
        manifest, worst = export(args.run, args.out, args.name, args.refinements, args.tokens, args.precision,
                                 tuple(args.engines.split(",")), args.smoothing)  # fmt: skip
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")
    size = sum((args.out / name).stat().st_size for name in manifest.files) / 2**20
    told = f", torch and onnxruntime differ by at most {worst:.1e} in logits" if "onnx" in manifest.engines else ""
    print(f"{args.out}: {manifest.title} for {args.engines}, {size:.1f} MiB{told}")


if __name__ == "__main__":
    main()
