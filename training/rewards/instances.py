"""What rewards compare: instances said and instances true, in pixels of the image stretched to 840 x 840.

That is the paper's plain resize, so its 18 px mean the same for an image of any size (ours): 2.1 % of each side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from getok_core.assembly import box_of
from getok_core.geometry import KINDS, XY, Seeds
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.protocol import MaskDecoder
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm, Instance
from getok_core.view import RGB
from getok_core.vocabulary import ANSWER, END_ANSWER, END_THINK, PAD, Vocabulary

SIDE = 840.0
"""pixels of the square that every image is stretched to"""
SQUARE = (int(SIDE), int(SIDE))
MOST_REPEATED = 0.25
"""share of an instance's vertices that may repeat others before it counts as nothing (ours)"""
Pixels = NDArray[np.bool_]
"""(H, W) in the image's own pixels"""


@dataclass(frozen=True, eq=False)
class Said:
    """One instance of a reply."""

    label: str
    kind: str
    """box, seg, pt, pl or poly; a seg may have a box"""
    box: NDArray[np.float64] | None
    """(4,) left, top, right, bottom; None where there is none, or an inverted one"""
    points: XY
    """(m, 2) seeds, the point, or the vertices of a line or outline; none for a box alone"""
    mask: Pixels | None = None
    """what the MaskDecoder made of the seeds"""


@dataclass(frozen=True, eq=False)
class Truth:
    """One true instance."""

    label: str
    kind: str
    box: NDArray[np.float64]
    """(4,) tight"""
    line: XY | None = None
    """(N, 2) vertices of a polyline or outline"""
    mask: Pixels | None = None
    """its pixels, where they are known: seeds and points must lie there, otherwise in the box"""


Masked = Callable[[Sequence[Said]], list[Said]]
"""gives seeds their masks: SeedMasks, or unmasked"""


@dataclass(frozen=True, eq=False)
class Proposal:
    """One reply, read: what counts as said, and how well it was said."""

    instances: tuple[Said, ...]
    lines: int
    """instances that it tried to name: those that count and those that do not"""
    formed: bool
    """closed and without a fault"""
    distinct: float
    """share 0..1 of its vertices and instances that repeat none before them"""
    kind: str = "box"
    """what its form asks for"""


def read(ids: Sequence[int], vocabulary: Vocabulary, form: AnswerForm, n: int, places: XY | None = None) -> Proposal:
    """The tokens of a reply -> a proposal; never raises on what a model said.

    places: (T, 2) where each vertex lies exactly, in parts of the image, for spellings finer than the lattice.

    An instance that repeats more than MOST_REPEATED of its vertices, or has more of them than its form allows, counts
    as nothing, so that repeating a good point never pays (ours).
    """
    parsed = parse(ids, vocabulary, form)
    draft = Draft.of((), (), parsed.instances)
    repeats = [0] * len(parsed.instances)
    long = [False] * len(parsed.instances)
    for part in draft.parts:
        if part.kind != "box":
            repeats[part.instance] = len(part.ij) - len({tuple(cell) for cell in part.ij.tolist()})
            long[part.instance] = len(part.ij) > max(form.vertices, KINDS[part.kind].least)
    saids = said_of(draft, [one.label for one in parsed.instances], n)
    if places is not None:
        saids = {index: _placed(said, parsed.instances[index], places * SIDE) for index, said in saids.items()}
    counted = [said for index, said in saids.items()
               if not long[index] and repeats[index] <= MOST_REPEATED * len(said.points)]  # fmt: skip
    again = sum(fault.kind == "repeated instance" for fault in parsed.faults)
    distinct = 1.0 - (sum(repeats) + again) / max(1, draft.slots + again)
    lines = 0 if parsed.none_at else max(_lines(ids, vocabulary), len(parsed.instances))
    return Proposal(tuple(counted), lines, parsed.closed and not parsed.faults, distinct, form.kind)


def _placed(said: Said, instance: Instance, xy: XY) -> Said:
    """The same instance with the vertices (T, 2) that its tokens stand for."""
    for part in instance.parts:
        mine = xy[list(part.at)]
        said = replace(said, box=box_of(mine, (1.0, 1.0))) if part.kind == "box" else replace(said, points=mine)
    return said


def _lines(ids: Sequence[int], vocabulary: Vocabulary) -> int:
    """Lines of an answer that hold anything."""
    tokens = [int(token) for token in ids]
    tokens = tokens[tokens.index(END_THINK) + 1 :] if END_THINK in tokens else tokens
    tokens = tokens[: tokens.index(END_ANSWER)] if END_ANSWER in tokens else tokens
    kept = [token for token in tokens if token not in (PAD, ANSWER)]
    starts = [token for before, token in zip([vocabulary.newline, *kept], kept, strict=False)
              if before == vocabulary.newline and token != vocabulary.newline]  # fmt: skip
    return len(starts)


def said_of(draft: Draft, labels: Sequence[str], n: int) -> dict[int, Said]:
    """What a draft says now: index of the instance in its proposal -> the instance; those deleted are missing."""
    lattice = Lattice(n)
    error = lattice.error_px(SQUARE, len(draft.steps))
    saids: dict[int, Said] = {}
    for part in draft.parts:
        xy = draft.points(part, lattice, SQUARE)
        before = saids.get(part.instance)
        if part.kind == "box":
            box = box_of(xy, (2 * error[0], 2 * error[1]))
            saids[part.instance] = Said(labels[part.instance], "box", box, np.zeros((0, 2)))
        else:
            saids[part.instance] = Said(labels[part.instance], part.kind, before.box if before else None, xy)
    return saids


class SeedMasks:
    """What the product's MaskDecoder makes of seeds in one image (H, W, 3); a seed said twice is decoded once.

    As in getok_core.cover, each seed gives a mask and an instance is their union.
    """

    def __init__(self, decoder: MaskDecoder, image: RGB):
        self._decoder, self._image = decoder, image
        self._known: dict[tuple[float, ...], Pixels] = {}

    def __call__(self, saids: Sequence[Said]) -> list[Said]:
        """The same instances, those of seeds with their masks (H, W)."""
        every = [tuple(xy) for said in saids if said.kind == "seg" for xy in said.points.tolist()]
        new = [xy for xy in dict.fromkeys(every) if xy not in self._known]
        height, width = self._image.shape[:2]
        prompts = [Seeds(np.asarray([xy]) * np.array([width, height]) / SIDE) for xy in new]
        if prompts:
            masks = self._decoder.masks(self._image, prompts)
            self._known.update(zip(new, (mask.pixels for mask in masks), strict=True))
        return [replace(said, mask=self._united(said.points)) if said.kind == "seg" else said for said in saids]

    def _united(self, points: XY) -> Pixels:
        united = np.zeros(self._image.shape[:2], np.bool_)
        for xy in points.tolist():
            united |= self._known[tuple(xy)]
        return united


def unmasked(saids: Sequence[Said]) -> list[Said]:
    """In the place of SeedMasks where there is no decoder: seeds are then judged by their boxes and hits."""
    return list(saids)
