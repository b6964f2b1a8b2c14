"""What a frame is asked in every arm alike: two lists, questions about boxed regions, and referring expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.lattice import Lattice, Size
from getok_core.queries import STANDING, TASKS, SceneQuery
from getok_core.syntax import Instance, Part, distinct_vertices, enough, unlike
from getok_core.vocabulary import ANSWER, CLOSE, END_ANSWER, OPEN
from training.scenes.referring import noun_of, referring
from training.segments import IGNORE, Segment, draft_segment
from training.targets import Frame, Target, scene_targets

from .spelling import Spelling, Text, cells

LISTS = tuple(query for query in STANDING if query.name in ("lanes", "obstacles"))
REGION_TASKS = ("sign colour", "sign visible state", "light state", "obstacle class", "obstacle visible state")
MOST_QUESTIONS, MOST_EXPRESSIONS = 6, 4
DRAFTS_EACH = 4
"""proposals that are kept of one answer to be refined"""
Group = Literal["list", "question", "referred", "draft"]
Region = Literal["own", "text", "marker"]
"""how a region is named: as vertices are, in digits, or by an outline drawn on the image"""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One instance: its vertices (N, 2) in parts of the image."""

    label: str
    kind: str
    places: XY


@dataclass(frozen=True, eq=False)
class Asked:
    """A request with its true answer."""

    group: Group
    query: SceneQuery
    region: XY | None
    """corners (2, 2) of the box asked about, in parts of the image"""
    word: str
    drawn: tuple[Drawn, ...]


class Piece(NamedTuple):
    """A request as one arm spells it."""

    group: Group
    segment: Segment
    marker: NDArray[np.float32] | None
    """(4,) box to draw on the image, in parts of it"""


def asked_of(frame: Frame, rng: np.random.Generator) -> list[Asked]:
    """Everything that may be asked about a frame."""
    truth = scene_targets(frame, Lattice())
    asked = []
    for query in LISTS:
        drawn = tuple(Drawn(one.label, one.kind, one.uv / Lattice().n) for one in truth[query.name])
        asked.append(Asked("list", query, None, "", drawn))
    questions = _questions(frame)
    for index in rng.permutation(len(questions))[:MOST_QUESTIONS]:
        name, box, word = questions[index]
        jittered = box.reshape(2, 2) / frame.size + rng.normal(0.0, 0.06, (2, 2)) * (box[2:] - box[:2]) / frame.size
        corners = np.sort(np.clip(jittered, 0, 1), axis=0)
        asked.append(Asked("question", SceneQuery(name, TASKS[name].prompt), corners, word, ()))
    for expression, meant in referring(frame.things, frame.size, rng, MOST_EXPRESSIONS):
        things = [frame.things[index] for index in meant][: TASKS["referred boxes"].form.instances]
        drawn = tuple(Drawn(noun_of(one), "box", one.box.reshape(2, 2) / frame.size) for one in things)
        asked.append(Asked("referred", SceneQuery("referred boxes", expression), None, "", drawn))
    return asked


def _questions(frame: Frame) -> list[tuple[str, NDArray[np.float64], str]]:
    """Task, box and answer of every question about a thing."""
    scene = frame.scene
    asked = [("sign colour", sign.box, sign.colour) for sign in scene.signs]
    asked += [("sign visible state", sign.box, sign.visible_state) for sign in scene.signs]
    asked += [("light state", light.box, light.state) for light in scene.lights]
    asked += [("obstacle class", one.box, one.label) for one in scene.obstacles]
    states = zip(scene.obstacles, frame.obstacle_states, strict=False)
    return asked + [("obstacle visible state", one.box, state) for one, state in states]


def drafts_of(asked: Sequence[Asked], frame: Frame, spelling: Spelling, rng: np.random.Generator) -> list[Piece]:
    """Jittered proposals of every answer that has vertices, whose offsets are asked; spelling is of grid tokens.

    Several of each, in different rounds: a single one would be learned by heart, and what the network itself proposes
    would meet offsets and `<delete>` that belong to another proposal.
    """
    lattice, vocabulary = Lattice(spelling.n), spelling.vocabulary
    around = frame, lattice, vocabulary, rng
    segments = []
    for one in asked:
        targets = [Target(each.label, each.kind, each.places * lattice.n, lattice.n) for each in one.drawn]
        segments += [draft_segment(one.query, targets, *around) for _ in range(DRAFTS_EACH)] if targets else []
    return [Piece("draft", segment, None) for segment in segments if segment]


# -- spelling ----------------------------------------------------------------------------------------------------


def piece(asked: Asked, spelling: Spelling, region: Region, size: Size) -> Piece:
    """A request and its answer with next-token targets; size is the network's input."""
    prompt = prompt_of(asked, spelling, region, size)
    answer, goals = _answer(asked, spelling)
    ids = np.asarray([*prompt, *answer, END_ANSWER], np.int64)
    targets, at = ids[1:].copy(), np.full((len(ids), 2), np.nan, np.float32)
    targets[: len(prompt) - 1] = IGNORE
    at[len(prompt) : -1] = goals
    return Piece(asked.group, Segment(ids[:-1], targets, at[1:]), marker_of(asked, region))


def prompt_of(asked: Asked, spelling: Spelling, region: Region, size: Size) -> list[int]:
    """Ids of the question, up to and with `<answer>`."""
    words = list(asked.query.prompt(spelling.vocabulary, Lattice(spelling.n), size))
    if asked.region is None or region == "marker":
        return words
    corners, _ = (Text(size, spelling.n) if region == "text" else spelling).vertices(asked.region)
    at = spelling.vocabulary.encode_text("At")
    return [*words[:-1], *at, OPEN["box"], *corners, CLOSE["box"], ANSWER]


def marker_of(asked: Asked, region: Region) -> NDArray[np.float32] | None:
    """(4,) box to draw for a question, in parts of the image."""
    return asked.region.reshape(4).astype(np.float32) if asked.region is not None and region == "marker" else None


def _answer(asked: Asked, spelling: Spelling) -> tuple[list[int], NDArray[np.float32]]:
    """Ids of the answer without its end, and the true position in cells of each that is a cell."""
    vocabulary = spelling.vocabulary
    written = sayable(asked.drawn, spelling.n)
    if not written:
        words = vocabulary.encode_text(asked.word or "none")
        return words, np.full((len(words), 2), np.nan, np.float32)
    ids: list[int] = []
    goals: list[NDArray[np.float32]] = []
    for index, one in enumerate(written):
        head = [*([vocabulary.newline] if index else []), *vocabulary.encode_text(one.label), OPEN[one.kind]]
        vertices, positions = spelling.vertices(one.places)
        ids += [*head, *vertices, CLOSE[one.kind]]
        goals += [np.full((len(head), 2), np.nan), positions, np.full((1, 2), np.nan)]
    return ids, np.concatenate(goals).astype(np.float32)


def sayable(drawn: Sequence[Drawn], n: int) -> list[Drawn]:
    """Those that n x n cells can tell apart, with the vertices that are then written: every spelling writes these."""
    thinned = [
        replace(one, places=one.places[distinct_vertices(cells(one.places, n))]) if one.kind != "box" else one
        for one in drawn
    ]
    some = [one for one in thinned if enough(one.kind, cells(one.places, n))]
    fresh = unlike([Instance(one.label, (Part(one.kind, cells(one.places, n)),)) for one in some])
    return [one for one, new in zip(some, fresh, strict=True) if new]
