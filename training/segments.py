"""One request with its targets as a token sequence: lists, anchors, drafts in both forms, questions.

Targets use the canonical code; the true sub-cell position of a vertex travels along for neighbour-smoothed targets, and
with a draft where each vertex belongs, so that its offsets can be computed again for the model's own proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import KINDS
from getok_core.grammar import write
from getok_core.lattice import Lattice, Size
from getok_core.queries import SceneQuery
from getok_core.refine import Draft, offset_targets
from getok_core.syntax import distinct_vertices, unlike
from getok_core.vocabulary import END_ANSWER, Vocabulary

from .offset_targets import corner_targets, draft_targets
from .targets import Frame, Target, cells, sayable, written_instance

IGNORE = -1
ROUNDS = 3
"""rounds that drafts are trained for"""
TRACKING_ROUNDS = 4
"""the same for drafts of the frame before: steps of two cells down to a quarter"""
DRIFT = 0.9
"""standard deviation, in cells, of where an instance was a frame ago"""
JITTER = (0.15, 0.3, 0.5)
"""standard deviations, in cells, of the proposals that drafts are made of"""


class Sized(Protocol):
    """Anything that knows how large its picture is, a frame among others."""

    @property
    def size(self) -> Size:
        """width, height in pixels"""
        ...


@dataclass(frozen=True, eq=False)
class Segment:
    """One request with its targets, each array of length T."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    """token that the logits at this place should give; IGNORE where nothing is asked"""
    goals: NDArray[np.float32]
    """(T, 2) true position in cells of a target that is a grid token, NaN elsewhere"""
    own: Own | None = None
    """of a draft whose cells training may replace with those the model itself named"""


@dataclass(frozen=True, eq=False)
class Own:
    """How a draft of the true proposal becomes a draft of the model's own: arrays of its length T."""

    of: Segment
    """the list that it repeats"""
    links: NDArray[np.int64]
    """place of that list where the cell repeated here is named, -1 elsewhere"""
    aims: NDArray[np.float32]
    """(T, 4) where the vertex whose offset is read here belongs, x, y, and the line's direction there; NaN elsewhere"""


def answer_segment(prompt: Sequence[int], answer: Sequence[int], goals: NDArray[np.float64],
                   vocabulary: Vocabulary) -> Segment:  # fmt: skip
    """Prompt and answer -> next-token targets over the answer and its end. goals: (G, 2), one a grid token."""
    ids = np.asarray([*prompt, *answer, END_ANSWER], np.int64)
    targets = ids[1:].copy()
    targets[: len(prompt) - 1] = IGNORE
    at = np.full((len(ids), 2), np.nan, np.float32)
    places = len(prompt) + np.flatnonzero([vocabulary.is_grid(token) for token in answer])
    at[places] = goals
    return Segment(ids[:-1], targets, at[1:])


def list_segment(query: SceneQuery, targets: Sequence[Target], frame: Frame, lattice: Lattice,
                 vocabulary: Vocabulary) -> Segment:  # fmt: skip
    """A query that asks for geometry, with its whole answer."""
    instances = [t.instance() for t in targets]
    goals = np.concatenate([t.written() for t in targets]) if targets else np.zeros((0, 2))
    prompt = query.prompt(vocabulary, lattice, frame.size)
    return answer_segment(prompt, write([i for i in instances if i], vocabulary), goals, vocabulary)


def anchor_segments(query: SceneQuery, targets: Sequence[Target], frame: Frame, lattice: Lattice,
                    vocabulary: Vocabulary, rng: np.random.Generator) -> list[Segment]:  # fmt: skip
    """The anchors form: the list of labels and first vertices, and one object continued from its anchor."""
    anchors = sayable([Target(t.label, "pt", t.uv[:1], t.n) for t in targets])
    asked = replace(query, anchors=True)
    segments = [list_segment(asked, anchors, frame, lattice, vocabulary)]
    if targets:
        chosen = targets[int(rng.integers(len(targets)))]
        whole = list_segment(query, [chosen], frame, lattice, vocabulary)
        # The label, the tag and the first vertex are given: nothing is asked before the second vertex.
        first = int(np.flatnonzero(~np.isnan(whole.goals[:, 0]))[0])
        targets_left = whole.targets.copy()
        targets_left[: first + 1] = IGNORE
        segments.append(replace(whole, targets=targets_left))
    return segments


