"""A frame with its truth -> token sequences with their targets: the only place that says what a model is asked.

One image carries many requests, packed side by side; a segment number keeps them apart in attention. Targets use the
canonical code; the true sub-cell position of a vertex travels along for neighbour-smoothed targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import KINDS, Box, Point, Polygon, Polyline, Shape, resample
from getok_core.grammar import Instance, Part, distinct_vertices, enough, unlike, write
from getok_core.lattice import Lattice, Size
from getok_core.queries import STANDING, TASKS, SceneQuery
from getok_core.refine import Draft, offset_targets
from getok_core.scene import Scene, Sign
from getok_core.vocabulary import END_ANSWER, Vocabulary

LANE_VERTICES = 12
JITTER = (0.15, 0.3, 0.5)
"""standard deviations, in cells, of the proposals that drafts are made of"""
IGNORE = -1


@dataclass(frozen=True, eq=False)
class Frame:
    """An image and what is known about it."""

    image: NDArray[np.uint8]
    scene: Scene
    known: frozenset[str]
    """names of tasks whose truth is complete"""
    attributes: dict[str, str] = field(default_factory=dict)
    obstacle_states: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, eq=False)
class Segment:
    """One request with its targets, each array of length T."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    """token that the logits at this place should give; IGNORE where nothing is asked"""
    goals: NDArray[np.float32]
    """(T, 2) true position in cells of a target that is a grid token, NaN elsewhere"""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image (H, W, 3) uint8 with its packed segments and what lies under each cell (5, n, n) in 0..1."""

    image: NDArray[np.uint8]
    segments: tuple[Segment, ...]
    dense: NDArray[np.float32]
    dense_known: NDArray[np.float32]
    """(5,) 1 where that channel's truth is complete"""


# -- truth as instances ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Target:
    """One instance with the true position of its vertices, (N, 2) in cells."""

    label: str
    kind: str
    uv: NDArray[np.float64]

    def instance(self) -> Instance | None:
        """Its grid tokens, or None when the lattice is too coarse to write it."""
        return _instance(self.label, self.kind, self.uv)

    def written(self) -> NDArray[np.float64]:
        """True positions (M, 2) of the vertices that are written."""
        return self.uv if self.kind == "box" else self.uv[distinct_vertices(_cells(self.uv))]


def _cells(uv: NDArray[np.float64], n: int = 32) -> NDArray[np.int64]:
    return np.clip(np.floor(uv), 0, n - 1).astype(np.int64)


def _instance(label: str, kind: str, uv: NDArray[np.float64]) -> Instance | None:
    ij = _cells(uv)
    if kind != "box":
        ij = ij[distinct_vertices(ij)]
    return Instance(label, (Part(kind, ij),)) if enough(kind, ij) else None


