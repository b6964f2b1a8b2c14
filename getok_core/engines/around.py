"""An engine around another one: what it does not do itself, the engine behind does."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol import Engine, Frames, Limits, Offsets, Progress, Reply, Request
from ..refine import Draft
from ..view import RGB


class EngineAround:
    """Engine of getok_core.protocol, to be derived from."""

    def __init__(self, engine: Engine):
        self.engine, self.manifest, self.caps, self.device = engine, engine.manifest, engine.caps, engine.device
        self.vocabulary = engine.vocabulary

    def load(self, progress: Progress | None = None) -> None:
        """Loads the engine behind."""
        self.engine.load(progress)

    def open(self, images: Sequence[RGB]) -> Frames:
        """As the engine behind."""
        return self.engine.open(images)

    def close(self) -> None:
        """Closes the engine behind."""
        self.engine.close()


class FramesAround:
    """Frames of getok_core.protocol, to be derived from."""

    def __init__(self, frames: Frames):
        self._frames, self.seconds = frames, frames.seconds

    def __enter__(self) -> Frames:
        self._frames.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._frames.__exit__(*reason)

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        return self._frames.propose(requests, limits)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        return self._frames.refine(drafts, limits)
