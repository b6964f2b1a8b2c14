"""A trained segmenter -> ONNX graphs. `python -m training.export_segmenter runs/segmenter models/nano_segmenter`.

Fails, and leaves the old folder as it was, unless onnxruntime and torch agree on the logits of points and boxes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from getok_core.engines.nano_segmenter import FEATURES, GRAPHS, NanoSegmenter, SegmenterManifest, padded
from getok_core.errors import GetokError, ModelError
from getok_core.manifest import NAME, sha256

from .export import TOLERANCE
from .prompts import POINTS
from .segmenter import STATE, load_segmenter
from .segmenter_network import Segmenter


class Encoder(nn.Module):
    """image (1, side, side, 3) uint8 -> features of strides 4, 8 and 16."""

    def __init__(self, model: Segmenter):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.look(image.permute(0, 3, 1, 2).float()))


class Decoder(nn.Module):
    """Features, points (1, K, P, 2), labels (1, K, P) -> logits (1, K, side / 4, side / 4), quality (1, K)."""

    def __init__(self, model: Segmenter):
        super().__init__()
        self.model = model

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor, points: Tensor, labels: Tensor) -> Any:
        return self.model.decide([fine, middle, coarse], points, labels)


@torch.no_grad()
def export_graphs(model: Segmenter, folder: Path) -> None:
    """Writes encoder.onnx and decoder.onnx; the number of prompts is free."""
    image = torch.zeros(1, model.side, model.side, 3, dtype=torch.uint8)
    features = Encoder(model)(image)
    points, labels = torch.full((1, 3, POINTS, 2), 100.0), torch.ones(1, 3, POINTS, dtype=torch.int64)
    prompts = {1: torch.export.Dim("prompts", min=1, max=4096)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Encoder(model), (image,), str(folder / "encoder.onnx"), input_names=["image"],
                          output_names=[*FEATURES], dynamo=True, external_data=False, verbose=False)  # fmt: skip
        torch.onnx.export(Decoder(model), (*features, points, labels), str(folder / "decoder.onnx"),
                          input_names=[*FEATURES, "points", "labels"], output_names=["logits", "quality"],
                          dynamic_shapes=({}, {}, {}, prompts, prompts),
                          dynamo=True, external_data=False, verbose=False)  # fmt: skip


@torch.no_grad()
def disagreement(model: Segmenter, engine: NanoSegmenter) -> float:
    """Largest difference of logits between torch and onnxruntime: a flat and a noisy image; one, two, seven prompts."""
    rng, worst = np.random.default_rng(0), 0.0
    flat = np.full((model.side, model.side, 3), 90, np.uint8)
    for image, count in ((flat, 1), (flat, 7), (rng.integers(0, 256, flat.shape, np.uint8), 2)):
        asked = [padded(rng.uniform(0, model.side, (2, 2)), bool(k % 2), POINTS) for k in range(count)]
        points, labels = (np.stack(column)[None] for column in zip(*asked, strict=True))
        features = dict(zip(FEATURES, engine.run("encoder", {"image": image[None]}), strict=True))
        theirs = engine.run("decoder", {**features, "points": points, "labels": labels})
        batch = torch.from_numpy(image[None]).permute(0, 3, 1, 2).float()
        ours = model(batch, torch.from_numpy(points), torch.from_numpy(labels))
        worst = max(worst, *(float(np.abs(a - b.numpy()).max()) for a, b in zip(theirs, ours, strict=True)))
    return worst


def export(run: Path, out: Path, name: str = "nano-segmenter") -> tuple[SegmenterManifest, float]:
    """A run's averaged weights -> a segmenter folder, and the largest difference of logits. Raises ModelError."""
    model = load_segmenter(run)
    training = json.loads((run / STATE).read_text())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export_graphs(model, folder)
        files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
        manifest = SegmenterManifest(name, model.side, POINTS, files, training)
        manifest.write(folder)
        engine = NanoSegmenter(folder)
        engine.load()
        worst = disagreement(model, engine)
        if not worst <= TOLERANCE:
            raise ModelError(f"torch and onnxruntime differ by {worst:.2g} in logits (bound {TOLERANCE}): not exported")
        out.mkdir(parents=True, exist_ok=True)
        for file in (*(f"{graph}.onnx" for graph in GRAPHS), NAME):
            shutil.copyfile(folder / file, out / file)
    return manifest, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training run of training.segmenter")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--name", default="nano-segmenter")
    args = parser.parse_args()
    try:
        manifest, worst = export(args.run, args.out, args.name)
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")
    size = sum((args.out / file).stat().st_size for file in manifest.files) / 2**20
    print(f"{args.out}: {manifest.name}, {size:.1f} MiB, torch and onnxruntime differ by at most {worst:.1e} in logits")


if __name__ == "__main__":
    main()
