"""A sample of the road (datasets/sample.py) as token sequences for a Qwen-VL base: answers, thoughts, rounds, offsets.

Labels stand on what the assistant says, `<think>` or `<answer>` and all that follows; of a refinement in one pass, on
each vertex's last token alone. The image is resized plainly to the view: geometry is counted in cells from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from getok_core.engines.chat import Chat
from getok_core.errors import ImageError
from getok_core.geometry import resample
from getok_core.grammar import write
from getok_core.lattice import Lattice, Size
from getok_core.queries import SceneQuery
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part, distinct_vertices, enough, unlike
from getok_core.view import View, read_image
from getok_core.vocabulary import ANSWER, END_ANSWER, END_THINK, THINK

from .datasets.sample import Labelled, Sample
from .masks import seeds_of
from .offset_drafts import Refinable
from .offset_targets import propose_corners, propose_seeds
from .segments import IGNORE, ROUNDS, Segment, answer_segment, draft_segment, one_pass_segment
from .targets import LANE_VERTICES, Target, cells, outline

LONGEST = 2048
"""text tokens of one sequence; a sample that needs more is left out"""


@dataclass(frozen=True, eq=False)
class Example:
    """One sequence of T base ids."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    """(T,) base id that the logits at this place should give; IGNORE where nothing is asked"""
    image: NDArray[np.uint8] | None
    """(H, W, 3) of the view's size, or None for text alone"""


