"""The nano segmenter through onnxruntime: `<seg>` points, or a box, become a mask.

Two graphs. encoder: image (1, S, S, 3) uint8 -> features of strides 4, 8 and 16. decoder: features, points (1, K, P, 2)
in pixels of that square, labels (1, K, P) -> logits (1, K, S / 4, S / 4), quality (1, K). The square is a plain resize.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import onnxruntime as ort  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from ..errors import ModelError
from ..geometry import XY, Box, Mask, Seeds
from ..lattice import Size
from ..manifest import LARGEST, LARGEST_BYTES, NAME, check_files, private_copy
from ..protocol import Progress
from ..view import RGB, View, check_image
from .onnx_engine import open_session

FORMAT = 1
"""version of the two graphs' inputs and outputs"""
GRAPHS = ("encoder", "decoder")
FEATURES = ("fine", "middle", "coarse")
"""what the encoder gives and the decoder takes"""
INSIDE, CORNERS, NOTHING = 1, (2, 3), -10
"""labels of a point, as SAM has them: in the thing, a box's two corners, padding"""
_AT_ONCE = 64
"""prompts in one call of the decoder"""


@dataclass(frozen=True)
class SegmenterManifest:
    """What travels with a segmenter's weights."""

    name: str
    side: int
    """pixels of the square that images are resized to"""
    points: int
    """places for points in one prompt"""
    files: dict[str, str]
    """file name -> sha256"""
    training: dict[str, Any] = field(default_factory=dict[str, Any])
    """how it came about: samples, seconds"""
    kind: str = "segmenter"
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Saves manifest.json."""
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")


def read_segmenter_manifest(folder: Path) -> SegmenterManifest:
    """A segmenter folder's manifest. Raises ModelError when it is missing, malformed, or of something else."""
    path = Path(folder) / NAME
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes, at most {LARGEST_BYTES} are read")
        manifest = SegmenterManifest(**json.loads(path.read_text()))
        if manifest.kind != "segmenter" or manifest.format != FORMAT or not isinstance(cast(Any, manifest.files), dict):
            raise ValueError(f"it is a {manifest.kind} of format {manifest.format}, wanted a segmenter of {FORMAT}")
        if not all(type(value) is int and 2 <= value <= LARGEST["view"] for value in (manifest.side, manifest.points)):
            raise ValueError(f"side {manifest.side} and points {manifest.points} are no sizes")
    except OSError as error:
        raise ModelError(f"no segmenter at {folder}: {NAME}: {error.strerror or error}; name its folder") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} names no segmenter ({error}): export it again") from None
    return manifest


class NanoSegmenter:
    """MaskDecoder of getok_core.protocol over onnxruntime sessions."""

    def __init__(self, folder: Path | str, device: str = "cpu", threads: int = 0):
        self.folder, self.device, self.threads = Path(folder), device, threads
        self.manifest = read_segmenter_manifest(self.folder)
        self.sessions: dict[str, ort.InferenceSession] = {}

    def load(self, progress: Progress | None = None) -> None:
        """Opens both graphs. Slow: never call it inside a callback. Raises ModelError."""
        check_files(self.folder, self.manifest)
        with private_copy(self.folder, self.manifest) as folder:
            for done, name in enumerate(GRAPHS):
                if progress:
                    progress(f"loading {name}", done / len(GRAPHS))
                file = f"{name}.onnx"
                self.sessions[name] = open_session(folder / file, self.folder / file, self.device, self.threads)
        if progress:
            progress("ready", 1.0)

    def run(self, graph: str, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """One call of a graph."""
        session: Any = self.sessions[graph]
        return session.run(None, feeds)

    def masks(self, image: RGB, prompts: Sequence[Seeds | Box]) -> list[Mask]:
        """One mask (H, W) for each prompt in pixels of the image (H, W, 3), which is encoded once.

        Seeds beyond the places of one prompt make further prompts, whose masks are united (ours).
        """
        if not self.sessions:
            raise RuntimeError("the segmenter is not loaded: call load() first")
        size = check_image(image).shape[1::-1]
        view = View(size, (self.manifest.side, self.manifest.side))
        most = self.manifest.points
        parts = [(index, prompt, prompt.xy[at : at + most]) for index, prompt in enumerate(prompts)
                 for at in range(0, len(prompt.xy), most)]  # fmt: skip
        united = [np.zeros(image.shape[:2], np.bool_) for _ in prompts]
        features = dict(zip(FEATURES, self.run("encoder", {"image": view.resize(image)[None]}), strict=True))
        for at in range(0, len(parts), _AT_ONCE):
            group = parts[at : at + _AT_ONCE]
            asked = [padded(view.to_model(xy), isinstance(prompt, Box), most) for _, prompt, xy in group]
            points, labels = (np.stack(column)[None] for column in zip(*asked, strict=True))
            logits = self.run("decoder", {**features, "points": points, "labels": labels})[0][0]
            for (index, _, _), drawn in zip(group, logits, strict=True):
                united[index] |= inside(drawn, size)
        return [Mask(pixels) for pixels in united]


def padded(xy: XY, is_box: bool, places: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points (N, 2) in pixels of the square -> points (places, 2) and their labels (places,)."""
    points, labels = np.zeros((places, 2), np.float32), np.full(places, NOTHING, np.int64)
    points[: len(xy)], labels[: len(xy)] = xy, CORNERS if is_box else INSIDE
    return points, labels


def inside(logits: NDArray[np.float32], size: Size) -> NDArray[np.bool_]:
    """Logits (h, w) -> (H, W) bool of size (width, height): interpolated, then cut at even odds."""
    return np.asarray(cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR)) > 0
