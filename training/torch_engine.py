"""A checkpoint as an Engine, in torch: what training and evaluation use before anything is exported."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from getok_core.decoding import decode_frames
from getok_core.engines.onnx_engine import offsets_of, packed
from getok_core.manifest import Manifest
from getok_core.protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from getok_core.queries import PROMPT_VERSION, TASKS, standard_vocabulary
from getok_core.refine import Draft
from getok_core.view import RGB

from .checkpoint import load_average
from .nano import Nano
from .torch_stepper import TorchStepper


class TorchEngine:
    """Engine of getok_core.protocol over the nano in torch."""

    def __init__(self, model: Nano, name: str = "nano-checkpoint", refinements: int = 1, tokens: int = 160):
        c = model.config
        self.model, self.caps, self.device = model.eval(), Caps(), str(model.embedding.weight.device)
        self.vocabulary = standard_vocabulary(c.n)
        self.manifest = Manifest(name, "getok-nano", c.n, self.vocabulary.digest, PROMPT_VERSION, (c.width, c.height),
                                 "float32", refinements, tokens, {}, ("torch",), tuple(TASKS))  # fmt: skip

    @classmethod
    def of(cls, run: Path) -> TorchEngine:
        """The averaged weights of a training run. Raises ModelError as load_average does."""
        return cls(load_average(run), run.name)

    def load(self, progress: Progress | None = None) -> None:
        """Nothing to do: the weights are there."""

    def close(self) -> None:
        """Nothing to free."""

    def open(self, images: Sequence[RGB]) -> Frames:
        """Images of the model's size, (H, W, 3) uint8."""
        return _TorchFrames(self, images)


class _TorchFrames:
    def __init__(self, engine: TorchEngine, images: Sequence[RGB]):
        began = time.monotonic()
        self._engine = engine
        self._pictures = [TorchStepper(engine.model, image) for image in images]
        self.seconds = time.monotonic() - began

    def __enter__(self) -> _TorchFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._pictures = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        return decode_frames(self._pictures, requests, self._engine.vocabulary, limits)

    @torch.no_grad()
    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        read = []
        for draft in drafts:
            ids, places = draft.sequence(self._engine.vocabulary)
            model, picture = self._engine.model, self._pictures[draft.frame].picture
            tokens, position, mask = (t.to(picture.cells.device) for t in map(torch.from_numpy, packed([ids])))
            hidden, _ = model.hidden(tokens, position, picture, mask=mask)
            logits = model.logits(hidden[:, places], picture)[0]
            read.append(offsets_of(np.asarray(logits.float().cpu())))
        return read
