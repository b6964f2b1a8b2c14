"""Questions about rendered frames with the truth that their rewards compare replies with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.lattice import Lattice
from getok_core.protocol import MaskDecoder, Request, Sampling
from getok_core.queries import STANDING, SceneQuery
from getok_core.vocabulary import Vocabulary

from .questions import referred_targets, referring_questions
from .rewards import Masked, SeedMasks, Truth, unmasked
from .rewards.instances import SIDE
from .targets import Frame, Target, scene_targets


@dataclass(frozen=True, eq=False)
class Question:
    """Something asked about one of the images at hand, with its truth."""

    frame: int
    query: SceneQuery
    prompt: tuple[int, ...]
    truths: tuple[Truth, ...]
    masked: Masked = unmasked

    def request(self, sampling: Sampling) -> Request:
        return Request(self.prompt, self.query.form, self.frame, sampling=sampling)


def questions_of(
    at: int, frame: Frame, lattice: Lattice, vocabulary: Vocabulary, rng: np.random.Generator,
    tasks: Sequence[str], most: int, decoder: MaskDecoder | None = None,
) -> list[Question]:  # fmt: skip
    """At most so many questions about a frame at the model's own size, which is number `at` of those at hand."""
    masked: Masked = SeedMasks(decoder, frame.image) if decoder else unmasked
    standing = [query for query in STANDING if query.name in tasks and query.name in frame.known]
    targets = scene_targets(frame, lattice)
    found = [(query, [truth_of(target, n=lattice.n) for target in targets[query.name]]) for query in standing]
    for query, meant in referring_questions(frame, rng, most) if frame.things else ():
        if query.name in tasks:
            found.append((query, list(_referred(query, meant, frame, lattice))))
    chosen = [found[int(index)] for index in rng.permutation(len(found))[:most]]
    return [
        Question(at, query, query.prompt(vocabulary, lattice, frame.size), tuple(truths), masked)
        for query, truths in chosen
    ]


def truth_of(target: Target, mask: NDArray[np.bool_] | None = None, n: int = 32) -> Truth:
    """A target as rewards compare it."""
    xy: XY = target.uv * (SIDE / n)
    box = np.concatenate([xy.min(axis=0), xy.max(axis=0)])
    kind = "seg" if target.seeds is not None else target.kind
    return Truth(target.label, kind, box, xy if kind in ("pl", "poly") else None, mask)


def _referred(query: SceneQuery, meant: Sequence[int], frame: Frame, lattice: Lattice) -> Iterator[Truth]:
    for index in meant:
        for target in referred_targets(query, frame, [index], lattice):
            mask = None if frame.ids is None else frame.ids == frame.things[index].ident
            truth = truth_of(target, None if query.name == "referred boxes" else mask, lattice.n)
            if truth.kind == "pt":
                box = lattice.to_cells(frame.things[index].box.reshape(2, 2), frame.size) * (SIDE / lattice.n)
                truth = replace(truth, box=box.reshape(4))
            yield truth
