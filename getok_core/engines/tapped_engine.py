"""Any engine, with every token it says kept as it passes: what a replay compares with what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..protocol import Engine, Frames, Limits, Offsets, Reply, Request
from ..refine import Draft
from ..view import RGB
from .around import EngineAround, FramesAround


@dataclass
class Spoken:
    """One request: what was asked, what was said, and what each round of refinement read at its vertices."""

    asked: str
    """the prompt, spelled"""
    tokens: list[str]
    """the answer, a spelling a token"""
    stop: str
    rounds: list[list[str]] = field(default_factory=list[list[str]])


class TappedEngine(EngineAround):
    """Engine of getok_core.protocol; `spoken` grows with every request until the caller clears it."""

    def __init__(self, engine: Engine):
        super().__init__(engine)
        self.spoken: list[Spoken] = []

    def open(self, images: Sequence[RGB]) -> Frames:
        """As the engine behind."""
        return _TappedFrames(self, super().open(images))

    def spelled(self, ids: Sequence[int]) -> list[str]:
        """A spelling a token; an id outside the vocabulary is `<?7>`."""
        tokens = self.vocabulary.tokens
        return [tokens[token] if 0 <= token < len(tokens) else f"<?{token}>" for token in ids]


class _TappedFrames(FramesAround):
    def __init__(self, tap: TappedEngine, frames: Frames):
        super().__init__(frames)
        self._tap = tap
        self._by_prompt: dict[tuple[int, tuple[int, ...]], Spoken] = {}

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        replies = super().propose(requests, limits)
        for request, reply in zip(requests, replies, strict=True):
            asked = self._tap.vocabulary.spell(request.prompt)
            spoken = Spoken(asked, self._tap.spelled(reply.ids.tolist()), reply.stop)
            self._by_prompt[request.frame, request.prompt] = spoken
            self._tap.spoken.append(spoken)
        return replies

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        read = super().refine(drafts, limits)
        for draft, offsets in zip(drafts, read, strict=True):
            self._by_prompt[draft.frame, draft.prompt].rounds.append(self._tap.spelled(offsets.ids.tolist()))
        return read
