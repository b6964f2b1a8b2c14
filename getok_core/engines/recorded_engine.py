"""Answers that were recorded, given again: for tests without weights. Keyed by digests of picture and prompt.

`load_engine` never returns it, so neither the demo nor the node can reach it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..manifest import Manifest
from ..protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from ..queries import standard_vocabulary
from ..refine import Draft
from ..view import RGB


def key_of(image: RGB, tokens: Sequence[int]) -> str:
    """Digest of a picture as the model sees it and of what was asked, 16 hex digits."""
    digest = hashlib.sha256(image.tobytes())
    digest.update(np.asarray(tokens, np.int64).tobytes())
    return digest.hexdigest()[:16]


Spoken = tuple[list[int], list[float]]
"""token ids and their log-probabilities"""
Table = dict[str, Spoken]


@dataclass
class Recording:
    """Token ids and log-probabilities by key."""

    replies: Table = field(default_factory=dict[str, Spoken])
    offsets: Table = field(default_factory=dict[str, Spoken])

    def save(self, path: Path) -> None:
        """Writes JSON."""
        path.write_text(json.dumps({"replies": self.replies, "offsets": self.offsets}) + "\n")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Reads what save wrote. Raises ModelError on anything else."""
        try:
            raw = json.loads(path.read_text())
            return cls(raw["replies"], raw["offsets"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"no recording can be read at {path}: {error}") from None


class RecordedEngine:
    """Engine of getok_core.protocol that looks every answer up. Raises ModelError for one that was not recorded."""

    def __init__(self, manifest: Manifest, recording: Recording):
        self.manifest, self.recording = manifest, recording
        self.caps, self.device = Caps(), "recorded"
        self.vocabulary = standard_vocabulary(manifest.lattice)

    def load(self, progress: Progress | None = None) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def open(self, images: Sequence[RGB]) -> Frames:
        """Images as the manifest's view wants them."""
        return _RecordedFrames(self, images)


class _RecordedFrames:
    def __init__(self, engine: RecordedEngine, images: Sequence[RGB]):
        self._engine, self._images, self.seconds = engine, list(images), 0.0

    def __enter__(self) -> _RecordedFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._images = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        return [self._reply(request, limits) for request in requests]

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        return [self._offsets(draft) for draft in drafts]

    def _reply(self, request: Request, limits: Limits) -> Reply:
        tokens = [*request.prompt, *request.begun]
        ids, logp = _found(self._engine.recording.replies, self._images[request.frame], tokens)
        stop = "cap" if len(ids) >= limits.tokens else "end"
        values = np.asarray(logp, np.float64)
        return Reply(np.asarray(ids, np.int64), values, values, values, stop)

    def _offsets(self, draft: Draft) -> Offsets:
        vocabulary = self._engine.vocabulary
        ids, logp = _found(self._engine.recording.offsets, self._images[draft.frame], draft.sequence(vocabulary)[0])
        return Offsets(np.asarray(ids, np.int64), np.asarray(logp, np.float64))


def _found(table: Table, image: RGB, tokens: Sequence[int]) -> Spoken:
    key = key_of(image, tokens)
    if key not in table:
        raise ModelError(f"nothing was recorded under {key} for this picture and prompt: record it first")
    return table[key]
