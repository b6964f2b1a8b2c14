"""A Qwen2.5-VL folder as an Engine, in torch: vision and prefix once an image, then all requests as one batch.

Made for a GPU, where every piece is a CUDA graph; on a CPU the same code runs as it stands.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..decoding import by_frame, decode
from ..errors import ModelError
from ..lattice import Lattice
from ..manifest import Manifest
from ..protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from ..queries import STANDING, TASKS
from ..refine import Draft
from ..view import RGB
from ..vocabulary import Vocabulary
from .base_vocabulary import BaseVocabulary
from .cores import cores
from .qwen_decoding import Decoder, followed
from .qwen_language import Cache
from .qwen_network import QwenNetwork, read_qwen
from .qwen_passes import Passes, PlainStepper
from .qwen_pixels import Pixels
from .replayed import Replays

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
WARM_UP_TOKENS = 6
"""of the blank frame's answers"""
BEGUN_TOKENS = 8
"""with which an object drawn from its anchor begins, at most"""


class TorchEngine:
    """Engine of getok_core.protocol over Qwen2.5-VL."""

    def __init__(self, folder: Path, manifest: Manifest, device: str = "cpu", threads: int = 0, plain: bool = False,
                 base: BaseVocabulary | None = None, pixels: Pixels | None = None):  # fmt: skip
        """threads: of the CPU, 0 for one a core. plain: decode as the reference does, reading all anew every step.

        base, pixels: None for those of the folder. Raises ModelError where it lacks them.
        """
        self.folder, self.manifest, self.device, self.threads = Path(folder), manifest, device, threads
        self.caps, self.plain = Caps(images_per_batch=1), plain
        self.base, self.pixels = base or BaseVocabulary.read(folder, manifest.lattice), pixels or Pixels.read(folder)
        self.vocabulary: Vocabulary = self.base
        self.network: QwenNetwork | None = None

    @classmethod
    def of(cls, model: Any, folder: Path, manifest: Manifest, plain: bool = False) -> TorchEngine:
        """An engine over the library's model, which is there already, such as one in training; ready to be asked."""
        engine = cls(folder, manifest, model.device.type, plain=plain)
        engine._run(model)
        return engine

    @classmethod
    def over(cls, model: Any, base: BaseVocabulary, pixels: Pixels, manifest: Manifest) -> TorchEngine:
        """As `of`, where no folder holds tokenizer and preprocessor, such as a network of random weights."""
        engine = cls(Path(), manifest, model.device.type, base=base, pixels=pixels)
        engine._run(model)
        return engine

    def load(self, progress: Progress | None = None) -> None:
        """Reads the weights and runs one blank frame, which makes the graphs. Raises ModelError."""
        if self.network is not None:
            return
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ModelError("device 'cuda' is not offered by this torch: install torch for CUDA or use cpu")
        tell: Progress = progress or _silent
        if self.device == "cpu":
            torch.set_num_threads(self.threads or cores())
        tell("reading weights", 0.0)
        precision = self.manifest.precision if self.device == "cuda" else "float32"
        self._run(read_qwen(self.folder, self.device, PRECISIONS.get(precision, torch.bfloat16)))
        if precision == "float8":
            self.shrink()
        tell("warming up", 0.7)
        self._warm_up()
        tell("ready", 1.0)

    def _run(self, model: Any) -> None:
        network = QwenNetwork(model, self.base, self.manifest.view, self.pixels)
        self.replays = Replays(network.device)
        self.prefix = network.prefix()
        self.passes = Passes(network, self.prefix, self.replays)
        self.decoder = Decoder(network, self.passes, self.replays)
        width, height = self.manifest.view
        self._pixels = torch.zeros(height, width, 3, dtype=torch.uint8, device=network.device)
        self._embedded = torch.zeros(network.prefix_tokens, network.language.width, dtype=network.dtype,
                                     device=network.device)  # fmt: skip
        self.network = network

    def _warm_up(self) -> None:
        """Makes all graphs of a scene, of lists in one sequence and from anchors, and draws a blank one."""
        assert self.network is not None
        lattice, (width, height) = Lattice(self.manifest.lattice), self.manifest.view
        requests = [Request(one.prompt(self.vocabulary, lattice, self.manifest.view), one.form) for one in STANDING]
        lists = [task.form for task in TASKS.values() if task.anchors_prompt]
        forms = [*(one.form for one in requests), *(part for form in lists for part in (form.anchors(), form.one()))]
        longest = max(len(self.network.chat.turns(one.prompt)[0]) for one in requests) + BEGUN_TOKENS
        self.decoder.prepare(forms, longest, self.manifest.tokens)
        with self.open([np.zeros((height, width, 3), np.uint8)]) as frames:
            frames.propose(requests, Limits(tokens=WARM_UP_TOKENS))

    def open(self, images: Sequence[RGB]) -> Frames:
        """Encodes images, each (H, W, 3) uint8 of the manifest's view. Raises ValueError on another size."""
        if self.network is None:
            raise RuntimeError("the engine is not loaded: call load() first")
        return _QwenFrames(self, self.network, images)

    def see(self, image: RGB) -> None:
        """Puts an image's embeddings in place."""
        assert self.network is not None
        network = self.network
        work = self.replays.of("see", lambda: lambda: _put(self._embedded, network.see(self._pixels)))
        self._pixels.copy_(network.pixels(image))
        work()

    def prefill(self) -> None:
        """The embeddings in place -> the prefix in place."""
        assert self.network is not None
        network = self.network
        self.replays.of("prefill", lambda: lambda: network.open(self._embedded, self.prefix))()

    def compile(self) -> None:
        """Lets torch fuse small kernels: minutes at first, then fewer of them in every step. The tokens stay."""
        assert self.network is not None
        self.network.vision.compile()
        self.network.language.compile()
        self.decoder.compile()

    def shrink(self) -> None:
        """Weights of the language model in 8 bits: faster steps, and answers that may differ."""
        assert self.network is not None
        self.network.language.shrink()
        self.replays.clear()

    def wait(self) -> None:
        """Until the device has done what was queued."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def close(self) -> None:
        """Frees the network and the graphs."""
        if self.network is not None:
            self.replays.clear()
            del self.decoder, self.passes, self.prefix
            self.network = None


def _silent(what: str, share: float) -> None:
    """Tells nobody."""


def _put(into: torch.Tensor, value: torch.Tensor) -> None:
    into.copy_(value)


class _QwenFrames:
    """Prefixes of images; the one in work lies where the graphs look."""

    def __init__(self, engine: TorchEngine, network: QwenNetwork, images: Sequence[RGB]):
        began = time.monotonic()
        self._engine, self._network = engine, network
        self._kept: list[Cache] = []
        for image in images:
            engine.see(image)
            engine.prefill()
            self._kept.append(Cache(engine.prefix.keys.clone(), engine.prefix.values.clone()))
        engine.wait()
        self.seconds = time.monotonic() - began

    def __enter__(self) -> _QwenFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._kept = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests; those about one image are decoded as one batch."""
        replies: dict[int, Reply] = {}
        for frame, mine in by_frame(len(self._kept), requests):
            self._take(frame)
            fast = [index for index in mine if not self._engine.plain and followed(requests[index])]
            rest = [index for index in mine if index not in fast]
            if fast:
                said = self._engine.decoder.propose([requests[index] for index in fast], limits)
                replies.update(zip(fast, said, strict=True))
            if rest:
                stepper = PlainStepper(self._engine.passes)
                said = decode(stepper, [requests[index] for index in rest], self._engine.vocabulary, limits)
                replies.update(zip(rest, said, strict=True))
        return [replies[index] for index in range(len(requests))]

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """One pass over all drafts of an image reads every offset."""
        read: dict[int, Offsets] = {}
        for frame, mine in by_frame(len(self._kept), drafts):
            self._take(frame)
            read.update(zip(mine, self._engine.passes.refine([drafts[index] for index in mine]), strict=True))
        return [read[index] for index in range(len(drafts))]

    def _take(self, frame: int) -> None:
        """Puts an image's prefix in place."""
        self._engine.prefix.keys.copy_(self._kept[frame].keys)
        self._engine.prefix.values.copy_(self._kept[frame].values)
