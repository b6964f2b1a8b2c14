"""Any engine, with every token it says kept as it passes: what a replay compares with what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..protocol import Engine, Frames, Limits, Offsets, Progress, Reply, Request
from ..refine import Draft
from ..view import RGB


@dataclass
class Spoken:
    """One request: what was asked, what was said, and what each round of refinement read at its vertices."""

    asked: str
    """the prompt, spelled"""
    tokens: list[str]
    """the answer, a spelling a token"""
    stop: str
    rounds: list[list[str]] = field(default_factory=list[list[str]])


class TappedEngine:
    """Engine of getok_core.protocol; `spoken` grows with every request until the caller clears it."""

    def __init__(self, engine: Engine):
        self.engine, self.manifest, self.caps, self.device = engine, engine.manifest, engine.caps, engine.device
        self.vocabulary = engine.vocabulary
        self.spoken: list[Spoken] = []

    def load(self, progress: Progress | None = None) -> None:
        """Loads the engine behind."""
        self.engine.load(progress)

    def open(self, images: Sequence[RGB]) -> Frames:
        """As the engine behind."""
        return _TappedFrames(self, self.engine.open(images))

    def close(self) -> None:
        """Closes the engine behind."""
        self.engine.close()

    def spelled(self, ids: Sequence[int]) -> list[str]:
        """A spelling a token; an id outside the vocabulary is `<?7>`."""
        tokens = self.vocabulary.tokens
        return [tokens[token] if 0 <= token < len(tokens) else f"<?{token}>" for token in ids]


class _TappedFrames:
    def __init__(self, tap: TappedEngine, frames: Frames):
        self._tap, self._frames, self.seconds = tap, frames, frames.seconds
        self._by_prompt: dict[tuple[int, tuple[int, ...]], Spoken] = {}

    def __enter__(self) -> _TappedFrames:
        self._frames.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._frames.__exit__(*reason)

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        replies = self._frames.propose(requests, limits)
        for request, reply in zip(requests, replies, strict=True):
            asked = self._tap.vocabulary.spell(request.prompt)
            spoken = Spoken(asked, self._tap.spelled(reply.ids.tolist()), reply.stop)
            self._by_prompt[request.frame, request.prompt] = spoken
            self._tap.spoken.append(spoken)
        return replies

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        read = self._frames.refine(drafts, limits)
        for draft, offsets in zip(drafts, read, strict=True):
            self._by_prompt[draft.frame, draft.prompt].rounds.append(self._tap.spelled(offsets.ids.tolist()))
        return read
