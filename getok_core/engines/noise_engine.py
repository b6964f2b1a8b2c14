"""An engine without weights whose logits are noise: legal answers that mean nothing, the same for the same picture.

For proofs about what surrounds an engine. `load_engine` never returns it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..decoding import Logits, decode_frames
from ..manifest import Manifest
from ..protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from ..queries import PROMPT_VERSION, TASKS, standard_vocabulary
from ..refine import Draft
from ..view import RGB
from ..vocabulary import CLOSE, DELETE, END_ANSWER, OFFSETS

_CLOSING = (END_ANSWER, *CLOSE.values())
_HASTE = 6.0
"""added to the logits of tokens that close something, so that answers end before the limit"""


class NoiseEngine:
    """Engine of getok_core.protocol over no network at all."""

    def __init__(self, tokens: int = 160):
        self.vocabulary = standard_vocabulary()
        self.manifest = Manifest("noise", "none", self.vocabulary.n, self.vocabulary.digest, PROMPT_VERSION, (512, 256),
                                 "none", 2, tokens, {}, ("noise",), tuple(TASKS))  # fmt: skip
        self.caps, self.device = Caps(), "cpu"

    def load(self, progress: Progress | None = None) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def open(self, images: Sequence[RGB]) -> Frames:
        """Images of any size, (H, W, 3) uint8."""
        return _NoiseFrames(self, images)


class _NoiseFrames:
    def __init__(self, engine: NoiseEngine, images: Sequence[RGB]):
        self._engine, self._seeds, self.seconds = engine, [zlib.crc32(image.tobytes()) for image in images], 0.0

    def __enter__(self) -> _NoiseFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._seeds = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        vocabulary = self._engine.vocabulary
        steppers = [_NoiseStepper(seed, vocabulary.size) for seed in self._seeds]
        return decode_frames(steppers, requests, vocabulary, limits)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        return [self._offsets(draft) for draft in drafts]

    def _offsets(self, draft: Draft) -> Offsets:
        rng = np.random.default_rng([self._seeds[draft.frame], draft.step + 1])
        return Offsets(rng.integers(DELETE + 1, DELETE + 1 + len(OFFSETS), draft.slots), np.zeros(draft.slots))


class _NoiseStepper:
    def __init__(self, seed: int, size: int):
        self._rng, self._size = np.random.default_rng(seed), size

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        return self._logits(len(prompts))

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        return self._logits(len(rows))

    def _logits(self, count: int) -> Logits:
        logits = self._rng.standard_normal((count, self._size), np.float32)
        logits[:, _CLOSING] += _HASTE
        return logits
