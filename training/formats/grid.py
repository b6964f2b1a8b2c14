"""The language itself as a format: one grid token a vertex, and after R rounds an offset each, written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from getok_core.assembly import box_of
from getok_core.engines.spelled import ids_of
from getok_core.geometry import XY
from getok_core.grammar import parse, write
from getok_core.lattice import Lattice
from getok_core.queries import SceneQuery, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part, unlike
from getok_core.view import RGB, View
from getok_core.vocabulary import END_ANSWER, OFFSET, Vocabulary, offset_ids, step_id
from training.targets import written_instance

from .said import Said, Thing


@dataclass(frozen=True)
class Grid:
    """Proposals in cells of n x n, and `rounds` refinements, each in the paper's form, one offset after another."""

    n: int = 32
    rounds: int = 0
    spoken = False
    answers_at_once = True

    @property
    def name(self) -> str:
        return f"grid {self.n}" + (f" + offsets x {self.rounds}" if self.rounds else "")

    @cached_property
    def lattice(self) -> Lattice:
        return Lattice(self.n)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return standard_vocabulary(self.n)

    def ask(self, query: SceneQuery, kind: str, image: RGB, view: View) -> tuple[RGB, SceneQuery]:
        return image, query

    def step(self, view: View) -> tuple[float, float]:
        return self.lattice.error_px(view.size, self.rounds)

    def write(self, things: Sequence[Thing], view: View) -> str:
        written = [(one, self._instance(one, view)) for one in things]
        some = [(one, instance) for one, instance in written if instance is not None]
        fresh = unlike(instance for _, instance in some)
        kept = [pair for pair, new in zip(some, fresh, strict=True) if new]
        answer = write([instance for _, instance in kept], self.vocabulary)
        ids = [*answer, END_ANSWER]
        draft = Draft.of((), tuple(answer), tuple(instance for _, instance in kept))
        for _ in range(self.rounds if draft.slots else 0):
            offsets = np.concatenate([self._offsets(draft, index, one, view) for index, (one, _) in enumerate(kept)])
            ids += [OFFSET, step_id(draft.step), *draft.sequential_answer(offsets, self.vocabulary)]
            draft = draft.apply(offsets)
        return self.vocabulary.spell(ids)

    def parse(self, text: str, view: View) -> Said:
        ids = ids_of(text, self.vocabulary)
        end = ids.index(END_ANSWER) + 1 if END_ANSWER in ids else len(ids)
        parsed = parse(ids[:end], self.vocabulary)
        draft = Draft.of((), (), parsed.instances)
        draft, faults = self._refined(draft, ids[end:])
        shapes = {index: list[tuple[str, XY]]() for index in range(len(parsed.instances))}
        for part in draft.parts:
            shapes[part.instance].append((part.kind, draft.points(part, self.lattice, view.size)))
        things: list[Thing] = []
        for index, instance in enumerate(parsed.instances):
            things += self._thing(instance.label, shapes[index], view)
        words = [one.label for one in parsed.instances if not one.parts]
        said = len(parsed.faults) + faults + (not parsed.closed)
        return Said(tuple(things), "none" if parsed.none_at else " ".join(words), said)

    def _instance(self, thing: Thing, view: View) -> Instance | None:
        if thing.kind != "seg":
            return written_instance(thing.label, thing.kind, self.lattice.to_cells(thing.xy, view.size), self.n)
        cells = self.lattice.encode(thing.xy, view.size).ij
        seeds = cells[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
        if thing.box is None:
            return Instance(thing.label, (Part("seg", seeds),)) if len(seeds) else None
        corners = self.lattice.to_cells(thing.box.reshape(2, 2), view.size)
        return written_instance(thing.label, "box", corners, self.n, seeds)

    def _offsets(self, draft: Draft, index: int, thing: Thing, view: View) -> NDArray[np.int64]:
        """What moves a thing's vertices in this round. Of several goals in one cell the first counts."""
        found: list[NDArray[np.int64]] = []
        for part in (part for part in draft.parts if part.instance == index):
            goals = thing.box.reshape(2, 2) if part.kind == "box" and thing.box is not None else thing.xy
            code = self.lattice.encode(goals, view.size, self.rounds)
            at = [
                row if part.kind == "box" else int((code.ij == cell).all(1).argmax())
                for row, cell in enumerate(part.ij)
            ]
            found.append(offset_ids(code.offsets[at, len(draft.steps)]))
        return np.concatenate(found)

    def _refined(self, draft: Draft, ids: list[int]) -> tuple[Draft, int]:
        """The draft after the rounds written, and 1 if what follows it leaves its form."""
        while ids and draft.slots:
            script = draft.sequential_script(self.vocabulary)
            head, body = ids[:2], ids[2 : 2 + len(script)]
            follows = all(wanted in (None, token) for wanted, token in zip(script, body, strict=False))
            if head != [OFFSET, step_id(draft.step)] or len(body) < len(script) or not follows or draft.step > 4:
                return draft, 1
            draft = draft.apply(
                np.asarray([token for token, wanted in zip(body, script, strict=True) if wanted is None])
            )
            ids = ids[2 + len(script) :]
        return draft, int(bool(ids))

    def _thing(self, label: str, shapes: list[tuple[str, XY]], view: View) -> list[Thing]:
        if not shapes:
            return []
        box = next((self._box(xy, view) for kind, xy in shapes if kind == "box"), None)
        kind, xy = shapes[-1]
        if kind == "box":
            return [] if box is None else [Thing("box", box.reshape(2, 2), label)]
        return [Thing(kind, xy, label, box=box)]

    def _box(self, xy: XY, view: View) -> NDArray[np.float64] | None:
        error = self.lattice.error_px(view.size, self.rounds)
        box = box_of(xy, (2 * error[0], 2 * error[1]))
        return None if box is None else np.clip(box.reshape(2, 2), 0, view.size).reshape(4)
