"""A frame with its truth -> packs of requests with their targets: the only place that says what a model is asked.

One image carries several packs; in a pack many requests lie side by side, kept apart in attention by their numbers. All
arrays have a fixed length, so that batches are copies and nothing of a sample is touched by Python while a GPU trains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from getok_core.lattice import Lattice
from getok_core.queries import STANDING, TASKS, SceneQuery
from getok_core.vocabulary import PAD, Vocabulary

from .absent import NONE, absent_questions
from .offset_drafts import thing_draft
from .questions import attribute_questions, referred_targets, referring_questions
from .segments import (
    IGNORE,
    ROUNDS,
    Segment,
    anchor_segments,
    draft_segment,
    list_segment,
    one_pass_segment,
    own_draft_segment,
    question_segment,
)
from .targets import Frame, Target, dense_truth, scene_targets

LENGTH = 384
"""text tokens in a pack"""
MOST_QUESTIONS, MOST_ABSENT = 8, 2
"""attribute questions in a pack, and those of them about a region without what is asked about: a quarter or so"""
CHANNELS = ("lanes", "drivable area", "obstacles", "signs", "lights")
"""what the dense pretext says of each cell, by standing task"""


@dataclass(frozen=True, eq=False)
class Pack:
    """Requests side by side, every array of length T."""

    ids: NDArray[np.int32]
    segment: NDArray[np.int32]
    """number of the request a token belongs to; -1 on padding"""
    position: NDArray[np.int32]
    """place in its request"""
    targets: NDArray[np.int32]
    """token that the logits at this place should give; IGNORE where nothing is asked"""
    goals: NDArray[np.float32]
    """(T, 2) true positions in cells of grid targets, NaN elsewhere"""
    links: NDArray[np.int32]
    """place in this pack where the cell repeated here was named, -1 where none was; see segments.Segment"""
    aims: NDArray[np.float32]
    """(T, 4) where the vertex whose offset is read here belongs, and the line's direction; NaN elsewhere"""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image (H, W, 3) uint8, its packs, and what lies under each cell, (5, n, n) in 0..1."""

    image: NDArray[np.uint8]
    packs: tuple[Pack, ...]
    dense: NDArray[np.float32]
    dense_known: NDArray[np.float32]
    """(5,) 1 where that channel's truth is complete"""


def make_sample(frame: Frame, lattice: Lattice, vocabulary: Vocabulary, rng: np.random.Generator, packs: int = 1,
                length: int = LENGTH) -> Sample:  # fmt: skip
    """A frame at the model's own size -> a sample; requests that do not fit in a pack are left out of it."""
    made = tuple(pack(segments_of(frame, lattice, vocabulary, rng), length) for _ in range(packs))
    known = np.asarray([name in frame.known for name in CHANNELS], np.float32)
    return Sample(frame.image, made, dense_truth(frame, lattice), known)


def segments_of(frame: Frame, lattice: Lattice, vocabulary: Vocabulary, rng: np.random.Generator) -> list[Segment]:
    """All that is asked about a frame this time, what matters most first; a list stands before its own draft."""
    targets = scene_targets(frame, lattice)
    segments: list[Segment] = []
    extras: list[list[Segment | None]] = []
    for query in STANDING:
        if query.name not in frame.known:
            continue
        whole = list_segment(query, targets[query.name], frame, lattice, vocabulary)
        segments.append(whole)
        extras += _about_list(query, targets[query.name], whole, frame, lattice, vocabulary, rng)
    absent = [(one.query, NONE) for one in absent_questions(frame, rng, MOST_ABSENT)]
    questions = [*attribute_questions(frame, rng), *absent]
    asked = [question_segment(question, answer, frame, lattice, vocabulary) for question, answer in questions]
    segments += [asked[index] for index in rng.permutation(len(asked))[:MOST_QUESTIONS]]
    for query, meant in referring_questions(frame, rng, 4):
        found = referred_targets(query, frame, meant, lattice)
        whole = list_segment(query, found, frame, lattice, vocabulary)
        segments.append(whole)
        if found and rng.random() < 0.3:
            extras.append([own_draft_segment(whole, query, found, frame, lattice, vocabulary)])
        if found and rng.random() < 0.2:
            extras.append([thing_segment(query, meant, frame, lattice, vocabulary, rng)])
    extra = [segment for index in rng.permutation(len(extras)) for segment in extras[index]]
    return segments + [segment for segment in extra if segment is not None]


def _about_list(query: SceneQuery, targets: list[Target], whole: Segment, frame: Frame, lattice: Lattice,
                vocabulary: Vocabulary, rng: np.random.Generator) -> list[list[Segment | None]]:  # fmt: skip
    """Anchors and drafts of one standing list, each now and then."""
    around = (frame, lattice, vocabulary)
    extras: list[list[Segment | None]] = []
    if TASKS[query.name].anchors_prompt and rng.random() < 0.2:
        extras.append(list(anchor_segments(query, targets, *around, rng)))
    if targets and rng.random() < 0.45:
        extras.append([draft_segment(query, targets, *around, rng)])
    if targets and rng.random() < 0.3:
        extras.append([own_draft_segment(whole, query, targets, *around)])
    if targets and rng.random() < 0.06:
        extras.append([draft_segment(query, targets, *around, rng, sequential=True)])
    if targets and rng.random() < 0.12:
        extras.append([draft_segment(query, targets, *around, rng, tracking=True)])
    return extras


def thing_segment(query: SceneQuery, meant: tuple[int, ...], frame: Frame, lattice: Lattice, vocabulary: Vocabulary,
                  rng: np.random.Generator) -> Segment | None:  # fmt: skip
    """A proposal for what was referred to, made by algorithm 1, in a random round of ROUNDS."""
    asked = thing_draft(query, frame, meant, lattice, vocabulary, rng, ROUNDS)
    asked = asked.refined(int(rng.integers(0, ROUNDS))) if asked else None
    return one_pass_segment(asked.draft, asked.targets(), vocabulary) if asked and asked.draft.parts else None


def pack(segments: list[Segment], length: int) -> Pack:
    """Segments that fit, one after another, padded to `length`. A draft whose list was left out keeps no links."""
    ids, targets = np.full(length, PAD, np.int32), np.full(length, IGNORE, np.int32)
    number, position = np.full(length, -1, np.int32), np.zeros(length, np.int32)
    goals, aims = np.full((length, 2), np.nan, np.float32), np.full((length, 4), np.nan, np.float32)
    links = np.full(length, -1, np.int32)
    at, starts = 0, dict[int, int]()
    for count, segment in enumerate(segments):
        end = at + len(segment.ids)
        if end > length:
            continue
        span = slice(at, end)
        ids[span], targets[span], goals[span] = segment.ids, segment.targets, segment.goals
        number[span], position[span] = count, np.arange(end - at)
        if segment.own is not None and id(segment.own.of) in starts:
            links[span] = np.where(segment.own.links >= 0, segment.own.links + starts[id(segment.own.of)], -1)
            aims[span] = segment.own.aims
        starts[id(segment)] = at
        at = end
    return Pack(ids, number, position, targets, goals, links, aims)
