"""The nano as a policy of reinforcement learning."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from getok_core.engines.nano_network import Nano, Picture
from getok_core.protocol import Engine
from getok_core.reading import packed
from getok_core.view import RGB

from .checkpoint import Ema, load_training, save_training
from .policy import Policy, Reading
from .torch_engine import torch_engine

DECAY = 0.95
"""of the averaged weights, a step"""
SEEN = 64


class NanoPolicy:
    """The nano. Its normalisation layers keep their statistics: sampling and reading see the same network."""

    def __init__(self, model: Nano, eye: bool = True, tokens: int = 160):
        """eye: whether the vision learns as well, its backbone excepted; tokens: most in an answer."""
        self.model = model.eval()
        model.eye.requires_grad_(eye)
        model.eye.backbone.requires_grad_(False)
        model.dense.requires_grad_(False)
        self._engine = torch_engine(model, tokens=tokens)
        self.average = Ema(model, DECAY)
        self._seen: OrderedDict[bytes, tuple[Tensor, Tensor]] | None = None if eye else OrderedDict()
        """what a still eye saw of the last SEEN images: sampling, the reference and learning look at the same ones"""

    @property
    def engine(self) -> Engine:
        """The nano in torch, over the weights that learn."""
        return self._engine

    def trained(self) -> list[torch.nn.Parameter]:
        """Every weight but the backbone's, and without the eye the decoder's alone."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def frozen(self) -> Policy:
        """A copy that no longer learns."""
        still = NanoPolicy(copy.deepcopy(self.model), False, self._engine.manifest.tokens)
        still.model.requires_grad_(False)
        still._seen = self._seen
        return still

    def settle(self) -> None:
        """The average of the weights takes a step."""
        self.average.update(self.model)

    def save(self, out: Path, learn: torch.optim.Optimizer, done: int) -> None:
        """As training.sft writes them, so that export and evaluation take them alike. Raises ModelError."""
        save_training(out, self.model, learn, self.average, {"samples": 0, "step": done}, self.model.config)

    def restore(self, out: Path, learn: torch.optim.Optimizer) -> int:
        """As Policy.restore. Raises ModelError on a checkpoint of another network."""
        return int(load_training(out, self.model, learn, self.average).get("step", 0))

    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        """As Policy.read; sequences over one image are one batch, over an image that is encoded once."""
        read: dict[int, Tensor] = {}
        order = sorted(range(len(readings)), key=lambda index: readings[index].frame)
        for frame, some in groupby(order, lambda index: readings[index].frame):
            mine = list(some)
            picture = self.model.understood(*self._look(images[frame]))
            read.update(zip(mine, self._over(picture, [readings[index] for index in mine]), strict=True))
        return [read[index] for index in range(len(readings))]

    def _look(self, image: RGB) -> tuple[Tensor, Tensor]:
        """What the eye sees of an image, (1, P, dim) and (1, n * n, dim)."""
        key = hashlib.sha256(image.tobytes()).digest() if self._seen is not None else b""
        if self._seen is not None and key in self._seen:
            return self._seen[key]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.model.embedding.weight.device)[None]
        seen: tuple[Tensor, Tensor] = self.model.eye(pixels.permute(0, 3, 1, 2).float())
        if self._seen is not None:
            self._seen[key] = seen
            while len(self._seen) > SEEN:
                self._seen.popitem(last=False)
        return seen

    def _over(self, picture: Picture, readings: Sequence[Reading]) -> list[Tensor]:
        device = picture.cells.device
        ids, position, mask = (torch.from_numpy(a).to(device) for a in packed([reading.ids for reading in readings]))
        hidden, _ = self.model.hidden(ids, position, picture, mask=mask)
        first = [ids.shape[1] - len(reading.ids) for reading in readings]
        states = [hidden[row, [at + place for place in reading.places]]
                  for row, (at, reading) in enumerate(zip(first, readings, strict=True))]  # fmt: skip
        logits = self.model.logits(torch.cat(states)[None], picture)[0].float()
        ends = np.cumsum([len(some) for some in states]).tolist()
        return [logits[end - len(some) : end] for end, some in zip(ends, states, strict=True)]
