"""What an answer is made of: forms, instances, parts, and which of them the language allows. FORMAT.md, section 3.

How they are spelled in tokens is grammar.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .geometry import KINDS
from .lattice import IJ
from .scene import Fault


@dataclass(frozen=True)
class AnswerForm:
    """What geometry, labels and length an answer may have."""

    kind: str
    """pt, box, pl, poly, seg (a box may precede), "any", or "text": one of the labels, or free when none are given"""
    labels: tuple[str, ...] = ()
    """closed list; empty means free text, or no label, as the model likes"""
    instances: int = 16
    """largest number of instances"""
    vertices: int = 32
    """largest number of vertices in one tag"""
    may_be_none: bool = True

    def anchors(self) -> AnswerForm:
        """The list of labels and first vertices alone; each object is then its own request."""
        return AnswerForm("pt", self.labels, self.instances, 1, self.may_be_none)

    def one(self) -> AnswerForm:
        """A single instance of the same form."""
        return AnswerForm(self.kind, self.labels, 1, self.vertices, False)


@dataclass(frozen=True, eq=False)
class Part:
    """One tag of an instance."""

    kind: str
    ij: IJ
    """(N, 2) cells"""
    at: tuple[int, ...] = ()
    """index of each vertex's token in the sequence that was parsed"""


@dataclass(frozen=True, eq=False)
class Instance:
    """One line of an answer: a label and at most two tags. A text answer has no tag."""

    label: str
    parts: tuple[Part, ...] = ()
    label_at: tuple[int, ...] = ()
    """indices of the label's tokens in the sequence that was parsed"""


@dataclass(frozen=True)
class Parsed:
    instances: tuple[Instance, ...]
    faults: tuple[Fault, ...]
    closed: bool
    """an end of answer was seen"""
    thought: str = ""
    none_at: tuple[int, ...] = ()
    """indices of the word none, when that is the answer"""


def distinct_vertices(ij: IJ) -> IJ:
    """Which vertices of (N, 2) cells are written: (M,) indices that leave out immediate repetition."""
    ij = np.asarray(ij, np.int64).reshape(-1, 2)
    keep = np.ones(len(ij), np.bool_)
    keep[1:] = (np.diff(ij, axis=0) != 0).any(axis=1)
    return np.flatnonzero(keep)


def enough(kind: str, ij: IJ) -> bool:
    """True when cells (N, 2) hold as many vertices as the kind needs: distinct ones, but for boxes."""
    ij = np.asarray(ij).reshape(-1, 2)
    if kind in ("pt", "box"):
        return len(ij) == KINDS[kind].least
    return len({(int(i), int(j)) for i, j in ij}) >= KINDS[kind].least


def inverted(ij: IJ) -> bool:
    """True when the second corner of a box, (2, 2) cells, lies left of or above the first; equal ones are legal."""
    return bool((np.asarray(ij)[1] < np.asarray(ij)[0]).any())


def beginning(instance: Instance) -> tuple[int | str, ...]:
    """What no other instance of an answer may share: kind and first vertex, of a box both corners; () for text."""
    if not instance.parts:
        return ()
    first = instance.parts[0]
    cells = first.ij if first.kind == "box" else first.ij[:1]
    return (first.kind, *map(int, cells.reshape(-1)))


def unlike(instances: Iterable[Instance]) -> list[bool]:
    """For each instance, whether none before it begins as it does: what a list repeats, it says once."""
    seen: set[tuple[int | str, ...]] = {()}
    fresh: list[bool] = []
    for start in map(beginning, instances):
        fresh.append(not start or start not in seen)
        seen.add(start)
    return fresh
