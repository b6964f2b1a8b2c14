"""The whole flow on one screen: view -> open -> propose -> refine -> view inverse -> Scene and Answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from .asked import Asked
from .assembly import Heard, answer_of, assemble, seeds_of
from .carrying import Before, carried, trusted
from .errors import QueryError
from .lattice import Lattice, Size
from .masked import masked
from .moves import Moves, moves_of
from .protocol import Engine, Frames, Limits, MaskDecoder, Request
from .queries import STANDING, SceneQuery, check_region
from .scene import Answer, Scene
from .view import RGB, View, check_image


@dataclass(frozen=True, eq=False)
class Look:
    """One (H, W, 3) uint8 RGB image and what is asked about it."""

    image: RGB
    queries: Sequence[SceneQuery] = ()
    standing: Sequence[SceneQuery] = STANDING
    before: Before | None = None
    """the same camera's last scene: what it says is refined, and asked anew only where that fails; see carrying.py"""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a look brought."""

    scene: Scene
    answers: list[Answer]
    """one a query"""
    refinements: int
    """rounds done: fewer than asked for where the deadline came first"""
    moves: list[Moves] = field(default_factory=list[Moves])
    """what these rounds did to every vertex; empty without rounds"""


class Perceiver:
    """Asks one engine about images. Not safe to call from two threads at once."""

    def __init__(self, engine: Engine, refinements: int | None = None, deadline_s: float | None = None,
                 segmenter: MaskDecoder | None = None):  # fmt: skip
        """refinements 0..4, None for the model's own number; deadline_s: wall time one look may take.

        segmenter: makes masks of the seeds in answers, beyond that time; without one they stay points.
        """
        self.engine, self.segmenter = engine, segmenter
        self.manifest = engine.manifest
        self.refinements = self.manifest.refinements if refinements is None else refinements
        self.deadline_s = deadline_s
        self.lattice = Lattice(self.manifest.lattice)
        self.vocabulary = engine.vocabulary
        if not 0 <= self.refinements <= 4:
            raise QueryError(f"refinements must lie in 0..4, got {self.refinements}")

    @property
    def images_per_batch(self) -> int:
        """How many images the engine encodes at once with profit."""
        return self.engine.caps.images_per_batch

    def close(self) -> None:
        """Frees the model."""
        self.engine.close()

    def perceive(self, image: RGB) -> Scene:
        """(H, W, 3) uint8 RGB -> Scene in pixels of that image. Raises ImageError on another shape or type."""
        return self.look(image)[0]

    def ask(self, image: RGB, query: SceneQuery) -> Answer:
        """One question about one image. Raises ImageError, and QueryError when its region lies outside the image."""
        return self.look(image, [query], ())[1][0]

    def look(self, image: RGB, queries: Sequence[SceneQuery] = (),
             standing: Sequence[SceneQuery] = STANDING) -> tuple[Scene, list[Answer]]:  # fmt: skip
        """Standing and other queries about one image, which is encoded once; all are decoded as one batch."""
        seen = self.look_at([Look(image, queries, standing)])[0]
        return seen.scene, seen.answers

    def look_at(self, looks: Sequence[Look], refinements: int | None = None,
                deadline_s: float | None = None) -> list[Seen]:  # fmt: skip
        """Several images at once, in the order given; None for what the constructor was told.

        What a look carries over from the frame before is refined first, and asked anew where that fails; carrying.py.
        Past the deadline answers are cut off and no further refinement is begun. Times are those of the whole batch.
        """
        began = time.monotonic()
        deadline_s = self.deadline_s if deadline_s is None else deadline_s
        views = [View((check_image(look.image).shape[1], look.image.shape[0]), self.manifest.view) for look in looks]
        queries = [(query, frame) for frame, look in enumerate(looks) for query in (*look.standing, *look.queries)]
        requests = [self._request(query, views[frame].size, frame) for query, frame in queries]
        with self.engine.open([view.resize(look.image) for view, look in zip(views, looks, strict=True)]) as frames:
            at_carry = time.monotonic()
            kept = self._carry(frames, looks, views, [q for q, _ in queries], requests)
            at_propose = time.monotonic()
            left_s = None if deadline_s is None else max(deadline_s - (at_propose - began), 0.0)
            anew = [at for at in range(len(queries)) if at not in kept]
            replies = frames.propose([requests[at] for at in anew], Limits(self.manifest.tokens, left_s))
            said = {at: Asked.of_reply(queries[at][0], requests[at], one, self.manifest, self.vocabulary)
                    for at, one in zip(anew, replies, strict=True)}  # fmt: skip
            at_refine, rounds = time.monotonic(), 0
            wanted = self.refinements if refinements is None else refinements
            while rounds < wanted and (deadline_s is None or time.monotonic() - began < deadline_s):
                self._refine(frames, list(said.values()))
                rounds += 1
            vision = frames.seconds
        asked = [kept[at] if at in kept else said[at] for at in range(len(queries))]
        heard = [one.heard_in(views[one.request.frame], self.lattice, self.manifest.smoothing) for one in asked]
        done = time.monotonic()
        seconds = {
            "vision": vision,
            "propose": at_refine - at_propose,
            "refine": at_propose - at_carry + done - at_refine,
            "total": done - began,
        }
        of_frame = iter(zip(asked, heard, strict=True))
        return [
            self._seen([next(of_frame) for _ in (*look.standing, *look.queries)], look, view, seconds, rounds)
            for look, view in zip(looks, views, strict=True)
        ]

    def _seen(self, brought: list[tuple[Asked, Heard]], look: Look, view: View, seconds: dict[str, float],
              rounds: int) -> Seen:  # fmt: skip
        count, title, heard = len(look.standing), self.manifest.title, [one for _, one in brought]
        scene = assemble(heard[:count], view.size, seconds, title)
        scene = replace(scene, tracked=any(one.carried is not None for one, _ in brought))
        answers = [answer_of(one, view.size, seconds, title) for one in heard[count:]]
        if self.segmenter is not None:
            answers = _with_masks(self.segmenter, look.image, answers, heard[count:])
        drafts = ((one.instances, one.draft) for one, _ in brought if one.draft and one.draft.steps)
        moves = [move for said, draft in drafts for move in moves_of(said, draft, self.lattice, view)]
        return Seen(scene, answers, rounds, moves)

    def _request(self, query: SceneQuery, size: Size, frame: int) -> Request:
        if query.region is not None:
            query = replace(query, region=check_region(query.region, size))
        prompt = query.prompt(self.vocabulary, self.lattice, size)
        if len(prompt) > 600:
            raise QueryError(f"the question takes {len(prompt)} tokens with its region and options: at most 600 fit")
        return Request(prompt, query.form, frame)

    def _carry(self, frames: Frames, looks: Sequence[Look], views: Sequence[View], queries: Sequence[SceneQuery],
               requests: Sequence[Request]) -> dict[int, Asked]:  # fmt: skip
        """The queries that the frame before answers well enough, refined, by their place."""
        kept: dict[int, Asked] = {}
        for at, (query, one) in enumerate(zip(queries, requests, strict=True)):
            before, view = looks[one.frame].before, views[one.frame]
            if before is None or query not in looks[one.frame].standing:
                continue
            found = carried(query, one.prompt, before, view, self.lattice, self.vocabulary, one.frame)
            if found is not None:
                kept[at] = Asked(query, one, found.instances, found.scores, found.draft, Heard(query.name), found)
        for done in range(max((look.before.rounds for look in looks if look.before and kept), default=0)):
            befores = ((one, looks[one.request.frame].before) for one in kept.values())
            self._refine(frames, [one for one, before in befores if before and done < before.rounds])
        return {at: one for at, one in kept.items() if one.carried and one.draft
                and trusted(one.carried.draft, one.draft)}  # fmt: skip

    def _refine(self, frames: Frames, asked: list[Asked]) -> None:
        """One round for every query that has vertices left."""
        open_ = [one for one in asked if one.draft is not None and one.draft.slots]
        limits = Limits(self.manifest.tokens)
        read = frames.refine([one.draft for one in open_ if one.draft], limits) if open_ else []
        for one, offsets in zip(open_, read, strict=True):
            assert one.draft is not None
            one.draft = one.draft.apply(offsets.ids)


def _with_masks(segmenter: MaskDecoder, image: RGB, answers: list[Answer], heard: list[Heard]) -> list[Answer]:
    """The answers with the masks of their seeds: one call of the segmenter for all, none where there are no seeds."""
    named = [seeds_of(one) for one in heard]
    began = time.monotonic()
    drawn = iter(masked(segmenter, image, [one for group in named for one in group]))
    taken = {"masks": time.monotonic() - began}
    return [
        replace(answer, masks=tuple(islice(drawn, len(group))),
                scene=replace(answer.scene, seconds={**answer.scene.seconds, **taken})) if group else answer
        for answer, group in zip(answers, named, strict=True)
    ]  # fmt: skip
