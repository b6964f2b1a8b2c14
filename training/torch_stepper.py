"""The nano in torch as a Stepper: the reference that exported graphs must agree with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from getok_core.decoding import Logits
from getok_core.engines.onnx_engine import packed

from .nano import Nano


class TorchStepper:
    """Decodes over one image (H, W, 3) uint8 of the model's size."""

    @torch.no_grad()
    def __init__(self, model: Nano, image: NDArray[np.uint8]):
        self.model = model
        device = model.embedding.weight.device
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device)[None]
        self.picture = model.look(pixels.permute(0, 3, 1, 2).float())
        self.past: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.seen = torch.zeros(0, 0, dtype=torch.bool)
        self.lengths = torch.zeros(0, dtype=torch.int64)

    @torch.no_grad()
    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        ids, position, mask = map(torch.from_numpy, packed(prompts))
        logits = self._run(ids, position, mask, None)
        self.seen, self.lengths = mask[:, -1], position[:, -1] + 1
        return logits

    @torch.no_grad()
    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        chosen = torch.from_numpy(rows)
        self.past = [(k[chosen], v[chosen]) for k, v in self.past]
        self.seen = torch.cat([self.seen[chosen], torch.ones(len(rows), 1, dtype=torch.bool)], dim=1)
        self.lengths = self.lengths[chosen]
        logits = self._run(torch.from_numpy(tokens)[:, None], self.lengths[:, None], self.seen[:, None], self.past)
        self.lengths = self.lengths + 1
        return logits

    def _run(self, ids: torch.Tensor, position: torch.Tensor, mask: torch.Tensor,
             past: list[tuple[torch.Tensor, torch.Tensor]] | None) -> Logits:  # fmt: skip
        device = self.picture.cells.device
        on = [tensor.to(device) for tensor in (ids, position, mask)]
        hidden, self.past = self.model.hidden(on[0], on[1], self.picture, past, on[2])
        return self.model.logits(hidden[:, -1:], self.picture)[:, 0].float().cpu().numpy()
