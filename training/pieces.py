"""What backward passes take: the groups of one rollout, cut so that a pass fits into memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from getok_core.protocol import Engine
from getok_core.view import RGB
from getok_core.vocabulary import END_ANSWER

from .policy import Reading
from .rewards import Reward
from .rollouts import Group


class Part(NamedTuple):
    """Images, and groups of replies about them."""

    images: list[RGB]
    groups: list[Group]

    @property
    def tokens(self) -> int:
        """Tokens of its replies that had a choice."""
        return sum(int((group.of(reply)[1].sum(axis=1) > 1).sum())
                   for group in self.groups for reply in range(len(group.chosen)))  # fmt: skip


def pieces(part: Part, most: int) -> list[Part]:
    """A part cut between its groups: at most so many sequences are read in each piece, or those of one group."""
    cut: list[Part] = []
    read: set[tuple[int, tuple[int, ...]]] = set()
    for group in part.groups:
        new = {(reading.frame, tuple(reading.ids)) for reading in group.readings}
        if not cut or len(read | new) > most:
            cut.append(Part(part.images, []))
            read = set()
        cut[-1].groups.append(group)
        read |= new
    return cut


def idle(engine: Engine) -> Part:
    """A pass that teaches nothing: one token that had no choice, about a blank image. It keeps a rank that has nothing
    to learn in step with the others."""
    width, height = engine.manifest.view
    legal = np.zeros((1, engine.vocabulary.size), np.bool_)
    legal[0, END_ANSWER] = True
    said = np.array([END_ANSWER], np.int64)
    group = Group("", [Reading(0, [END_ANSWER], [0])], [said], [legal], [Reward({}, 0.0)], {})
    return Part([np.zeros((height, width, 3), np.uint8)], [group])
