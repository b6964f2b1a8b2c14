"""A model folder whose ONNX graphs multiply in 8 bits: weights rounded once, for each output; inputs when they come.

`python -m training.int8_graphs models/nano runs/nano_int8` rounds the graphs of text, which on a CPU with VNNI takes a
third off a frame; `python -m training.evaluate --suite shortcuts` tells what that costs.
Dynamic quantisation by onnxruntime: nothing is trained or calibrated. Convolutions stay in floats, because in 8 bits
onnxruntime takes longer for them on a CPU.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from getok_core.errors import GetokError, ModelError
from getok_core.manifest import Manifest, check_files, read_manifest, sha256

TEXT, ALL = ("prefill", "step"), ("vision", "prefill", "step")
PRODUCTS = ["MatMul", "Gemm"]


def write_int8(model: Path, out: Path, graphs: Sequence[str] = TEXT) -> Manifest:
    """Writes the model into the empty folder out, these graphs in 8 bits, and returns the manifest it wrote there.

    Graphs that stay as they are keep their file of tensors; one in 8 bits holds its own. Raises ModelError on a folder
    that will not do, on a graph that it lacks, and where onnx is not installed.
    """
    manifest = read_manifest(model)
    check_files(model, manifest)
    rounded = [f"{graph}.onnx" for graph in graphs]
    for name in manifest.files:
        if name not in rounded:
            copyfile(model / name, out / name)
    for name in rounded:
        if name not in manifest.files:
            raise ModelError(f"{model} holds no {name} to round to 8 bits: export it with --engines onnx")
        _round(model / name, out / name)
    files = {path.name: sha256(path) for path in sorted(out.iterdir())}
    written = replace(manifest, precision="int8", engines=("onnx",), files=files)
    written.write(out)
    return written


def _round(graph: Path, out: Path) -> None:
    try:
        from onnxruntime import quantization as vendor  # pyright: ignore[reportMissingTypeStubs]
        from onnxruntime.quantization import shape_inference  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ModelError(f"products in 8 bits need {error.name}: pip install 'getok_ros[training]'") from None
    with _quiet(), TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        # Weights are stored in half precision or before a Transpose: only when that is folded are they seen as weights.
        shape_inference.quant_pre_process(graph, folded, skip_symbolic_shape=True)
        vendor.quantize_dynamic(folded, out, op_types_to_quantize=PRODUCTS, per_channel=True)


@contextmanager
def _quiet() -> Generator[None]:
    """The quantiser warns on the root logger of what it rightly leaves alone, such as the uint8 image."""
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model folder with ONNX graphs")
    parser.add_argument("out", type=Path, help="folder to write; must be empty")
    args = parser.parse_args()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        if any(args.out.iterdir()):
            raise ModelError(f"{args.out} is not empty: name a new folder")
        manifest = write_int8(args.model, args.out)
    except (GetokError, OSError) as error:
        parser.exit(2, f"getok: {error}\n")
    print(f"{args.out}: {manifest.title}, {', '.join(TEXT)} in {manifest.precision}")


if __name__ == "__main__":
    main()
