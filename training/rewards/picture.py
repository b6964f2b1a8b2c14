"""Every component of the rewards on one example, after the paper's figure 13: truth, a proposal, its refinement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from getok_core.canvas import Canvas
from getok_core.captions import Run
from getok_core.errors import DataError
from getok_core.grammar import write
from getok_core.lattice import Lattice
from getok_core.palette import GREEN, SKY, VERMILLION, WHITE, YELLOW, Colour
from getok_core.protocol import MaskDecoder
from getok_core.queries import TASKS, SceneQuery, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part
from getok_core.view import RGB
from getok_core.vocabulary import DELETE, END_ANSWER, offset_ids

from ..offset_drafts import thing_draft
from ..questions import referred_targets
from ..rewarded_questions import truth_of
from ..scenes import render
from ..scenes.referring import referring
from ..targets import Frame
from .instances import SIDE, SeedMasks, Truth, read, said_of, unmasked
from .proposing import MANNERS, PROPOSING, Reward, proposal_reward
from .refining import REFINING, Coarse, refinement_reward

SIZE = (960, 540)
SEEDS = range(61_000_087, 61_000_400)
"""scenes tried in this order"""
CLEAR = 0.01
"""least share of the image of a thing that is shown"""
STRIP = 210
"""pixels below each panel, for its numbers"""
FALSE_ALARM = Part("box", np.array([[2, 4], [5, 7]])), Part("seg", np.array([[3, 5], [5, 6]]))
SAYS: Mapping[str, str] = {
    "format": "parses without a fault", "non-repetition": "no vertex twice", "label": "right word (ours)",
    "mask": "IoU, graded up to 2", "box": "eq. 6, 8", "points": "S1: eq. 10-12, S2: eq. 13",
    "box gain": "IoU won", "mask gain": "IoU won",
}  # fmt: skip


def example(decoder: MaskDecoder | None = None) -> RGB:
    """Three panels side by side, (H, W, 3) uint8. Raises DataError when no scene suits."""
    lattice, vocabulary = Lattice(32), standard_vocabulary()
    query, frame, meant = _scene()
    masked = SeedMasks(decoder, frame.image) if decoder else unmasked
    truths = [truth_of(target, frame.ids == frame.things[index].ident)
              for index in meant for target in referred_targets(query, frame, [index], lattice)]  # fmt: skip
    made = thing_draft(query, frame, meant, lattice, vocabulary, np.random.default_rng(4))
    assert made is not None, "a scene was chosen whose things can be written"
    instances = tuple(_proposed(made.draft, [truth.label for truth in truths]))
    ids = [*write(instances, vocabulary), END_ANSWER]
    draft = Draft.of(made.draft.prompt, tuple(ids[:-1]), instances)
    proposal = read(ids, vocabulary, TASKS[query.name].form, 32)
    said = masked(proposal.instances)
    one = proposal_reward(type(proposal)(tuple(said), proposal.lines, True, proposal.distinct, "seg"), truths)
    coarse = Coarse.of(draft, [instance.label for instance in instances], truths, 32, 1, masked)
    offsets: NDArray[np.int64] = np.array(coarse.targets)
    wrong = int(np.flatnonzero(offsets != DELETE)[-1])
    offsets[wrong] = offset_ids(np.array([1, -1]))
    two = refinement_reward(coarse, offsets, masked=masked)
    panels = _truth(frame, truths, query), _proposal(frame, draft, one), _refinement(frame, draft, offsets, two)
    return np.concatenate(panels, axis=1)


def _scene() -> tuple[SceneQuery, Frame, tuple[int, ...]]:
    """A scene with an expression that means two things large enough to see."""
    for seed in SEEDS:
        made = render(seed, SIZE)
        if made.image.mean() < 70:
            continue
        for expression, meant in referring(made.things, SIZE, np.random.default_rng(seed), 6):
            if len(meant) == 2 and all(_share(made.things[index].box) > CLEAR for index in meant):
                frame = Frame(made.image, made.scene, made.known, made.attributes, made.obstacle_states, made.things,
                              made.ids)  # fmt: skip
                return SceneQuery("referred masks", expression), frame, meant
    raise DataError(f"none of {len(SEEDS)} scenes suits the picture: widen SEEDS")


def _share(box: NDArray[np.float64]) -> float:
    return float(np.prod((box[2:] - box[:2]) / SIZE))


def _proposed(draft: Draft, labels: Sequence[str]) -> list[Instance]:
    """What was jittered from the truth, and one thing that is not there."""
    found = [Instance(label, tuple(Part(part.kind, part.ij) for part in draft.parts if part.instance == index))
             for index, label in enumerate(labels)]  # fmt: skip
    return [*found, Instance(labels[0], FALSE_ALARM)]


def _canvas(frame: Frame) -> Canvas:
    """The frame with a strip below it, and a gap to the next one."""
    return Canvas.of(np.pad(frame.image, ((0, STRIP), (0, 8), (0, 0))))


def _truth(frame: Frame, truths: Sequence[Truth], query: SceneQuery) -> RGB:
    canvas = _canvas(frame)
    for truth in truths:
        if truth.mask is not None:
            canvas.mask(np.pad(truth.mask, ((0, STRIP), (0, 8))), GREEN)
        canvas.box(_pixels(truth.box.reshape(2, 2)).reshape(4), WHITE)
    canvas.captions.panel([[("truth", WHITE, True), (f"{TASKS[query.name].prompt} {query.text}", WHITE, False)]], True)
    return canvas.image


def _proposal(frame: Frame, draft: Draft, reward: Reward) -> RGB:
    canvas = _canvas(frame)
    for said in said_of(draft, _labels(draft), 32).values():
        if said.box is not None:
            canvas.box(_pixels(said.box.reshape(2, 2)).reshape(4), SKY)
        canvas.dots(_pixels(said.points), YELLOW, 5)
    canvas.captions.panel(_rows("S1, the proposal", reward, PROPOSING), True)
    return canvas.image


def _refinement(frame: Frame, draft: Draft, offsets: NDArray[np.int64], reward: Reward) -> RGB:
    canvas, lattice = _canvas(frame), Lattice(32)
    for said in said_of(draft.apply(offsets), _labels(draft), 32).values():
        if said.box is not None:
            canvas.box(_pixels(said.box.reshape(2, 2)).reshape(4), SKY)
    stay = draft.apply(np.where(offsets == DELETE, offset_ids(np.zeros(2, np.int64)), offsets))
    at = 0
    for before, after in zip(draft.parts, stay.parts, strict=True):
        starts, ends = (lattice.decode(part.ij, SIZE, part.offsets) for part in (before, after))
        for start, end, said in zip(starts, ends, offsets[at : at + len(starts)], strict=True):
            if said == DELETE:
                canvas.crosses(start[None], VERMILLION, 6)
            else:
                canvas.dots(start[None], YELLOW, 4)
                canvas.arrow(start, end, VERMILLION)
        at += len(starts)
    canvas.captions.panel(_rows("S2, its refinement (one offset is wrong)", reward, REFINING), True)
    return canvas.image


def _labels(draft: Draft) -> list[str]:
    return [""] * (1 + max(part.instance for part in draft.parts))


def _pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of the square -> pixels of the picture."""
    return xy * (np.array(SIZE) / SIDE)


def _rows(title: str, reward: Reward, weights: Mapping[str, float]) -> list[list[Run]]:
    rows: list[list[Run]] = [[(title, WHITE, True), (f"total {reward.total(weights):.2f}", YELLOW, True)]]
    for name, value in reward.components.items():
        share = f" x {reward.reached:.2f} paid" if name in MANNERS and reward.reached < 1 else ""
        colour: Colour = GREEN if value > 0 else VERMILLION
        rows.append([(f"{value:+.2f}", colour, True), (f"{name}{share}", WHITE, False), (SAYS[name], SKY, False)])
    return rows
