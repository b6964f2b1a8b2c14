"""From where each vertex was proposed to where refinement brought it, for those who want to see it at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .geometry import XY
from .lattice import Lattice
from .refine import Draft
from .syntax import Instance
from .view import View


@dataclass(frozen=True, eq=False)
class Moves:
    """One tag of one instance, in pixels of the user's image."""

    kind: str
    proposed: XY
    """(N, 2) centres of the cells named"""
    refined: XY
    """(N, 2) where the vertices are now, NaN for those deleted or dropped with their object"""


def moves_of(instances: Sequence[Instance], draft: Draft, lattice: Lattice, view: View) -> list[Moves]:
    """What the rounds of a draft did to the instances it was made of."""
    moves: list[Moves] = []
    for index, instance in enumerate(instances):
        for part in instance.parts:
            refined = np.full((len(part.ij), 2), np.nan)
            for kept in draft.parts:
                if (kept.instance, kept.kind) == (index, part.kind):
                    refined[kept.vertex] = view.to_image(draft.points(kept, lattice, view.model))
            moves.append(Moves(part.kind, view.to_image(lattice.decode(part.ij, view.model)), refined))
    return moves
