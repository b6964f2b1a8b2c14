"""Questions about regions that hold nothing of the kind asked about; the answer is none.

Ours: without them a model says the colour of a sign for any piece of sky. A region is an empty place, a place beside a
thing of that kind, or a thing of another kind. A photograph's labels do not say that nothing else stands in it, so
there only labelled things of another kind are asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from getok_core.queries import ABSENT, TASKS, SceneQuery

from .questions import region_in
from .scenes.canvas import FIRST, UNNAMED
from .targets import Frame

ASKED = {
    "signs": ("sign colour", "sign visible state"),
    "lights": ("light state",),
    "obstacles": ("obstacle class", "obstacle visible state"),
}
"""kind of thing -> tasks about one of them"""
EMPTY, BESIDE, OTHER = "an empty place", "a place beside one", "a thing of another kind"
WHERE = (EMPTY, BESIDE, OTHER)
SIDES = (0.015, 0.25)
"""of empty places, in parts of the image width"""
TRIES = 12
NONE = ABSENT[0]
"""the answer to all of them"""
Corners = NDArray[np.float64]
"""(4,) left, top, right, bottom, pixels"""


class Absent(NamedTuple):
    """A question to which the answer is none."""

    query: SceneQuery
    kind: str
    """what is asked about, a key of ASKED"""
    where: str
    """one of WHERE"""


def absent_questions(frame: Frame, rng: np.random.Generator, count: int) -> Iterator[Absent]:
    """At most `count` questions, each about a kind of thing whose truth is complete.

    What a frame shows more of is asked about more often: none must not become the usual answer about a rare kind.
    """
    kinds = [kind for kind in ASKED if kind in frame.known]
    share = np.array([0.5 + len(_boxes(frame, kind)) for kind in kinds])
    for _ in range(count if kinds else 0):
        kind, where = str(rng.choice(kinds, p=share / share.sum())), str(rng.choice(WHERE))
        region = _region(frame, kind, where, rng)
        if region is not None:
            name = str(rng.choice(ASKED[kind]))
            yield Absent(SceneQuery(name, TASKS[name].prompt, region_in(region, rng)), kind, where)


def _region(frame: Frame, kind: str, where: str, rng: np.random.Generator) -> Corners | None:
    """A box without a thing of that kind; None where none was found."""
    own, others = _boxes(frame, kind), [box for other in ASKED if other != kind for box in _boxes(frame, other)]
    if where == OTHER:
        apart = [box for box in others if not _touched(box, own, frame)]
        return apart[int(rng.integers(len(apart)))] if apart else None
    if frame.ids is None or (where == BESIDE and not own):
        return None
    for _ in range(TRIES):
        box = _moved(own[int(rng.integers(len(own)))], rng) if where == BESIDE else _anywhere(frame, rng)
        inside = (box[:2] >= 0).all() and (box[2:] <= frame.size).all()
        if inside and not _touched(box, [*own, *others], frame) and not _shows_a_thing(box, frame.ids):
            return box
    return None


def _boxes(frame: Frame, kind: str) -> list[Corners]:
    return [thing.box for thing in getattr(frame.scene, kind)]


def _anywhere(frame: Frame, rng: np.random.Generator) -> Corners:
    width = np.exp(rng.uniform(*np.log(SIDES))) * frame.size[0]
    sides = width * np.array([1.0, rng.uniform(0.6, 1.6)])
    corner = rng.uniform(0, 1, 2) * (np.asarray(frame.size) - sides)
    return np.concatenate([corner, corner + sides])


def _moved(box: Corners, rng: np.random.Generator) -> Corners:
    """The box, moved by two to five times its longer side in any direction."""
    angle, sides = rng.uniform(0, 2 * np.pi), box[2:] - box[:2]
    return box + np.tile(rng.uniform(2, 5) * sides.max() * np.array([np.cos(angle), np.sin(angle)]), 2)


def _touched(box: Corners, others: list[Corners], frame: Frame) -> bool:
    """Whether another box comes nearer than half of this one's sides, or than a cell: tokens cannot tell them apart."""
    margin = np.maximum((box[2:] - box[:2]) / 2, np.asarray(frame.size) / 32)
    low, high = box[:2] - margin, box[2:] + margin
    return any(bool((high > other[:2]).all() and (low < other[2:]).all()) for other in others)


def _shows_a_thing(box: Corners, ids: NDArray[np.uint8]) -> bool:
    """Whether a pixel in it belongs to a named thing: one too small or too hidden to be listed counts, too."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    shown = ids[top:bottom, left:right]
    return bool(((shown >= FIRST) & (shown != UNNAMED)).any())
