"""Any engine, refining as the paper does: offsets decoded one after another instead of read in one pass.

For engines without a one-pass refinement, and to show beside it what one pass costs and saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..protocol import Engine, Frames, Limits, Offsets, Reply, Request
from ..refine import Draft
from ..syntax import AnswerForm
from ..view import RGB
from ..vocabulary import OFFSETS, offset_ids
from .around import EngineAround, FramesAround

_ANY = AnswerForm("any")
_STAY = int(offset_ids(np.zeros(2, np.int64)))


class SequentialEngine(EngineAround):
    """Engine of getok_core.protocol; all but refining is left to the engine behind."""

    def __init__(self, engine: Engine):
        super().__init__(engine)
        self.caps = replace(engine.caps, one_pass_refine=False)

    def open(self, images: Sequence[RGB]) -> Frames:
        """As the engine behind."""
        return _SequentialFrames(self, super().open(images))


class _SequentialFrames(FramesAround):
    def __init__(self, engine: SequentialEngine, frames: Frames):
        super().__init__(frames)
        self._engine = engine

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """All drafts side by side, a token a step. A vertex that a deadline cut off stays where it is."""
        vocabulary = self._engine.vocabulary
        requests = [
            Request(tuple(draft.sequential_prompt(vocabulary)), _ANY, draft.frame, draft=draft) for draft in drafts
        ]
        replies = self._frames.propose(requests, limits)
        return [self._offsets(draft, reply) for draft, reply in zip(drafts, replies, strict=True)]

    def _offsets(self, draft: Draft, reply: Reply) -> Offsets:
        gaps = [token is None for token in draft.sequential_script(self._engine.vocabulary)]
        at = np.flatnonzero(gaps[: len(reply.ids)])
        ids = np.full(draft.slots, _STAY)
        logp = np.full(draft.slots, -np.log(1 + len(OFFSETS)))
        ids[: len(at)], logp[: len(at)] = reply.ids[at], reply.logp_legal[at]
        return Offsets(ids, logp)
