"""Drafts, offset targets, the hit test, applying offsets, deletions. FORMAT.md, section 4.

A draft is a proposal with the offsets it has so far. In one pass its sequence repeats the proposal, then `<offset>`
`<step_k>` and every vertex as its grid token followed by its earlier offsets; the new offset is read at the vertex's
last token. The paper's sequential form writes tags and offsets one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .geometry import KINDS, XY
from .lattice import IJ, Lattice, Size, nearest_offset
from .syntax import Instance
from .vocabulary import (
    CLOSE,
    DELETE,
    END_ANSWER,
    END_OFFSET,
    OFFSET,
    OPEN,
    Vocabulary,
    offset_ids,
    offset_of,
    step_id,
)


@dataclass(frozen=True, eq=False)
class DraftPart:
    """One tag of one instance of the proposal, with the vertices that survived."""

    instance: int
    """index in the proposal's instances"""
    kind: str
    ij: IJ
    """(N, 2) cells"""
    offsets: IJ
    """(N, R, 2) offsets so far"""
    vertex: NDArray[np.int64]
    """(N,) index of each vertex in the proposal's part"""


@dataclass(frozen=True, eq=False)
class Draft:
    """What a refinement starts from. Round r has a slot for each survivor of round r - 1."""

    prompt: tuple[int, ...]
    """ids of the query, up to and with `<answer>`"""
    proposal: tuple[int, ...]
    """ids of the answer as it was proposed, without `</answer>`"""
    parts: tuple[DraftPart, ...]
    steps: tuple[int, ...] = ()
    """steps k of the rounds done"""
    step: int = 1
    """step k of the round to come"""
    frame: int = 0
    """index of the image among those opened"""

    @classmethod
    def of(cls, prompt: tuple[int, ...], proposal: tuple[int, ...], instances: tuple[Instance, ...], step: int = 1,
           frame: int = 0) -> Draft:  # fmt: skip
        """A fresh draft of parsed instances, no round done."""
        parts = tuple(
            DraftPart(index, part.kind, part.ij, np.zeros((len(part.ij), 0, 2), np.int64), np.arange(len(part.ij)))
            for index, instance in enumerate(instances)
            for part in instance.parts
        )
        return cls(prompt, proposal, parts, (), step, frame)

    @property
    def slots(self) -> int:
        """how many offsets the round will read"""
        return sum(len(part.ij) for part in self.parts)

    def sequence(self, vocabulary: Vocabulary) -> tuple[list[int], list[int]]:
        """One-pass form: ids of the whole sequence, and for each slot the index at which its offset is read."""
        ids = [*self.prompt, *self.proposal, END_ANSWER, OFFSET, step_id(self.step)]
        reads: list[int] = []
        for part in self.parts:
            ids.append(OPEN[part.kind])
            earlier = offset_ids(part.offsets)
            for cell, done in zip(vocabulary.grid_ids(part.ij).tolist(), earlier.tolist(), strict=True):
                ids += [cell, *done]
                reads.append(len(ids) - 1)
            ids.append(CLOSE[part.kind])
        return ids, reads

    def sequential_prompt(self, vocabulary: Vocabulary) -> list[int]:
        """Sequential form: the one-pass sequence without its reads, closed; the answer follows it."""
        ids, _ = self.sequence(vocabulary)
        return [*ids, END_OFFSET, OFFSET, step_id(self.step)]

    def sequential_script(self, vocabulary: Vocabulary) -> list[int | None]:
        """Sequential form: the tokens that follow the prompt; None stands for an offset or `<delete>`."""
        script: list[int | None] = []
        for part in self.parts:
            script += [OPEN[part.kind], *([None] * len(part.ij)), CLOSE[part.kind]]
        return [*script, END_OFFSET]

    def sequential_answer(self, tokens: NDArray[np.int64], vocabulary: Vocabulary) -> list[int]:
        """Sequential form: what follows the prompt when the slots say `tokens`, (slots,) ids."""
        said = iter(np.asarray(tokens, np.int64).tolist())
        return [next(said) if token is None else token for token in self.sequential_script(vocabulary)]

    def apply(self, tokens: NDArray[np.int64], next_step: int | None = None) -> Draft:
        """One offset or `<delete>` id a slot, (slots,) -> the draft of the next round.

        A deleted vertex is dropped; so is an instance left with too few vertices in a tag, or without a box corner. An
        id that is neither counts as the zero offset. Raises ValueError on another number of ids.
        """
        tokens = np.asarray(tokens, np.int64)
        if tokens.shape != (self.slots,):
            raise ValueError(f"this draft has {self.slots} slots, got offsets of shape {tokens.shape}")
        ends = np.cumsum([len(part.ij) for part in self.parts], dtype=np.int64)
        moved = [_moved(part, tokens[end - len(part.ij) : end]) for part, end in zip(self.parts, ends, strict=True)]
        lost = {part.instance for part, after in zip(self.parts, moved, strict=True) if after is None}
        parts = tuple(part for part in moved if part is not None and part.instance not in lost)
        following = self.step + 1 if next_step is None else next_step
        return replace(self, parts=parts, steps=(*self.steps, self.step), step=following)

    def points(self, part: DraftPart, lattice: Lattice, size: Size) -> XY:
        """Vertices of a part of this draft (N, 2) in pixels, clamped to the image."""
        return lattice.decode(part.ij, size, part.offsets, self.steps)

    def uv(self, part: DraftPart) -> XY:
        """Vertices of a part (N, 2) in cell units, not clamped."""
        centre = np.asarray(part.ij, np.float64) + 0.5
        scale = 2.0 ** -np.asarray(self.steps, np.float64)
        return centre + np.asarray(np.tensordot(scale, part.offsets, axes=(0, 1)), np.float64) if self.steps else centre