# -- drafts ------------------------------------------------------------------------------------------------------


def draft_segment(query: SceneQuery, targets: Sequence[Target], frame: Sized, lattice: Lattice,
                  vocabulary: Vocabulary, rng: np.random.Generator, sequential: bool = False,
                  tracking: bool = False, rounds: int = ROUNDS) -> Segment | None:  # fmt: skip
    """A jittered proposal, refined by the canonical offsets up to a random round, whose offsets are then asked.

    In one pass, or (sequential) in the paper's form, one token after another. tracking: each instance lies where it
    might have been a frame ago, and steps of two cells and of one come first.
    """
    jittered, goals = [], []
    first, rounds = (-1, TRACKING_ROUNDS) if tracking else (1, rounds)
    for target in targets:
        uv = target.uv + rng.normal(0.0, rng.choice(JITTER), target.uv.shape)
        if tracking:
            uv += rng.normal(0.0, DRIFT, (1, 2))
        lost = rng.random(len(uv)) < 0.02
        uv[lost] += rng.choice([-3.0, 3.0], (int(lost.sum()), 2))
        uv = np.clip(uv, 0, lattice.n - 1e-6)
        if target.kind == "box":
            uv[1] = np.maximum(uv[1], np.floor(uv[0]))
        instance = written_instance(target.label, target.kind, uv, lattice.n)
        if instance is not None:
            keep = np.arange(len(uv)) if target.kind == "box" else distinct_vertices(cells(uv, lattice.n))
            if not all(unlike([*jittered, instance])):
                continue
            jittered.append(instance)
            goals.append(_goals(target, instance.parts[0].ij + 0.5, lost[keep]))
    if not jittered:
        return None
    prompt = query.prompt(vocabulary, lattice, frame.size)
    draft = Draft.of(prompt, tuple(write(jittered, vocabulary)), tuple(jittered), first)
    for done in range(int(rng.integers(0, rounds))):
        draft = draft.apply(draft_targets(draft, goals, lattice.n, rounds - done))
        if not draft.parts:
            return None
    asked = draft_targets(draft, goals, lattice.n, rounds - len(draft.steps))
    return _sequential(draft, asked, vocabulary) if sequential else one_pass_segment(draft, asked, vocabulary)


def one_pass_segment(draft: Draft, asked: NDArray[np.int64], vocabulary: Vocabulary) -> Segment:
    """A draft whose offsets (slots,) are asked all at once, each at its vertex."""
    ids, reads = draft.sequence(vocabulary)
    targets = np.full(len(ids), IGNORE, np.int64)
    targets[reads] = asked
    return Segment(np.asarray(ids, np.int64), targets, np.full((len(ids), 2), np.nan, np.float32))


def _sequential(draft: Draft, asked: NDArray[np.int64], vocabulary: Vocabulary) -> Segment:
    prompt, script = draft.sequential_prompt(vocabulary), draft.sequential_script(vocabulary)
    offsets = iter(asked.tolist())
    said = [next(offsets) if token is None else token for token in script]
    ids = np.asarray([*prompt, *said], np.int64)
    targets = np.full(len(ids), IGNORE, np.int64)
    # Tags are the draft's own: the grammar gives them, nothing is asked there.
    read = len(prompt) + np.flatnonzero([token is None for token in script])
    targets[read - 1] = ids[read]
    return Segment(ids[:-1], targets[:-1], np.full((len(ids) - 1, 2), np.nan, np.float32))


