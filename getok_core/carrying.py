"""What was seen on one frame as drafts on the next, so that following it takes refinement alone. Ours; track mode.

Steps of two cells, one, a half and a quarter move a vertex by up to 3.75 cells and leave it within an eighth. Where a
vertex is deleted, or goes as far as the steps reach, its list is not trusted but asked anew on the same frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import resample
from .grammar import write
from .lattice import Lattice
from .queries import TASKS, SceneQuery
from .refine import Draft, reach
from .scene import DrivableArea, Lane, Obstacle, Scene, Sign
from .syntax import Instance, Part, distinct_vertices, enough, unlike
from .view import View
from .vocabulary import Vocabulary

LAST_STEP = 2
"""k of the last round; the first is -1, or later where things move less"""
FIELDS = {"lanes": "lanes", "drivable area": "drivable_areas", "obstacles": "obstacles", "signs": "signs"}
"""standing query -> field of a Scene. Lights are asked anew on every frame: a state changes without a move"""
LISTS = tuple(FIELDS)
"""all that can be carried over"""
USUAL_LISTS, USUAL_FIRST_STEP = ("lanes", "drivable area"), 1
"""what models/nano carries over without losing accuracy (training.evaluate --suite tracking): lines are long to write
and slow to move, boxes are neither; a list that moves further than half and quarter cells reach is asked anew"""
LANE_VERTICES = 12
"""a line is cut into so many again, or it would lose one whenever two share a cell"""

_Carriable = Lane | DrivableArea | Obstacle | Sign


@dataclass(frozen=True, eq=False)
class Before:
    """A camera's last scene, in pixels of the image, and how it is carried over."""

    scene: Scene
    lists: tuple[str, ...] = USUAL_LISTS
    """standing queries that are, of LISTS; the others are asked anew"""
    first_step: int = USUAL_FIRST_STEP
    """k of the first round, -1 to 2"""

    @property
    def rounds(self) -> int:
        """How many there are."""
        return LAST_STEP - self.first_step + 1


@dataclass(frozen=True, eq=False)
class Carried:
    """One list of the frame before, to be refined on this one."""

    instances: tuple[Instance, ...]
    scores: tuple[float, ...]
    """of each instance, as it was proposed"""
    ids: tuple[int, ...]
    draft: Draft


def carried(
    query: SceneQuery, prompt: tuple[int, ...], before: Before, view: View, lattice: Lattice, vocabulary: Vocabulary,
    frame: int = 0,
) -> Carried | None:  # fmt: skip
    """What the scene before says to a standing query, as a draft on this frame; prompt: ids of the query.

    None where the query is asked anew: it is none of the lists, the image has another size, or what was said is
    nothing, or nothing that the lattice can write.
    """
    scene = before.scene
    if query.name not in before.lists or (scene.width, scene.height) != view.size:
        return None
    things: tuple[_Carriable, ...] = getattr(scene, FIELDS[query.name])
    instances = [_instance(thing, view, lattice) for thing in things[: TASKS[query.name].form.instances]]
    written = tuple(one for one in instances if one is not None)
    if not things or len(written) < len(things) or not all(unlike(written)):
        return None
    draft = Draft.of(prompt, tuple(write(written, vocabulary)), written, before.first_step, frame)
    return Carried(written, tuple(one.score for one in things), tuple(one.id for one in things), draft)


def trusted(start: Draft, now: Draft) -> bool:
    """Whether refinement deleted nothing, turned no box over, and no vertex went as far as the steps reach."""
    if now.slots < start.slots:
        return False
    far = reach(start.step, len(now.steps))
    for part in now.parts:
        uv = now.uv(part)
        if (np.abs(uv - (part.ij + 0.5)) >= far).any() or (part.kind == "box" and (uv[1] < uv[0]).any()):
            return False
    return True


def _instance(thing: _Carriable, view: View, lattice: Lattice) -> Instance | None:
    """The thing in the cells where it was seen last; None where they are too few."""
    if isinstance(thing, Lane):
        label, kind, xy = thing.label, "pl", resample(thing.points, LANE_VERTICES)
    elif isinstance(thing, DrivableArea):
        label, kind, xy = thing.label, "poly", thing.points
    else:
        label, kind, xy = _words(thing), "box", thing.box.reshape(2, 2)
    ij = lattice.encode(view.to_model(xy), view.model).ij
    ij = ij if kind == "box" else ij[distinct_vertices(ij)]
    return Instance(label, (Part(kind, ij),)) if enough(kind, ij) else None


def _words(thing: Obstacle | Sign) -> str:
    return f"{thing.label} {thing.colour} {thing.visible_state}" if isinstance(thing, Sign) else thing.label
