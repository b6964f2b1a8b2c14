"""The nano through onnxruntime: the picture is encoded once, all requests of a frame are decoded as one batch over it.

A CPU runs the graphs made for it, where the folder holds them: onnx_cached.py. These three run on any device. vision:
image (1, H, W, 3) uint8 -> prefix (L, 2, 1, heads, P, d), carried and matched (1, n * n, dim): what cells bring into a
sequence, and what names them. prefill: tokens over the picture -> logits of every place, keys, values; a refinement is
one call of it. step: one token more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from ..decoding import Logits, Stepper, decode_frames
from ..errors import ModelError
from ..manifest import Manifest, private_copy
from ..protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from ..queries import standard_vocabulary
from ..reading import Ids, Read, Seen, alike, packed, refine_frames
from ..refine import Draft
from ..view import RGB
from .cores import cores
from .onnx_cached import CPU_GRAPHS, CPU_PICTURE, CachedFrames
from .warming import warm_up

GRAPHS = ("vision", "prefill", "step")
PICTURE = ("prefix", "carried", "matched")
"""what the vision graph gives and the text graphs take"""
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
    """Engine of getok_core.protocol over onnxruntime sessions."""

    def __init__(self, folder: Path, manifest: Manifest, device: str = "cpu", threads: int = 0, tensorrt: bool = False,
                 portable: bool = False):  # fmt: skip
        """tensorrt: onnxruntime hands the graphs to TensorRT, and what that does not take to CUDA.

        portable: a CPU too runs the graphs that any device runs, in floats.
        """
        self.folder, self.manifest, self.device, self.threads = Path(folder), manifest, device, threads
        self.tensorrt = tensorrt
        self.caps = Caps(images_per_batch=1)
        self.vocabulary = standard_vocabulary(manifest.lattice)
        self.portable = portable or device != "cpu" or not all(f"{one}.onnx" in manifest.files for one in CPU_GRAPHS)
        self.graphs, self._picture = (GRAPHS, PICTURE) if self.portable else (CPU_GRAPHS, CPU_PICTURE)
        self.sessions: dict[str, ort.InferenceSession] = {}

    def load(self, progress: Progress | None = None) -> None:
        """Opens the graphs and runs one blank frame, so that the first real one is as fast as the rest."""
        with private_copy(self.folder, self.manifest) as folder:
            for done, name in enumerate(self.graphs):
                if progress:
                    progress(f"loading {name}", done / (len(self.graphs) + 1))
                file = f"{name}.onnx"
                self.sessions[name] = open_session(
                    folder / file, self.folder / file, self.device, self.threads, self.tensorrt
                )
        vision = cast(Any, self.sessions[self.graphs[0]])
        if [output.name for output in vision.get_outputs()] != list(self._picture):
            raise ModelError(f"{self.folder} was exported by another version of this code: export it again")
        if progress:
            progress("warming up", len(self.graphs) / (len(self.graphs) + 1))
        warm_up(self)
        if progress:
            progress("ready", 1.0)

    def open(self, images: Sequence[RGB]) -> Frames:
        """Encodes images, each (H, W, 3) uint8 of the manifest's view. Raises ValueError on another size."""
        if not self.sessions:
            raise RuntimeError("the engine is not loaded: call load() first")
        began = time.monotonic()
        wanted = (*self.manifest.view[::-1], 3)
        for image in images:
            if image.shape != wanted:
                raise ValueError(f"this engine takes images of shape {wanted}, got {image.shape}: resize with View")
        pictures = [self.run(self.graphs[0], {"image": image[None]}) for image in images]
        seconds = time.monotonic() - began
        if self.portable:
            return _OnnxFrames(self, pictures, seconds)
        return CachedFrames(self.sessions[CPU_GRAPHS[1]], pictures, self.vocabulary, seconds)

    def close(self) -> None:
        """Frees the sessions."""
        self.sessions = {}

    def run(self, graph: str, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """One call of a graph."""
        session: Any = self.sessions[graph]
        return session.run(None, feeds)


class _OnnxFrames:
    """Pictures encoded, with their prefix keys and values."""

    def __init__(self, engine: OnnxEngine, pictures: list[list[NDArray[Any]]], seconds: float):
        self._engine, self._pictures, self.seconds = engine, pictures, seconds

    def __enter__(self) -> _OnnxFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._pictures = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests; those about one picture are decoded as one batch."""
        return decode_frames(self.steppers(), requests, self._engine.vocabulary, limits)

    def steppers(self) -> list[Stepper]:
        """What decodes a batch, one a picture."""
        return [_OnnxStepper(self._engine, picture) for picture in self._pictures]

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """One forward pass over all drafts of a picture gives every offset."""
        return refine_frames([self._reader(picture) for picture in self._pictures], drafts, self._engine.vocabulary)

    def _reader(self, picture: list[NDArray[Any]]) -> Read:
        def read(ids: Ids, position: Ids, mask: Seen) -> Logits:
            return self._engine.run("prefill", feeds(picture, ids, position, mask))[0]

        return read


def open_session(copy: Path, path: Path, device: str, threads: int, tensorrt: bool = False) -> ort.InferenceSession:
    """A graph ready to run, read from a copy of what lies at path; threads 0 is one a core. Raises ModelError."""
    providers = wanted_providers(device, tensorrt)
    options = cast(Any, ort.SessionOptions())
    options.intra_op_num_threads = threads or cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(copy), options, providers)
    except Exception as error:  # onnxruntime raises many types of its own
        raise ModelError(f"{path} cannot be loaded: {_first_line(error)}") from None
    if providers[0] not in session.get_providers():  # onnxruntime itself would go on without, and slowly
        raise ModelError(f"{providers[0]} did not start: install the libraries it needs, or use another engine")
    return session


def wanted_providers(device: str, tensorrt: bool) -> list[str]:
    """Names of onnxruntime's providers, in its order of preference. Raises ModelError when one is not offered."""
    if tensorrt and device != "cuda":
        raise ModelError(f"engine 'tensorrt' does not run on {device}: use device cuda")
    wanted = ["TensorrtExecutionProvider"] if tensorrt else []
    wanted.append(_PROVIDERS[device])
    offered = cast(Any, ort).get_available_providers()
    if tensorrt and wanted[0] not in offered:
        raise ModelError(
            "engine 'tensorrt' is not offered by this onnxruntime: install onnxruntime-gpu and TensorRT, or use onnx"
        )
    if wanted[-1] not in offered:
        raise ModelError(f"device {device!r} is not offered by this onnxruntime: install onnxruntime-gpu or use cpu")
    return wanted


def feeds(picture: list[NDArray[Any]], ids: Ids, position: Ids, mask: Seen) -> dict[str, NDArray[Any]]:
    """Inputs of prefill and, with past added, of step; picture is what vision gave."""
    return {"ids": ids, "position": position, "mask": mask, **dict(zip(PICTURE, picture, strict=True))}


class _OnnxStepper:
    """Keys and values of one batch of sequences over one picture."""

    def __init__(self, engine: OnnxEngine, picture: list[NDArray[Any]]):
        self._engine, self._picture = engine, picture
        self._past: NDArray[Any] = np.zeros(0)
        self._seen: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        self._lengths: NDArray[np.int64] = np.zeros(0, np.int64)

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        self._lengths = np.asarray([len(prompt) for prompt in prompts])
        rows, longest = len(prompts), int(self._lengths.max())
        self._seen = np.arange(longest) >= longest - self._lengths[:, None]
        last, past = np.empty((rows, self._engine.vocabulary.size), np.float32), None
        for group in alike(self._lengths.tolist()):
            ids, position, mask = packed([prompts[row] for row in group])
            logits, present = self._engine.run("prefill", feeds(self._picture, ids, position, mask))
            if past is None:
                layers, two, _, heads, _, dim = present.shape
                past = np.zeros((layers, two, rows, heads, longest, dim), present.dtype)
            last[group], past[:, :, group, :, -ids.shape[1] :] = logits[:, -1], present
        self._past = cast(NDArray[Any], past)
        return last

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        if len(rows) < len(self._lengths):
            self._past = np.ascontiguousarray(self._past[:, :, rows])
            self._seen, self._lengths = self._seen[rows], self._lengths[rows]
        self._seen = np.concatenate([self._seen, np.ones((len(rows), 1), np.bool_)], axis=1)
        inputs = feeds(self._picture, tokens[:, None], self._lengths[:, None], self._seen[:, None])
        logits, self._past = self._engine.run("step", {**inputs, "past": self._past})
        self._lengths = self._lengths + 1
        return logits[:, -1]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
