"""The nano in torch over many images at once: what a camera never needs, and the rollouts of training wait for.

The product decodes the requests of one image as one batch, because it has one image. Training asks about many and
samples groups of replies: here all requests of all images step side by side, each over its own picture.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from getok_core.decoding import Logits, by_frame, decode
from getok_core.engines.nano_network import Nano, Picture
from getok_core.engines.nano_torch import NanoTorchEngine, TorchStepper
from getok_core.protocol import Frames, Limits, Offsets, Reply, Request
from getok_core.reading import refine_frames
from getok_core.refine import Draft
from getok_core.view import RGB

from .torch_engine import torch_engine

AT_ONCE = 32
"""images that are encoded together"""


def rows_of(picture: Picture, rows: Sequence[int]) -> Picture:
    """The pictures (B, ...) of some images, repeated or left out as rows (K,) say -> (K, ...)."""
    at = torch.as_tensor(rows, device=picture.cells.device)
    prefix = [(k[at], v[at]) for k, v in picture.prefix]
    return Picture(prefix, picture.cells[at], picture.carried[at], picture.matched[at])


def stacked(images: Sequence[RGB], device: torch.device) -> Tensor:
    """Images (H, W, 3) uint8 -> (B, 3, H, W) float 0..255."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()


class WideEngine(NanoTorchEngine):
    """NanoTorchEngine whose frames answer all requests of all images as one batch."""

    @classmethod
    def over(cls, model: Nano, tokens: int) -> WideEngine:
        """An engine over a network in training; its weights may go on changing."""
        plain = torch_engine(model, tokens=tokens)
        engine = cls(plain.folder, plain.manifest, plain.device)
        engine.model = model
        return engine

    def open(self, images: Sequence[RGB]) -> Frames:
        """Encodes images, each (H, W, 3) uint8 of the manifest's view."""
        assert self.model is not None, "the network was closed"
        return _WideFrames(self.model, self, images)


class _WideFrames:
    """One picture of all images."""

    @torch.no_grad()
    def __init__(self, model: Nano, engine: WideEngine, images: Sequence[RGB]):
        began = time.monotonic()
        self._model, self._vocabulary, self._count = model, engine.vocabulary, len(images)
        device = model.embedding.weight.device
        seen = [model.eye(stacked(images[at : at + AT_ONCE], device)) for at in range(0, len(images), AT_ONCE)]
        x, cells = (torch.cat(column) for column in zip(*seen, strict=True))
        self._picture = model.understood(x, cells)
        self.seconds = time.monotonic() - began

    def __enter__(self) -> _WideFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        del self._picture

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests, decoded side by side. Raises ValueError on a frame not opened."""
        frames = {index: frame for frame, mine in by_frame(self._count, requests) for index in mine}
        picture = rows_of(self._picture, [frames[index] for index in range(len(requests))])
        return decode(_WideStepper(self._model, picture), requests, self._vocabulary, limits)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """One forward pass over all drafts of an image gives every offset."""
        pictures = [rows_of(self._picture, [frame]) for frame in range(self._count)]
        return refine_frames([TorchStepper(self._model, one).read for one in pictures], drafts, self._vocabulary)


class _WideStepper(TorchStepper):
    """TorchStepper over a picture with a row for each sequence."""

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        if len(rows) < len(self.picture.cells):
            self.picture = rows_of(self.picture, rows.tolist())
        return super().step(rows, tokens)
