"""One query on its way: from what a reply says in cells to what was heard in pixels of the user's image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .assembly import Found, Heard, box_of
from .carrying import Carried
from .geometry import XY
from .grammar import parse
from .lattice import Lattice
from .manifest import Manifest
from .protocol import Reply, Request
from .queries import SceneQuery
from .refine import Draft
from .scene import Fault
from .smoothing import smoothed
from .syntax import AnswerForm, Instance, Parsed
from .view import View
from .vocabulary import Vocabulary


@dataclass
class Asked:
    """A query, answered or carried over from the frame before."""

    query: SceneQuery
    request: Request
    instances: tuple[Instance, ...]
    scores: Sequence[float]
    """of each instance"""
    draft: Draft | None
    heard: Heard
    """what is known of the answer beside its instances"""
    carried: Carried | None = None

    @classmethod
    def of_reply(
        cls, query: SceneQuery, request: Request, reply: Reply, manifest: Manifest, vocabulary: Vocabulary
    ) -> Asked:
        """What a model said to a request; what is wrong with it becomes faults."""
        name = query.name or query.text
        if not (np.concatenate([reply.logp, reply.logp_near]) <= 1e-6).all():  # NaN is not, either
            broken = Fault("not a number", "the network gave what is no probability: nothing it said counts", name)
            return cls(query, request, (), (), None, Heard(query.name, [], [broken], reply.stop != "end"))
        said = _said(reply, request.form, vocabulary)
        parsed = parse(said, vocabulary, request.form)
        shaped = any(one.parts for one in parsed.instances)
        proposal = tuple(said[:-1] if parsed.closed else said)
        draft = Draft.of(request.prompt, proposal, parsed.instances, frame=request.frame) if shaped else None
        scores = [_score(instance, reply) for instance in parsed.instances]
        heard = _beside(query, reply, parsed)
        if manifest.tasks and query.name not in manifest.tasks:
            heard.faults.append(Fault("untrained question", "these weights were not trained to answer it", name))
        return cls(query, request, parsed.instances, scores, draft, heard)

    def heard_in(self, view: View, lattice: Lattice, smoothing: float) -> Heard:
        """The instances in pixels of the image that the view was made of; lines smoothed as smoothing.py says."""
        for index, (instance, score) in enumerate(zip(self.instances, self.scores, strict=True)):
            shapes = self._shapes(index, view, lattice, smoothing)
            if shapes or not instance.parts:
                ident = self.carried.ids[index] if self.carried else 0
                self.heard.found.append(Found(instance.label, score, tuple(shapes), ident))
        return self.heard

    def _shapes(self, index: int, view: View, lattice: Lattice, smoothing: float) -> list[tuple[str, XY]]:
        if self.draft is None:
            return []
        shapes: list[tuple[str, XY]] = []
        error = lattice.error_px(view.model, self.draft.steps[-1] if self.draft.steps else 0)
        for part in (part for part in self.draft.parts if part.instance == index):
            xy = self.draft.points(part, lattice, view.model)
            if part.kind == "box":
                box = box_of(xy, (2 * error[0], 2 * error[1]))
                if box is None:
                    name = self.query.name or self.query.text
                    self.heard.faults.append(Fault("inverted box", "after refinement", name))
                    continue
                xy = np.clip(box.reshape(2, 2), 0, view.model)
            elif part.kind == "pl":
                xy = np.clip(smoothed(xy, error, smoothing), 0, view.model)
            shapes.append((part.kind, view.to_image(xy)))
        return shapes


def _said(reply: Reply, form: AnswerForm, vocabulary: Vocabulary) -> list[int]:
    """The ids of a reply; when a deadline cut it, without the object that was still open."""
    ids: list[int] = reply.ids.tolist()
    if reply.stop != "deadline" or not parse(ids, vocabulary, form).faults:
        return ids
    return ids[: max((at for at, token in enumerate(ids) if token == vocabulary.newline), default=0)]


def _beside(query: SceneQuery, reply: Reply, parsed: Parsed) -> Heard:
    """What a reply says beside its instances."""
    faults = [replace(fault, query=query.name or query.text) for fault in parsed.faults]
    none = float(np.exp(reply.logp[list(parsed.none_at)].mean())) if parsed.none_at else 0.0
    return Heard(query.name, [], faults, reply.stop != "end", none)


def _score(instance: Instance, reply: Reply) -> float:
    """Geometric mean over label and vertex tokens of the probability before masking (FORMAT.md, section 6)."""
    at = [*instance.label_at, *(place for part in instance.parts for place in part.at)]
    return float(np.exp(reply.logp_near[at].mean())) if at else 0.0
