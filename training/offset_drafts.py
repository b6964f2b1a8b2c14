"""Drafts with the offsets that refine them: of things shown by a mask (algorithm 1) and of the frame before (tracking).

Ours: a draft may stand in any round; what came before are the targets of the earlier rounds. In tracking the draft is
what was true a frame ago, and steps of two cells and of one come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from getok_core.grammar import write
from getok_core.lattice import Lattice
from getok_core.queries import TASKS, SceneQuery
from getok_core.refine import Draft
from getok_core.syntax import Instance, Part, unlike
from getok_core.vocabulary import Vocabulary

from .offset_pools import Mask
from .offset_targets import UV, draft_targets, propose_corners, propose_seeds
from .segments import nearest_on
from .targets import Frame, Target, scene_targets

TRACKING = (-1, 0, 1, 2)
"""steps that follow a thing from one frame to the next: 3.75 cells in all, to a quarter of a cell"""
SAME_LINE = 2.0
"""cells, on average, that a line or outline may have moved and still be the same"""


@dataclass(frozen=True, eq=False)
class Refinable:
    """A draft and all that says where it should go."""

    draft: Draft
    goals: Sequence[UV]
    """for each instance where the vertices of its first tag belong, in cells; NaN where nothing is left"""
    masks: Sequence[Mask | None]
    rounds_left: int
    n: int

    def targets(self) -> NDArray[np.int64]:
        """(slots,) ids of the round to come."""
        return draft_targets(self.draft, self.goals, self.n, self.rounds_left, self.masks)

    def refined(self, rounds: int = 1) -> Refinable:
        """After so many rounds that said what they should."""
        now = self
        for _ in range(rounds):
            now = Refinable(now.draft.apply(now.targets()), now.goals, now.masks, now.rounds_left - 1, now.n)
        return now


# -- algorithm 1 ---------------------------------------------------------------------------------------------------


def thing_draft(
    query: SceneQuery, frame: Frame, indices: Sequence[int], lattice: Lattice, vocabulary: Vocabulary,
    rng: np.random.Generator, rounds: int = 1,
) -> Refinable | None:  # fmt: skip
    """A proposal for things of a frame with ids, as a referring query answers it; None when none can be written.

    rounds: how many the things have to come home; 1 is the paper's.
    """
    if frame.ids is None:
        raise ValueError("this frame does not say which pixels are whose: only rendered frames do")
    instances, goals, masks = [], [], []
    for thing in (frame.things[index] for index in indices):
        mask, box = frame.ids == thing.ident, lattice.to_cells(thing.box.reshape(2, 2), frame.size)
        label = thing.label if thing.kind == "obstacle" else thing.kind
        instance = Instance(label, _proposed_parts(query.name, mask, box, lattice.n, rng))
        if unlike([*instances, instance])[-1]:
            instances.append(instance)
            goals.append(box)
            masks.append(mask)
    if not instances:
        return None
    prompt = query.prompt(vocabulary, lattice, frame.size)
    draft = Draft.of(prompt, tuple(write(instances, vocabulary)), tuple(instances))
    return Refinable(draft, goals, masks, rounds, lattice.n)


def _proposed_parts(name: str, mask: Mask, box: UV, n: int, rng: np.random.Generator) -> tuple[Part, ...]:
    if name == "referred points":
        return (Part("pt", propose_seeds(mask, n, rng, most=1).ij),)
    corners = Part("box", propose_corners(box, rng, n).ij)
    if name == "referred boxes":
        return (corners,)
    return corners, Part("seg", propose_seeds(mask, n, rng, most=TASKS[name].form.vertices).ij)


# -- tracking ------------------------------------------------------------------------------------------------------


def tracking_draft(
    query: SceneQuery, before: Frame, now: Frame, lattice: Lattice, vocabulary: Vocabulary
) -> Refinable | None:
    """What a standing query was answered on the frame before, to be refined on this one; None when that was nothing."""
    targets = scene_targets(before, lattice)[query.name]
    instances = [instance for target in targets if (instance := target.instance())]
    if not instances:
        return None
    goals = [
        _gone_to(target, instance.parts[0].ij + 0.5, before, now, lattice)
        for target, instance in zip(targets, instances, strict=True)
    ]
    prompt = query.prompt(vocabulary, lattice, now.size)
    draft = Draft.of(prompt, tuple(write(instances, vocabulary)), tuple(instances), TRACKING[0])
    return Refinable(draft, goals, [None] * len(goals), len(TRACKING), lattice.n)


def _gone_to(target: Target, at: UV, before: Frame, now: Frame, lattice: Lattice) -> UV:
    """Where vertices at (N, 2) of what a target was belong in the frame now, NaN where it is no longer seen."""
    lost = np.full(at.shape, np.nan)
    if target.kind == "box":
        boxes = {thing.track: lattice.to_cells(thing.box.reshape(2, 2), now.size) for thing in now.things}
        was = ((thing.track, lattice.to_cells(thing.box.reshape(2, 2), before.size)) for thing in before.things)
        return next((boxes.get(track, lost) for track, box in was if np.array_equal(box, target.uv)), lost)
    if target.kind == "pl":
        lines = [lane.points for lane in now.scene.lanes if lane.label == target.label]
    else:
        lines = [area.points for area in now.scene.drivable_areas]
    closed = target.kind == "poly"
    found = [nearest_on(lattice.to_cells(line, now.size), at, closed) for line in lines]
    moved = [float(np.linalg.norm(goal - at, axis=1).mean()) for goal in found]
    return found[int(np.argmin(moved))] if moved and min(moved) < SAME_LINE else lost