def _moved(part: DraftPart, ids: NDArray[np.int64]) -> DraftPart | None:
    keep = ids != DELETE
    legal = (ids > DELETE) & (ids < DELETE + 10)
    new = np.where(legal[:, None], offset_of(ids), 0)
    if keep.sum() < KINDS[part.kind].least or (part.kind == "box" and not keep.all()):
        return None
    offsets = np.concatenate([part.offsets, new[:, None]], axis=1)[keep]
    return DraftPart(part.instance, part.kind, part.ij[keep], offsets, part.vertex[keep])


def reach(step: int, rounds_left: int) -> float:
    """How far a vertex can still move, in cells along each axis: the sum of 2^-k over this round and those left."""
    return sum(2.0**-k for k in range(step, step + rounds_left))


def offset_targets(uv: XY, goal: XY, step: int, rounds_left: int = 1) -> NDArray[np.int64]:
    """Where vertices are and belong, both (N, 2) in cells -> target ids (N,): nearest offset, or `<delete>`.

    `<delete>` fires when the goal is farther than the rounds left can reach plus the half step that any coding leaves
    (ours), so a vertex within reach of the rounds left is never deleted because the step halved. A goal that is not
    finite says that the vertex belongs to nothing.
    """
    rest = np.asarray(goal, np.float64) - np.asarray(uv, np.float64)
    limit = reach(step, rounds_left) + 2.0 ** -(step + rounds_left)
    lost = np.asarray(~(np.abs(np.nan_to_num(rest, nan=np.inf)) <= limit).all(axis=1), np.bool_)
    ids = offset_ids(nearest_offset(np.where(lost[:, None], 0.0, rest), step))
    return np.where(lost, DELETE, ids)


def hit(mask: NDArray[np.bool_], centres: XY, step_px: tuple[float, float]) -> NDArray[np.bool_]:
    """One-step hit test (equation 4): (N,) True where some offset lands on mask (H, W). A point outside never does."""
    moves = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(1, 9, 2) * np.asarray(step_px)
    at = np.floor(np.asarray(centres, np.float64)[:, None] + moves).astype(np.int64)
    height, width = mask.shape
    inside = (at >= 0).all(axis=-1) & (at[..., 0] < width) & (at[..., 1] < height)
    clipped = np.clip(at, 0, [width - 1, height - 1])
    return (mask[clipped[..., 1], clipped[..., 0]] & inside).any(axis=1)