def own_draft_segment(whole: Segment, query: SceneQuery, targets: Sequence[Target], frame: Frame, lattice: Lattice,
                      vocabulary: Vocabulary) -> Segment:  # fmt: skip
    """The true proposal as a first draft, linked to its list so that training can put the model's own cells there."""
    instances = tuple(i for i in (t.instance() for t in targets) if i)
    prompt = query.prompt(vocabulary, lattice, frame.size)
    draft = Draft.of(prompt, tuple(write(instances, vocabulary)), instances)
    ids, reads = draft.sequence(vocabulary)
    goal = np.concatenate([t.written() for t in targets])
    aims = np.full((len(ids), 4), np.nan, np.float32)
    aims[reads, :2], aims[reads, 2:] = goal, np.concatenate([_directions(t) for t in targets])
    named = np.flatnonzero(~np.isnan(whole.goals[:, 0]))
    links = np.full(len(ids), -1, np.int64)
    links[named + 1], links[reads] = named, named
    asked = np.full(len(ids), IGNORE, np.int64)
    asked[reads] = _first_round(draft, goal)
    nowhere = np.full((len(ids), 2), np.nan, np.float32)
    return Segment(np.asarray(ids, np.int64), asked, nowhere, Own(whole, links, aims))


def _first_round(draft: Draft, goal: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ids (slots,) of a first draft whose vertices belong at goal (slots, 2): a box's corners by their own rule."""
    ends = np.cumsum([len(part.ij) for part in draft.parts])[:-1]
    ids = [np.zeros(0, np.int64)]
    for part, goals in zip(draft.parts, np.split(goal, ends), strict=True):
        rule = corner_targets if part.kind == "box" else offset_targets
        ids.append(rule(draft.uv(part), goals, draft.step, ROUNDS))
    return np.concatenate(ids)


def _directions(target: Target) -> NDArray[np.float64]:
    """Unit direction (M, 2) of a line at its written vertices; zero where a vertex has a place of its own."""
    points = target.written()
    if target.kind not in ("pl", "poly"):
        return np.zeros_like(points)
    along = (
        np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
        if target.kind == "poly"
        else np.gradient(points, axis=0)
    )
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)


def _goals(target: Target, uv: NDArray[np.float64], lost: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where proposed vertices (N, 2) belong: a box's own corners, else the nearest point of the line or outline."""
    own = target.kind in ("box", "pt")
    goal = target.uv if own else nearest_on(target.uv, uv, closed=target.kind == "poly")
    return np.where(lost[:, None], np.nan, goal)


def nearest_on(line: NDArray[np.float64], points: NDArray[np.float64], closed: bool = False) -> NDArray[np.float64]:
    """Nearest point of a polyline (M, 2) to each of points (N, 2)."""
    a = line if closed else line[:-1]
    ab = (np.roll(line, -1, axis=0) if closed else line[1:]) - a
    t = ((points[:, None] - a) * ab).sum(-1) / np.maximum((ab**2).sum(-1), 1e-12)
    on = a + np.clip(t, 0.0, 1.0)[..., None] * ab
    best = ((points[:, None] - on) ** 2).sum(-1).argmin(axis=1)
    return on[np.arange(len(points)), best]


# -- questions ---------------------------------------------------------------------------------------------------


def question_segment(query: SceneQuery, answer: str, frame: Frame, lattice: Lattice, vocabulary: Vocabulary) -> Segment:
    """A question answered in words."""
    region = query.region
    if region is not None:
        query = replace(query, region=KINDS[region.kind](np.clip(region.xy, 0, frame.size)) if region.kind != "box"
                        else region)  # fmt: skip
    prompt = query.prompt(vocabulary, lattice, frame.size)
    return answer_segment(prompt, vocabulary.encode_text(answer), np.zeros((0, 2)), vocabulary)
