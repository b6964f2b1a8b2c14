"""An engine that says nothing twice about one image: R = 0, 1 and 2 of a scene then cost what R = 2 costs alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from getok_core.protocol import Engine, Frames, Limits, Offsets, Progress, Reply, Request
from getok_core.refine import Draft
from getok_core.view import RGB


class RememberedEngine:
    """Engine of getok_core.protocol; keeps what was said of the last images until others are opened.

    A reply does not depend on what else is asked, so it may be given again; times are those of the first.
    """

    def __init__(self, engine: Engine):
        self.engine, self.manifest, self.caps, self.device = engine, engine.manifest, engine.caps, engine.device
        self.vocabulary = engine.vocabulary
        self._images: list[RGB] = []
        self._frames: Frames | None = None
        self._replies: dict[tuple[object, ...], Reply] = {}
        self._offsets: dict[tuple[object, ...], Offsets] = {}

    def load(self, progress: Progress | None = None) -> None:
        """Loads the engine behind."""
        self.engine.load(progress)

    def close(self) -> None:
        """Closes the engine behind."""
        self._forget()
        self.engine.close()

    def open(self, images: Sequence[RGB]) -> _RememberedFrames:
        """As the engine behind; the same images again are not encoded again."""
        same = len(images) == len(self._images) and all(map(np.array_equal, images, self._images))
        if not same or self._frames is None:
            self._forget()
            self._images, self._frames = list(images), self.engine.open(images).__enter__()
        return _RememberedFrames(self, self._frames)

    def propose(self, frames: Frames, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Asks only what is new."""
        keys = [(one.frame, one.prompt, one.form, one.begun, one.sampling, limits) for one in requests]
        new = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._replies}
        if new:
            self._replies.update(zip(new, frames.propose(list(new.values()), limits), strict=True))
        return [self._replies[key] for key in keys]

    def refine(self, frames: Frames, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """Reads only what is new."""
        keys = [_key(draft) for draft in drafts]
        new = {key: draft for key, draft in zip(keys, drafts, strict=True) if key not in self._offsets}
        if new:
            self._offsets.update(zip(new, frames.refine(list(new.values()), limits), strict=True))
        return [self._offsets[key] for key in keys]

    def _forget(self) -> None:
        if self._frames is not None:
            self._frames.__exit__(None, None, None)
        self._images, self._frames = [], None
        self._replies.clear()
        self._offsets.clear()


def _key(draft: Draft) -> tuple[object, ...]:
    moved = tuple((part.instance, part.vertex.tobytes(), part.offsets.tobytes()) for part in draft.parts)
    return draft.frame, draft.prompt, draft.proposal, draft.steps, draft.step, moved


class _RememberedFrames:
    def __init__(self, engine: RememberedEngine, frames: Frames):
        self._engine, self._frames, self.seconds = engine, frames, frames.seconds

    def __enter__(self) -> _RememberedFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        """The images stay open until others come."""

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        return self._engine.propose(self._frames, requests, limits)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        return self._engine.refine(self._frames, drafts, limits)
