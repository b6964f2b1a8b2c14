"""An engine made to draw a forced scene: it does all of its work, then says what the script says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..decoding import Logits, Stepper, decode_frames
from ..engines.around import EngineAround, FramesAround
from ..protocol import Engine, Frames, Limits, Offsets, Reply, Request
from ..refine import Draft
from ..view import RGB
from ..vocabulary import offset_ids
from .forced_scene import ForcedScene, Script

_STAY = int(offset_ids(np.zeros(2, np.int64)))


class Steps(Frames, Protocol):
    """Frames of the nano's engines: they decode step by step in this process."""

    def steppers(self) -> list[Stepper]: ...


class ForcedEngine(EngineAround):
    """It answers standing queries only."""

    def __init__(self, engine: Engine, scene: ForcedScene):
        super().__init__(engine)
        script = Script(scene, self.vocabulary, self.manifest.view)
        self.said = {request.prompt: script.said(request) for request in script.requests}
        """prompt -> answer"""

    def open(self, images: Sequence[RGB]) -> Frames:
        """As the engine behind."""
        return _ForcedFrames(self, cast(Steps, self.engine.open(images)))


class _ForcedFrames(FramesAround):
    def __init__(self, engine: ForcedEngine, frames: Steps):
        super().__init__(frames)
        self._engine, self._steps = engine, frames

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        forced = [_ForcedStepper(stepper, self._engine.said) for stepper in self._steps.steppers()]
        return decode_frames(forced, requests, self._engine.vocabulary, limits)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """As the engine behind, and no vertex moves or goes: every round has all of them."""
        offsets = super().refine(drafts, limits)
        return [Offsets(np.full_like(one.ids, _STAY), one.logp) for one in offsets]


class _ForcedStepper:
    """The token that a sequence shall say next gets a logit that none comes near."""

    def __init__(self, stepper: Stepper, said: dict[tuple[int, ...], list[int]]):
        self._stepper, self._said = stepper, said
        self._left: list[list[int]] = []
        """what each row has yet to say"""

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        self._left = [list(self._said[tuple(prompt)]) for prompt in prompts]
        return self._forced(self._stepper.start(prompts))

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        self._left = [self._left[row] for row in rows]
        return self._forced(self._stepper.step(rows, tokens))

    def _forced(self, logits: Logits) -> Logits:
        for row, left in zip(logits, self._left, strict=True):
            row[left.pop(0)] = 1e4
        return logits