def scene_targets(frame: Frame, lattice: Lattice) -> dict[str, list[Target]]:
    """Truth of the five standing queries, in the order that answers have."""
    scene, limit = frame.scene, {name: TASKS[name].form.instances for name in TASKS}

    def uv(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return lattice.to_cells(xy, frame.size)

    found = {
        "lanes": [Target(x.label, "pl", uv(resample(x.points, LANE_VERTICES))) for x in scene.lanes],
        "drivable area": [Target("drivable", "poly", uv(_outline(x.points))) for x in scene.drivable_areas],
        "obstacles": [Target(x.label, "box", uv(x.box.reshape(2, 2))) for x in scene.obstacles],
        "signs": [Target(_sign_label(x), "box", uv(x.box.reshape(2, 2))) for x in scene.signs],
        "lights": [Target(x.state, "box", uv(x.box.reshape(2, 2))) for x in scene.lights],
    }
    return {name: _sayable(list_)[: limit[name]] for name, list_ in found.items()}


def _sayable(targets: list[Target]) -> list[Target]:
    """Those the lattice can write, each beginning unlike those before it."""
    written = [(target, target.instance()) for target in targets]
    some = [(target, instance) for target, instance in written if instance is not None]
    fresh = unlike([instance for _, instance in some])
    return [target for (target, _), new in zip(some, fresh, strict=True) if new]


def _sign_label(sign: Sign) -> str:
    """A hue that cannot be measured is called other; a photograph that says nothing of visibility counts as clear."""
    return f"{sign.label} {sign.colour or 'other'} {sign.visible_state or 'clear'}"


def _outline(xy: NDArray[np.float64], most: int = 20) -> NDArray[np.float64]:
    """A contour with at most so many vertices, simplified as little as that allows."""
    epsilon = 0.002 * float(np.ptp(xy, axis=0).sum())
    out = xy
    while len(out) > most:
        out = cv2.approxPolyDP(xy.astype(np.float32)[:, None], epsilon, True)[:, 0].astype(np.float64)
        epsilon *= 1.3
    return out if len(out) >= 3 else xy[:3]


# -- segments ----------------------------------------------------------------------------------------------------


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
    """A standing query with its whole answer."""
    instances = [t.instance() for t in targets]
    goals = np.concatenate([t.written() for t in targets]) if targets else np.zeros((0, 2))
    prompt = query.prompt(vocabulary, lattice, frame.size)
    return answer_segment(prompt, write([i for i in instances if i], vocabulary), goals, vocabulary)


def anchor_segments(query: SceneQuery, targets: Sequence[Target], frame: Frame, lattice: Lattice,
                    vocabulary: Vocabulary, rng: np.random.Generator) -> list[Segment]:  # fmt: skip
    """The anchors form: the list of labels and first vertices, and one object continued from its anchor."""
    anchors = _sayable([Target(t.label, "pt", t.uv[:1]) for t in targets])
    asked = replace(query, anchors=True)
    segments = [list_segment(asked, anchors, frame, lattice, vocabulary)]
    if targets:
        chosen = targets[int(rng.integers(len(targets)))]
        segments.append(list_segment(query, [chosen], frame, lattice, vocabulary))
        whole = segments[-1]
        # The label, the tag and the first vertex are given: nothing is asked before the second vertex.
        first = int(np.flatnonzero(~np.isnan(whole.goals[:, 0]))[0])
        targets_left = whole.targets.copy()
        targets_left[: first + 1] = IGNORE
        segments[-1] = Segment(whole.ids, targets_left, whole.goals)
    return segments


def draft_segment(query: SceneQuery, targets: Sequence[Target], frame: Frame, lattice: Lattice,
                  vocabulary: Vocabulary, rng: np.random.Generator, rounds: int = 3) -> Segment | None:  # fmt: skip
    """A jittered proposal, refined by the canonical offsets up to a random round, whose offsets are then asked."""
    jittered, goals = [], []
    for target in targets:
        uv = target.uv + rng.normal(0.0, rng.choice(JITTER), target.uv.shape)
        lost = rng.random(len(uv)) < 0.02
        uv[lost] += rng.choice([-3.0, 3.0], (int(lost.sum()), 2))
        uv = np.clip(uv, 0, lattice.n - 1e-6)
        if target.kind == "box":
            uv[1] = np.maximum(uv[1], np.floor(uv[0]))
        instance = _instance(target.label, target.kind, uv)
        if instance is not None:
            keep = np.arange(len(uv)) if target.kind == "box" else distinct_vertices(_cells(uv))
            if not all(unlike([*jittered, instance])):
                continue
            jittered.append(instance)
            goals.append(_goals(target, instance.parts[0].ij + 0.5, lost[keep]))
    if not jittered:
        return None
    prompt = query.prompt(vocabulary, lattice, frame.size)
    draft = Draft.of(prompt, tuple(write(jittered, vocabulary)), tuple(jittered))
    for done in range(int(rng.integers(0, rounds))):
        draft = draft.apply(_offsets(draft, goals, rounds - done))
        if not draft.parts:
            return None
    ids, reads = draft.sequence(vocabulary)
    asked = np.full(len(ids), IGNORE, np.int64)
    asked[reads] = _offsets(draft, goals, rounds - len(draft.steps))
    return Segment(np.asarray(ids, np.int64), asked, np.full((len(ids), 2), np.nan, np.float32))


def _offsets(draft: Draft, goals: list[NDArray[np.float64]], left: int) -> NDArray[np.int64]:
    return np.concatenate(
        [offset_targets(draft.uv(part), goals[part.instance][part.vertex], draft.step, left) for part in draft.parts]
    )


def _goals(target: Target, uv: NDArray[np.float64], lost: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where proposed vertices (N, 2) belong: a box's own corners, else the nearest point of the line or outline."""
    goal = target.uv if target.kind == "box" else nearest_on(target.uv, uv, closed=target.kind == "poly")
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


def questions(frame: Frame, rng: np.random.Generator) -> Iterator[tuple[SceneQuery, str]]:
    """Attribute questions with their answers, most of them about a region."""
    scene = frame.scene
    for name, attribute in (("road surface", "surface"), ("road blockage", "blockage"), ("traffic density", "traffic")):
        if attribute in frame.attributes and rng.random() < 0.35:
            yield _ask(name), frame.attributes[attribute]
    if "signs" in frame.known:
        for sign in scene.signs:
            if sign.colour:
                yield _ask("sign colour", region_in(sign.box, rng)), sign.colour
            if sign.visible_state and rng.random() < 0.4:
                yield _ask("sign visible state", region_in(sign.box, rng)), sign.visible_state
        if len(scene.signs) < 2 and rng.random() < 0.4:
            yield _ask("sign colour"), scene.signs[0].colour if scene.signs else "none"
    if "lights" in frame.known:
        for light in scene.lights:
            yield _ask("light state", region_in(light.box, rng)), light.state
        if len(scene.lights) < 2 and rng.random() < 0.3:
            yield _ask("light state"), scene.lights[0].state if scene.lights else "none"
    if "obstacles" in frame.known:
        for obstacle, state in zip(scene.obstacles, frame.obstacle_states, strict=False):
            if rng.random() < 0.4:
                yield _ask("obstacle class", region_in(obstacle.box, rng)), obstacle.label
            if rng.random() < 0.2:
                yield _ask("obstacle visible state", region_in(obstacle.box, rng)), state


def _ask(name: str, region: Shape | None = None) -> SceneQuery:
    return SceneQuery(name, TASKS[name].prompt, region)


def region_in(box: NDArray[np.float64], rng: np.random.Generator) -> Shape:
    """A box (4,) named as a person would: the box, a point in it, a line across it, or an outline around it."""
    low, high = box[:2], box[2:]
    size, kind = high - low, rng.choice(["box", "pt", "pl", "poly"], p=[0.5, 0.3, 0.1, 0.1])
    if kind == "box":
        jitter = rng.normal(0.0, 0.06, (2, 2)) * size
        corners = np.sort(np.stack([low, high]) + jitter, axis=0)
        return Box(np.stack([corners[0], np.maximum(corners[1], corners[0] + 1.0)]))
    if kind == "pt":
        return Point((low + size * rng.uniform(0.3, 0.7, 2))[None])
    if kind == "pl":
        return Polyline(low + size * np.array([[0.2, 0.5], [0.8, 0.5]]))
    return Polygon(low + size * np.array([[0.0, 0.5], [0.5, 0.0], [1.0, 0.5], [0.5, 1.0]]))


def question_segment(query: SceneQuery, answer: str, frame: Frame, lattice: Lattice, vocabulary: Vocabulary) -> Segment:
    region = query.region
    if region is not None:
        query = replace(query, region=KINDS[region.kind](np.clip(region.xy, 0, frame.size)) if region.kind != "box"
                        else region)  # fmt: skip
    prompt = query.prompt(vocabulary, lattice, frame.size)
    return answer_segment(prompt, vocabulary.encode_text(answer), np.zeros((0, 2)), vocabulary)


# -- a whole sample ----------------------------------------------------------------------------------------------


def make_sample(frame: Frame, lattice: Lattice, vocabulary: Vocabulary, rng: np.random.Generator,
                budget: int = 288) -> Sample:  # fmt: skip
    """A frame at the model's own size -> a sample of at most `budget` text tokens; what comes too late is left out."""
    targets = scene_targets(frame, lattice)
    segments: list[Segment | None] = []
    standing = [query for query in STANDING if query.name in frame.known]
    for query in standing:
        segments.append(list_segment(query, targets[query.name], frame, lattice, vocabulary))
    asked = [question_segment(q, a, frame, lattice, vocabulary) for q, a in questions(frame, rng)]
    segments += [asked[index] for index in rng.permutation(len(asked))[:6]]
    extras: list[Segment | None] = []
    for query in standing:
        if TASKS[query.name].anchors_prompt and rng.random() < 0.25:
            extras += anchor_segments(query, targets[query.name], frame, lattice, vocabulary, rng)
        if targets[query.name] and rng.random() < 0.4:
            extras.append(draft_segment(query, targets[query.name], frame, lattice, vocabulary, rng))
    segments += [extras[index] for index in rng.permutation(len(extras))]
    kept, used = [], 0
    for segment in segments:
        if segment is not None and used + len(segment.ids) <= budget:
            kept.append(segment)
            used += len(segment.ids)
    channels = ("lanes", "drivable area", "obstacles", "signs", "lights")
    known = np.asarray([name in frame.known for name in channels], np.float32)
    return Sample(frame.image, tuple(kept), dense_truth(frame, lattice), known)


def dense_truth(frame: Frame, lattice: Lattice) -> NDArray[np.float32]:
    """What lies under each cell: (5, n, n) shares in 0..1 of lane, drivable, obstacle, sign, light."""
    scene, n, scale = frame.scene, lattice.n, 4
    planes = np.zeros((5, n * scale, n * scale), np.uint8)

    def at(xy: NDArray[np.float64]) -> NDArray[np.int32]:
        return np.round(lattice.to_cells(xy, frame.size) * scale - 0.5).astype(np.int32)

    for lane in scene.lanes:
        cv2.polylines(planes[0], [at(lane.points)], False, 1, 1)
    for area in scene.drivable_areas:
        cv2.fillPoly(planes[1], [at(area.points)], 1)
    for plane, boxes in ((2, scene.obstacles), (3, scene.signs), (4, scene.lights)):
        for thing in boxes:
            (x1, y1), (x2, y2) = at(thing.box.reshape(2, 2))
            planes[plane, max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1] = 1
    cells = planes.reshape(5, n, scale, n, scale).astype(np.float32)
    share = cells.mean(axis=(2, 4))
    share[0] = np.minimum(1.0, share[0] * scale)
    share[2:] = cells[2:].max(axis=(2, 4))
    return share
