"""The nano as a policy of reinforcement learning."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from getok_core.engines.nano_network import Nano, Picture
from getok_core.protocol import Engine
from getok_core.reading import packed
from getok_core.view import RGB

from .checkpoint import Ema, load_training, save_training
from .policy import Policy, Reading
from .wide_engine import WideEngine, rows_of, stacked

DECAY = 0.95
"""of the averaged weights, a step"""
SEEN, ROWS, AT_ONCE = 64, 256, 2**20
"""images whose eye's view is kept; sequences in one forward pass, and in one backward pass: as many as there are"""


class NanoPolicy:
    """The nano. Its normalisation layers keep their statistics: sampling and reading see the same network."""

    def __init__(self, model: Nano, eye: bool = True, tokens: int = 160):
        """eye: whether the vision learns as well, its backbone excepted; tokens: most in an answer."""
        self.model = model.eval()
        model.eye.requires_grad_(eye)
        model.eye.backbone.requires_grad_(False)
        model.dense.requires_grad_(False)
        self._engine = WideEngine.over(model, tokens)
        self.average = Ema(model, DECAY)
        self._seen: OrderedDict[bytes, tuple[Tensor, Tensor]] | None = None if eye else OrderedDict()
        """what a still eye saw: the reference and learning look at the same images"""

    @property
    def engine(self) -> Engine:
        """The nano in torch over many images at once, with the weights that learn."""
        return self._engine

    @property
    def at_once(self) -> int:
        """As Policy.at_once: the images' share of a pass is worth more than the memory."""
        return AT_ONCE

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

    def save(self, out: Path, learn: torch.optim.Optimizer, done: int, writes: bool = True) -> None:
        """As training.sft writes them, so that export and evaluation take them alike. Raises ModelError."""
        if writes:
            state = {"samples": 0, "seconds": 0, "step": done}
            save_training(out, self.model, learn, self.average, state, self.model.config)

    def restore(self, out: Path, learn: torch.optim.Optimizer) -> int:
        """As Policy.restore. Raises ModelError on a checkpoint of another network."""
        return int(load_training(out, self.model, learn, self.average).get("step", 0))

    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        """As Policy.read; sequences of like length over the images of one pass are one batch."""
        if not readings:
            return []
        order = sorted(range(len(readings)), key=lambda index: len(readings[index].ids))
        asked = sorted({reading.frame for reading in readings})
        picture = self.model.understood(*self._look([images[frame] for frame in asked]))
        read: dict[int, Tensor] = {}
        for at in range(0, len(order), ROWS):
            mine = order[at : at + ROWS]
            rows = rows_of(picture, [asked.index(readings[index].frame) for index in mine])
            read.update(zip(mine, self._over(rows, [readings[index] for index in mine]), strict=True))
        return [read[index] for index in range(len(readings))]

    def _look(self, images: Sequence[RGB]) -> tuple[Tensor, Tensor]:
        """What the eye sees of B images, (B, P, dim) and (B, n * n, dim)."""
        device = self.model.embedding.weight.device
        if self._seen is None:
            return self.model.eye(stacked(images, device))
        keys = [hashlib.sha256(image.tobytes()).digest() for image in images]
        new = [at for at, key in enumerate(keys) if key not in self._seen]
        if new:
            x, cells = self.model.eye(stacked([images[at] for at in new], device))
            self._seen.update({keys[at]: (x[row], cells[row]) for row, at in enumerate(new)})
        found = [self._seen[key] for key in keys]
        while len(self._seen) > max(SEEN, len(keys)):
            self._seen.popitem(last=False)
        return torch.stack([x for x, _ in found]), torch.stack([cells for _, cells in found])

    def _over(self, picture: Picture, readings: Sequence[Reading]) -> list[Tensor]:
        device = picture.cells.device
        ids, position, mask = (torch.from_numpy(a).to(device) for a in packed([reading.ids for reading in readings]))
        hidden, _ = self.model.hidden(ids, position, picture, mask=mask)
        places = torch.zeros(len(readings), max(len(one.places) for one in readings), dtype=torch.int64)
        for row, reading in enumerate(readings):
            pad = ids.shape[1] - len(reading.ids)
            places[row, : len(reading.places)] = torch.as_tensor(reading.places) + pad
        asked = hidden.gather(1, places.to(device)[..., None].expand(-1, -1, hidden.shape[-1]))
        logits = self.model.logits(asked, picture).float()
        return [logits[row, : len(reading.places)] for row, reading in enumerate(readings)]
