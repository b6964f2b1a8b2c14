"""Rendered scenes that nothing was trained on: what is drawn against exact truth, and what is answered about it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from getok_core.errors import QueryError
from getok_core.lattice import Size
from getok_core.metrics.answers import Confusion
from getok_core.metrics.scene_parts import CLASS, COLOUR, STATE, scene_parts
from getok_core.metrics.tally import FALSE, SECONDS, Block, Part, Tally, median_interval
from getok_core.perceiver import Perceiver
from getok_core.queries import SceneQuery, check_region
from getok_core.scene import Scene
from training.samples import Frame, questions

from .references import Asked, Constant, ceiling

SIZE: Size = (960, 540)
FIRST_TRAINING_SEED = 2_000_000


def unseen_frames(count: int) -> Iterator[tuple[int, Frame]]:
    """The first `count` scenes of the test seeds, (seed, frame), 960 x 540, no photographs behind them."""
    from training.feed import TEST_SEEDS, synthetic

    for seed in TEST_SEEDS[:count]:
        yield seed, synthetic(seed, SIZE)


def training_frames(count: int) -> Iterator[tuple[Frame, Asked]]:
    """The first `count` training scenes with questions, at half the size: what a constant predictor may learn from."""
    from training.feed import synthetic

    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count):
        frame = synthetic(seed, (SIZE[0] // 2, SIZE[1] // 2))
        yield frame, asked_of(seed, frame)


def asked_of(seed: int, frame: Frame) -> Asked:
    """Questions of one frame, the same for the same seed; a region that only touches the border is not asked about."""
    return [(q, a) for q, a in questions(frame, np.random.default_rng([13, seed])) if _inside(q, frame.size)]


def _inside(query: SceneQuery, size: Size) -> bool:
    try:
        return query.region is None or check_region(query.region, size) is not None
    except QueryError:
        return False


def constant_parts(truth: Scene, constant: Constant) -> dict[str, Part]:
    """As scene_parts; its words are scored on every true object, as if it had found them all."""
    words = {
        CLASS: [one.label == constant.obstacle for one in truth.obstacles],
        COLOUR: [one.colour == constant.colour for one in truth.signs],
        STATE: [one.state == constant.state for one in truth.lights],
    }
    right = {row: (float(sum(given)), float(len(given))) for row, given in words.items()}
    return scene_parts(truth, constant.scene((truth.width, truth.height))) | right


def measure(
    perceivers: Mapping[int, Perceiver], frames: Iterable[tuple[int, Frame]], constant: Constant
) -> list[Block]:
    """Tables of scenes and of answers. perceivers: refinements R -> Perceiver, all of one model."""
    tallies: dict[str, Tally] = {f"model R={rounds}": Tally() for rounds in perceivers}
    tallies |= {f"ceiling R={rounds}": Tally() for rounds in perceivers} | {"constant": Tally()}
    seconds: dict[str, list[float]] = {f"model R={rounds}": [] for rounds in perceivers}
    replies = Replies()
    count = 0
    for seed, frame in frames:
        count += 1
        for rounds, perceiver in perceivers.items():
            began = time.perf_counter()
            said = perceiver.perceive(frame.image)
            seconds[f"model R={rounds}"].append(time.perf_counter() - began)
            tallies[f"model R={rounds}"].add(seed, scene_parts(frame.scene, said))
            best = ceiling(frame, perceiver.lattice, rounds)
            tallies[f"ceiling R={rounds}"].add(seed, scene_parts(frame.scene, best))
        tallies["constant"].add(seed, constant_parts(frame.scene, constant))
        replies.ask(next(iter(perceivers.values())), seed, frame.image, asked_of(seed, frame), constant.answers)
    columns = {name: tally.intervals() for name, tally in tallies.items()}
    for name, measured in seconds.items():
        columns[name][SECONDS] = median_interval(measured)
    empty = len(tallies["constant"].rows.get(FALSE, ()))
    title = f"Synthetic scenes: {count} of {SIZE[0]} x {SIZE[1]} pixels, {empty} of them with nothing to find"
    return [Block(title, columns, {"images": count}), replies.block("Synthetic scenes: attribute questions")]


class Replies:
    """Questions with the model's and the constant's answers."""

    def __init__(self) -> None:
        self.model, self.constant = Tally(), Tally()
        self.pairs: dict[str, list[tuple[str, str]]] = {}

    def ask(self, perceiver: Perceiver, image: int, pixels: Any, asked: Asked, constant: Mapping[str, str]) -> None:
        """Asks everything about one image (H, W, 3) at once. Answers have no vertices: refinement plays no part."""
        if not asked:
            return
        answers = perceiver.look(pixels, [query for query, _ in asked], ())[1]
        for (query, truth), answer in zip(asked, answers, strict=True):
            self.pairs.setdefault(query.name, []).append((truth, answer.answer))
            self.model.add(image, {query.name: (float(answer.answer == truth), 1.0)})
            self.constant.add(image, {query.name: (float(constant.get(query.name) == truth), 1.0)})

    def block(self, title: str) -> Block:
        """Accuracy a task; JSON also says which answer was given for which."""
        confusions = {task: Confusion.of(pairs) for task, pairs in sorted(self.pairs.items())}
        title += ", accuracy (" + ", ".join(f"{task} {one.asked}" for task, one in confusions.items()) + " asked)"
        balanced = {task: None if not one.asked else round(one.balanced, 4) for task, one in confusions.items()}
        details = {"confusion": {task: one.rows() for task, one in confusions.items()}, "balanced": balanced}
        model, constant = self.model.intervals(), self.constant.intervals()
        columns = {"model": {t: model[t] for t in confusions}, "most frequent": {t: constant[t] for t in confusions}}
        return Block(title, columns, details)