@dataclass(frozen=True)
class Speaker:
    """What turns samples into examples of one base."""

    chat: Chat
    lattice: Lattice
    view: Size
    visual_tokens: int
    images: Path
    """folder below which samples name their images"""
    rounds: int = ROUNDS
    """refinements that drafts are made for; 1 is the paper's"""
    refined: float = 0.0
    """share of the samples to be answered that are learned as a refinement instead, where they have geometry"""

    def example(self, sample: Sample, learn: str, rng: np.random.Generator) -> Example:
        """learn: answers or offsets. Raises ValueError on a sample that this lattice or this length cannot say."""
        refined = learn == "offsets" or rng.random() < self.refined
        segment = self.offsets(sample, rng) if refined else None
        segment = segment or self.answer(sample)
        if len(segment.ids) > LONGEST:
            raise ValueError(f"{len(segment.ids)} tokens of text: at most {LONGEST} are learned")
        image = self._image(sample) if sample.image else None
        ids, targets = self._framed(sample, segment, image is not None)
        return Example(ids, targets, image)

    # -- what is asked and said, in local ids ------------------------------------------------------------------------

    def answer(self, sample: Sample) -> Segment:
        """The question and the whole answer, after its thought."""
        vocabulary = self.chat.vocabulary
        if isinstance(sample.answer, str):
            said = vocabulary.encode_text(sample.answer)
        else:
            instances = self.instances(sample)
            if sample.answer and not instances:
                raise ValueError("the lattice is too coarse for every object of the answer")
            said = write(instances, vocabulary)
        prompt = sample.query.prompt(vocabulary, self.lattice, self._size(sample))
        if not sample.think:
            return answer_segment(prompt, said, self._nowhere(said), vocabulary)
        thought = [*vocabulary.encode_text(sample.think), END_THINK, ANSWER, *said]
        return answer_segment([*prompt[:-1], THINK], thought, self._nowhere(thought), vocabulary)

    def offsets(self, sample: Sample, rng: np.random.Generator) -> Segment | None:
        """A proposal near the truth with the offsets that refine it, in a random round; None where there is nothing."""
        if sample.kind == "seg":
            return self._mask_offsets(sample, rng)
        shown = [one for one in _objects(sample) if one.shape is not None][: sample.form.instances]
        targets = [Target(one.label, sample.kind, self._uv(one, sample), self.lattice.n) for one in shown]
        return draft_segment(sample.query, targets, sample, self.lattice, self.chat.vocabulary, rng, rounds=self.rounds)

    def instances(self, sample: Sample) -> list[Instance]:
        """The objects of an answer that the lattice can write, each beginning unlike those before it."""
        some = [Instance(one.label, parts) for one in _objects(sample) if (parts := self._parts(one, sample))]
        fresh = unlike(some)
        return [one for one, new in zip(some, fresh, strict=True) if new][: sample.form.instances]

    def _parts(self, one: Labelled, sample: Sample) -> tuple[Part, ...]:
        if sample.kind == "seg":
            box = (Part("box", cells(self._uv(one, sample), self.lattice.n)),) if one.shape is not None else ()
            seeds = self._seeds(one, sample)
            return (*box, Part("seg", seeds)) if len(seeds) else ()
        ij = cells(self._uv(one, sample), self.lattice.n)
        ij = ij if sample.kind == "box" else ij[distinct_vertices(ij)]
        return (Part(sample.kind, ij),) if enough(sample.kind, ij) else ()

    def _uv(self, one: Labelled, sample: Sample) -> NDArray[np.float64]:
        """Vertices (N, 2) of an object's shape in cells; lines and outlines with no more than the answer may have."""
        assert one.shape is not None
        xy, most = one.shape.xy, sample.form.vertices
        if one.shape.kind == "pl" and (len(xy) > most or sample.query.name == "lanes"):
            xy = resample(xy, min(LANE_VERTICES, most))
        if one.shape.kind == "poly" and len(xy) > most:
            xy = outline(xy, most)
        return self.lattice.to_cells(xy, sample.size)

    def _seeds(self, one: Labelled, sample: Sample) -> NDArray[np.int64]:
        """Cells (K, 2) that say an object's mask, each once."""
        most = sample.form.vertices
        if one.seeds is not None:
            ij = cells(self.lattice.to_cells(one.seeds.xy, sample.size), self.lattice.n)
            return np.asarray(list(dict.fromkeys(map(tuple, ij.tolist()))), np.int64).reshape(-1, 2)[:most]
        return seeds_of(one.area(sample.size), self.lattice.n, min(3, most))

    def _mask_offsets(self, sample: Sample, rng: np.random.Generator) -> Segment | None:
        """Algorithm 1 of the paper's appendix, over so many rounds as `rounds` says."""
        instances, goals, masks = list[Instance](), list[NDArray[np.float64]](), list[NDArray[np.bool_]]()
        for one in _objects(sample):
            mask = one.area(sample.size) if one.mask is not None else np.zeros((1, 1), np.bool_)
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            if not len(rows):
                continue
            corners = [[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]
            box = self.lattice.to_cells(np.asarray(corners, np.float64), sample.size)
            seeds = Part("seg", propose_seeds(mask, self.lattice.n, rng, most=sample.form.vertices).ij)
            boxes = (Part("box", propose_corners(box, rng, self.lattice.n).ij),) if one.shape is not None else ()
            instance = Instance(one.label, (*boxes, seeds))
            if unlike([*instances, instance])[-1] and len(instances) < sample.form.instances:
                instances.append(instance)
                goals.append(box)
                masks.append(mask)
        if not instances:
            return None
        vocabulary = self.chat.vocabulary
        prompt = sample.query.prompt(vocabulary, self.lattice, self._size(sample))
        draft = Draft.of(prompt, tuple(write(instances, vocabulary)), tuple(instances))
        asked = Refinable(draft, goals, masks, self.rounds, self.lattice.n).refined(int(rng.integers(self.rounds)))
        return one_pass_segment(asked.draft, asked.targets(), vocabulary) if asked.draft.slots else None

    # -- the chat around it, in base ids -----------------------------------------------------------------------------

    def _framed(self, sample: Sample, segment: Segment, pictured: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and targets (T,): the image, rounds of text before, the segment; after `</answer>` the turn ends."""
        chat = self.chat
        ids = chat.opening(self.visual_tokens if pictured else 0)
        targets = [IGNORE] * len(ids)
        rounds = [self._round(question, answer) for question, answer in sample.history]
        for at, one in enumerate([*rounds, segment]):
            local = one.ids.tolist()
            framed, shift = chat.turns(local)
            wanted = np.full(len(framed), IGNORE, np.int64)
            asked = np.flatnonzero(one.targets != IGNORE)
            wanted[asked + shift] = chat.vocabulary.base_ids[one.targets[asked]]
            answers = one.targets[-1] == END_ANSWER
            if answers:  # a server that does not open the turn leaves that to the model
                opens = chat.split(local) + shift
                wanted[opens - 1] = framed[opens]
            ids, targets = ids + framed, targets + wanted.tolist()
            if answers:
                ids, targets = [*ids, int(chat.vocabulary.base_ids[END_ANSWER])], [*targets, chat.end]
            if at < len(rounds):
                between = chat.between()
                ids, targets = ids + between, targets + [IGNORE] * len(between)
        return np.asarray(ids, np.int64), np.asarray(targets, np.int64)

    def _round(self, question: str, answer: str) -> Segment:
        vocabulary = self.chat.vocabulary
        prompt = SceneQuery("", question).prompt(vocabulary, self.lattice, self.view)
        said = vocabulary.encode_text(answer)
        return answer_segment(prompt, said, self._nowhere(said), vocabulary)

    def _nowhere(self, said: Sequence[int]) -> NDArray[np.float64]:
        """Targets are plain tokens, as in the paper: no cell is spread over its neighbours."""
        return np.full((sum(map(self.chat.vocabulary.is_grid, said)), 2), np.nan)

    def _size(self, sample: Sample) -> Size:
        return sample.size if all(sample.size) else self.view

    def _image(self, sample: Sample) -> NDArray[np.uint8]:
        try:
            image = read_image(self.images / sample.image)
        except ImageError as error:
            raise ValueError(str(error)) from None
        size = (image.shape[1], image.shape[0])
        if all(sample.size) and size != sample.size:
            found, said = (f"{width} x {height}" for width, height in (size, sample.size))
            raise ValueError(f"image {sample.image} has {found} pixels, the sample says {said}")
        return View(size, self.view).resize(image)


def _objects(sample: Sample) -> tuple[Labelled, ...]:
    """Of an answer with geometry; none of an answer in words."""
    return () if isinstance(sample.answer, str) else sample.answer
