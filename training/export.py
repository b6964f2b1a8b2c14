"""A checkpoint -> a model folder: ONNX graphs, manifest. `python -m training.export runs/nano models/nano`.

--engines torch writes the weights for torch instead of graphs, onnx,torch writes both: one folder that runs in either.
--tensorrt builds TensorRT engines of a model folder's graphs instead: training/tensorrt_engines.py.
Fails, and leaves the old folder as it was, unless onnxruntime and torch agree on every graph and on whole answers.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from getok_core.decoding import decode
from getok_core.engines.nano_network import Nano
from getok_core.engines.nano_torch import WEIGHTS as TENSORS
from getok_core.engines.nano_torch import TorchStepper, picture_of, write_nano
from getok_core.engines.onnx_cached import CachedText
from getok_core.engines.onnx_engine import OnnxEngine, feeds
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
ROUNDING = 0.3
"""largest difference of logits that products in 8 bits may make"""
ENGINES = ("onnx", "torch", "onnx,torch")


# -- agreement ---------------------------------------------------------------------------------------------------


@torch.no_grad()
def disagreement(model: Nano, folder: Path, manifest: Manifest) -> float:
    """Largest difference of logits over the standing prompts, on a flat picture and on noise.

    Raises ModelError when a whole answer differs.
    """
    engine = OnnxEngine(folder, manifest, portable=True)
    engine.load()
    vocabulary, requests = engine.vocabulary, _requests(manifest)
    limits, worst = Limits(tokens=manifest.tokens), 0.0
    for image in _images(manifest):
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


def rounding(folder: Path, manifest: Manifest) -> float:
    """Largest difference of logits between the graphs for a CPU and those for any device, over the same prompts."""
    portable, cached = (OnnxEngine(folder, manifest, portable=portable) for portable in (True, False))
    portable.load()
    cached.load()
    prompts, worst = [request.prompt for request in _requests(manifest)], 0.0
    for image in _images(manifest):
        picture = portable.run("vision", {"image": image[None]})
        floats = portable.run("prefill", feeds(picture, *packed(prompts)))[0][:, -1]
        rounded = CachedText(cached.sessions["text_cpu"], cached.run("vision_cpu", {"image": image[None]})).start(
            prompts
        )
        worst = max(worst, float(np.abs(floats - rounded).max()))
    return worst


def _images(manifest: Manifest) -> list[np.ndarray]:
    flat = np.full((*manifest.view[::-1], 3), 90, np.uint8)
    return [flat, np.random.default_rng(0).integers(0, 256, flat.shape, dtype=np.uint8)]


def _requests(manifest: Manifest) -> list[Request]:
    vocabulary, lattice = standard_vocabulary(manifest.lattice), Lattice(manifest.lattice)
    return [Request(query.prompt(vocabulary, lattice, manifest.view), query.form) for query in STANDING]


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
            _write_graphs(model, folder, half)
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
        lost = rounding(folder, manifest) if "onnx" in engines else 0.0
        if not lost <= ROUNDING:
            raise ModelError(f"products in 8 bits change logits by {lost:.2g} (bound {ROUNDING}): not exported")
        out.mkdir(parents=True, exist_ok=True)
        for old in [*out.glob("*.onnx"), *out.glob("*.bin"), out / TENSORS, out / NAME]:
            old.unlink(missing_ok=True)
        for path in folder.iterdir():
            shutil.copyfile(path, out / path.name)
    return manifest, worst


def _write_graphs(model: Nano, folder: Path, half: bool) -> None:
    try:
        from .cpu_graphs import add_cpu_graphs
        from .onnx_graphs import export_graphs
    except ImportError as error:
        remedy = "pip install 'getok_ros[training]', or give --engines torch"
        raise ModelError(f"ONNX graphs need {error.name}: {remedy}") from None
    export_graphs(model, folder, half)
    add_cpu_graphs(folder, half)


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
    if "--tensorrt" in sys.argv[1:]:
        try:
            from .tensorrt_engines import main as build_engines
        except ImportError as error:
            print(f"getok: reading ONNX graphs needs {error.name}: pip install 'getok_ros[training]'", file=sys.stderr)
            sys.exit(2)
        return build_engines([argument for argument in sys.argv[1:] if argument != "--tensorrt"])
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
