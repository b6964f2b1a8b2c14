"""Rewards of the second stage, S2: what the offsets of one round earn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from getok_core.lattice import Lattice
from getok_core.refine import Draft
from getok_core.vocabulary import DELETE, offset_ids

from ..offset_targets import THRESHOLD, draft_targets
from ..segments import nearest_on
from .instances import SIDE, SQUARE, Masked, Said, Truth, said_of, unmasked
from .matching import match
from .overlaps import box_overlap, hits, overlap
from .proposing import Reward, graded, paid

REFINING: Mapping[str, float] = {"format": 1.0, "mask": 1.0, "mask gain": 1.0, "box gain": 1.0, "points": 1.0}
"""component -> weight; "mask" itself goes up to 2"""
UV = NDArray[np.float64]
Shape = tuple[int, bytes, bytes]
"""an instance, its vertices and its box"""


@dataclass(frozen=True, eq=False)
class Coarse:
    """A draft before its round, with what each instance should become. One for all replies of a group."""

    draft: Draft
    labels: tuple[str, ...]
    n: int
    truths: dict[int, Truth]
    """instance of the draft -> the truth that it was matched with"""
    goals: dict[int, UV]
    """instance -> where the vertices (N, 2) of its first tag belong, in cells; NaN where it belongs to nothing"""
    targets: NDArray[np.int64]
    """(slots,) the offsets of algorithm 1"""
    reachable: frozenset[int]
    """instances that these targets leave alive; and those that overlap their truth by THRESHOLD as they are (ours: each
    vertex of an outline may be out of reach of its place while the whole fits)"""
    said: dict[int, Said]
    """what the draft says before the round"""
    known: dict[Shape, tuple[float, float]] = field(default_factory=dict[Shape, "tuple[float, float]"])
    """what `fit` has counted"""

    @classmethod
    def of(cls, draft: Draft, labels: Sequence[str], truths: Sequence[Truth], n: int, rounds_left: int = 1,
           masked: Masked = unmasked) -> Coarse:  # fmt: skip
        """Matches the draft by equations 6 to 9. rounds_left: how many rounds may still come, this one included."""
        saids = _said(draft, labels, n, masked)
        order = list(saids)
        matched = {order[p]: truths[g] for p, g in match(list(saids.values()), truths)}
        goals = {index: _goal(draft, index, matched.get(index), n) for index in order}
        count = max(order, default=-1) + 1
        masks = [_mask(matched.get(index), saids.get(index)) for index in range(count)]
        every = [goals.get(index, np.zeros((0, 2))) for index in range(count)]
        targets = draft_targets(draft, every, n, rounds_left, masks)
        alive = {part.instance for part in draft.apply(targets).parts}
        reachable = {k for k, truth in matched.items() if k in alive or overlap(saids[k], truth) >= THRESHOLD}
        return cls(draft, tuple(labels), n, matched, goals, targets, frozenset(reachable), saids)

    def fit(self, index: int, said: Said | None) -> tuple[float, float]:
        """Overlap of a matched instance with its truth, and that of their boxes; 0 where it was deleted.

        Counted once for each shape: the replies of a group differ in few of them.
        """
        if said is None:
            return 0.0, 0.0
        key = index, said.points.tobytes(), b"" if said.box is None else said.box.tobytes()
        if key not in self.known:
            truth = self.truths[index]
            self.known[key] = overlap(said, truth), box_overlap(said, truth)
        return self.known[key]


def refinement_reward(coarse: Coarse, ids: NDArray[np.int64], formed: bool = True, masked: Masked = unmasked) -> Reward:
    """Everything S2 pays for. ids (slots,): the offsets said; formed: it parsed; masked: decodes seeds.

    mask       sum over M of graded(IoU after) / C, up to 2; C = (P after + reachable G) / 2
    mask gain  mean over reachable matches of gain(IoU before, IoU after); of boxes alone it is the box gain
    box gain   the same of the boxes' IoU
    points     equation 13

    A truth that no instance of the draft can reach is not asked for: deleting what is not within reach is right, and
    with nothing within reach deleting everything earns everything that can be earned (ours).
    """
    before, after = coarse.said, _said(coarse.draft.apply(ids), coarse.labels, coarse.n, masked)
    count = (len(after) + len(coarse.reachable)) / 2
    fits = {k: coarse.fit(k, after[k])[0] for k in coarse.truths if k in after}
    components = {
        "format": float(formed),
        "mask": sum(map(graded, fits.values())) / count if count else 2.0,
        "points": point_refinement(coarse, ids),
    }
    kinds = {said.kind for said in before.values()}
    changes = [(coarse.fit(k, before[k]), coarse.fit(k, after.get(k))) for k in sorted(coarse.reachable)]
    if kinds & {"box", "seg"}:
        components["box gain"] = float(np.mean([gain(b[1], a[1]) for b, a in changes])) if changes else 0.0
    if kinds != {"box"}:
        components["mask gain"] = float(np.mean([gain(b[0], a[0]) for b, a in changes])) if changes else 0.0
    fit = sum(fits.values()) / count if count else 1.0
    return Reward(components, paid(fit))


def _said(draft: Draft, labels: Sequence[str], n: int, masked: Masked) -> dict[int, Said]:
    saids = said_of(draft, labels, n)
    return dict(zip(saids, masked(list(saids.values())), strict=True))


def gain(before: float, after: float) -> float:
    """IoUs in 0..1 -> -1..1 (ours): the share won of what was missing, or lost of what was there."""
    rest = 1.0 - before if after >= before else before
    return (after - before) / rest if rest > 0 else 0.0


def point_refinement(coarse: Coarse, ids: NDArray[np.int64]) -> float:
    """Equation 13: -1 leaving, +1 entering or staying inside, +1 for a right <delete>, else 0; mean over an instance's
    points, then over instances.

    Right is a <delete> where nothing of M lies within one offset of the point: the 3 x 3 neighbourhood in steps, as in
    equation 4; where more rounds may come, within all their offsets together (ours). For a vertex with a place of its
    own, "inside" means nearer to it than the round can say, half a step along each axis, and a <delete> is right where
    algorithm 1 deletes (ours).
    """
    scores: dict[int, list[NDArray[np.float64]]] = {}
    at = 0
    moved = _moved(coarse.draft, ids)
    for part in coarse.draft.parts:
        span = slice(at, at + len(part.ij))
        inside, inside_after = (_inside(coarse, part.instance, part.kind, part.vertex, uv)
                                for uv in (coarse.draft.uv(part), moved[span]))  # fmt: skip
        deleted, right = ids[span] == DELETE, coarse.targets[span] == DELETE
        kept = np.where(inside_after, 1.0, np.where(inside, -1.0, 0.0))
        gone = np.where(inside, -1.0, np.where(right, 1.0, 0.0))
        scores.setdefault(part.instance, []).append(np.where(deleted, gone, kept))
        at = span.stop
    return float(np.mean([np.concatenate(some).mean() for some in scores.values()])) if scores else 0.0


def _moved(draft: Draft, ids: NDArray[np.int64]) -> UV:
    """(slots, 2) where every vertex lies after the round, in cells; a deleted one where it was."""
    kept = draft.apply(np.where(ids == DELETE, offset_ids(np.zeros(2, np.int64)), ids))
    return np.concatenate([kept.uv(part) for part in kept.parts] or [np.zeros((0, 2))])


def _inside(coarse: Coarse, index: int, kind: str, vertex: NDArray[np.int64], uv: UV) -> NDArray[np.bool_]:
    """(N,) whether vertices (N, 2) in cells are where they belong."""
    truth = coarse.truths.get(index)
    if truth is None:
        return np.zeros(len(uv), np.bool_)
    if kind in ("seg", "pt"):
        return hits(uv * (SIDE / coarse.n), truth)
    goal = coarse.goals[index] if kind == "box" else nearest_on(_line(truth, coarse.n), uv, truth.kind == "poly")
    near = np.abs(uv - goal) <= 2.0 ** -(coarse.draft.step + 1) + 1e-9
    return np.asarray(near.all(axis=1), np.bool_)


def _line(truth: Truth, n: int) -> UV:
    assert truth.line is not None, f"a {truth.kind} has no line"
    return Lattice(n).to_cells(truth.line, SQUARE)


def _goal(draft: Draft, index: int, truth: Truth | None, n: int) -> UV:
    """Where the vertices of an instance's first tag belong, (N, 2) in cells."""
    first = next(part for part in draft.parts if part.instance == index)
    if truth is None:
        return np.full((int(first.vertex.max()) + 1, 2), np.nan)
    if first.kind in ("pl", "poly"):
        goal = np.full((int(first.vertex.max()) + 1, 2), np.nan)
        goal[first.vertex] = nearest_on(_line(truth, n), draft.uv(first), truth.kind == "poly")
        return goal
    box = Lattice(n).to_cells(truth.box.reshape(2, 2), SQUARE)
    return box if first.kind == "box" else box.mean(axis=0, keepdims=True)


def _mask(truth: Truth | None, said: Said | None) -> NDArray[np.bool_] | None:
    """Pixels that an instance's seeds or point belong to: none where it was matched with nothing."""
    if said is None or said.kind not in ("seg", "pt"):
        return None
    return np.zeros((1, 1), np.bool_) if truth is None else truth.mask if truth.mask is not None else _filled(truth.box)


def _filled(box: NDArray[np.float64]) -> NDArray[np.bool_]:
    left, top, right, bottom = np.round(box).astype(int).tolist()
    mask = np.zeros((int(SIDE), int(SIDE)), np.bool_)
    mask[top:bottom, left:right] = True
    return mask
