"""Rendered scenes that nothing was trained on: what is drawn against exact truth, and what is answered about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from getok_core.metrics.frame_parts import fine_parts
from getok_core.metrics.intervals import Interval
from getok_core.metrics.scene_parts import CLASS, COLOUR, STATE, objects, scene_parts
from getok_core.metrics.tally import FALSE, SECONDS, Block, Part
from getok_core.perceiver import Perceiver
from getok_core.queries import ABSENT, REFERRING_TASKS, STANDING, TASKS, SceneQuery
from getok_core.scene import Answer, Lane, Scene
from training.baselines import ClassicalLanes
from training.targets import Frame

from . import referred
from .control import NOTHING_ROWS, Control, absent_of, absent_parts, control_of, control_parts, greyed
from .frames import SIZE, asked_of
from .references import Constant, ceiling
from .replies import add_replies, replies_block
from .sheet import Sheet
from .slices import CONDITIONS, FOUND, MAIN, conditions, found_parts

SCENES, SLICES, THINGS, REFERRED = "scenes", "slices", "things", "referred"
CONTROL, NOTHING, EMPTY = "control", "nothing", "empty"
"""tables"""
DRAWN = "empty frames on which anything is drawn"
ABSENT_SAID = "sign and light asked about: says that there is none"


class Bench:
    """Scores one model on one frame at a time. perceivers: refinements R -> Perceiver, all of one model."""

    def __init__(self, perceivers: Mapping[int, Perceiver], constant: Constant):
        self.perceivers, self.constant = perceivers, constant
        self.most = max(perceivers)
        """the number of refinements at which tables without a column a number are made"""
        self.refers = set(REFERRING_TASKS[:2]) <= set(perceivers[self.most].manifest.tasks)
        """whether the model was trained on referring expressions"""

    def scene(self, seed: int, frame: Frame) -> Sheet:
        """Everything one scene adds to every table."""
        sheet = Sheet()
        asked = asked_of(seed, frame)
        expressions = referred.referred_of(seed, frame) if self.refers else []
        absent, control = absent_of(seed, frame), control_of(seed, frame)
        queries = [query for query, _ in asked] + [one.query for one in absent]
        queries += [query for one in expressions for query in one.queries] + (control.queries if control else [])
        for rounds, perceiver in self.perceivers.items():
            said, answers = perceiver.look(frame.image, queries, STANDING)
            self._drawn(sheet, seed, frame, said, rounds)
            left = iter(answers)
            replies = list(zip(*zip(*asked, strict=True), islice(left, len(asked)), strict=True)) if asked else []
            nothing = [answer.answer for answer in islice(left, len(absent))]
            self._referred(sheet, seed, frame, expressions, list(islice(left, 2 * len(expressions))), rounds)
            if rounds == self.most:
                add_replies(sheet, seed, replies, self.constant.answers)
                present = [(query, truth, answer.answer) for query, truth, answer in replies]
                sheet.add(NOTHING, "model", seed, absent_parts(absent, nothing, present))
                self._control(sheet, seed, frame, control, [answer.answer for answer in left])
        sheet.add(SCENES, "constant", seed, constant_parts(frame.scene, self.constant))
        sheet.add(SCENES, "classical", seed, classical_parts(frame))
        return sheet

    def empty(self, seed: int, kind: str, frame: Frame) -> Sheet:
        """What a frame with nothing to find adds; kind is its column."""
        sheet = Sheet()
        absent = [SceneQuery(name, TASKS[name].prompt) for name in ("sign colour", "light state")]
        said, answers = self.perceivers[self.most].look(frame.image, absent, STANDING)
        none = sum(answer.answer in ABSENT for answer in answers)
        parts: dict[str, Part] = {FALSE: (1000 * objects(said), 1), DRAWN: (float(objects(said) > 0), 1)}
        sheet.add(EMPTY, kind, seed, {**parts, ABSENT_SAID: (none, len(absent))})
        return sheet

    def _drawn(self, sheet: Sheet, seed: int, frame: Frame, said: Scene, rounds: int) -> None:
        lattice = self.perceivers[rounds].lattice
        parts, best = scene_parts(frame.scene, said), ceiling(frame, lattice, rounds)
        sheet.add(SCENES, f"model R={rounds}", seed, parts | fine_parts(frame.scene, said))
        sheet.add(SCENES, f"ceiling R={rounds}", seed, scene_parts(frame.scene, best) | fine_parts(frame.scene, best))
        if rounds == self.most:
            for name in conditions(seed, frame):
                sheet.add(SLICES, name, seed, {row: parts[row] for row in MAIN})
            sheet.add(THINGS, f"model R={rounds}", seed, found_parts(frame, said))
            sheet.add(THINGS, f"ceiling R={rounds}", seed, found_parts(frame, best))

    def _referred(self, sheet: Sheet, seed: int, frame: Frame, expressions: Sequence[referred.Referred],
                  answers: Sequence[Answer], rounds: int) -> None:  # fmt: skip
        for one, boxed, pointed in zip(expressions, answers[::2], answers[1::2], strict=True):
            sheet.add(REFERRED, f"model R={rounds}", seed, referred.answer_parts(frame, one, boxed, pointed))
            best = referred.ceiling_parts(frame, one, self.perceivers[rounds].lattice, rounds)
            sheet.add(REFERRED, f"ceiling R={rounds}", seed, best)
            if rounds == self.most:
                boxes = [thing.box for thing in self.constant.scene(frame.size).obstacles[:1]]
                points = [box.reshape(2, 2).mean(0, keepdims=True) for box in boxes]
                parts = referred.referred_parts(frame, one, boxes, [1.0] * len(boxes), points)
                sheet.add(REFERRED, "constant", seed, parts)

    def _control(self, sheet: Sheet, seed: int, frame: Frame, control: Control | None, answers: list[str]) -> None:
        if control is None:
            return
        blind = self.perceivers[self.most].look(greyed(frame.image), control.queries[:2], ())[1]
        parts = control_parts(control, answers, [answer.answer for answer in blind])
        sheet.add(CONTROL, "model", seed, parts)
        usual = [self.constant.colour] * len(control.queries)
        sheet.add(CONTROL, "most frequent", seed, control_parts(control, usual, usual[:2]))


def constant_parts(truth: Scene, constant: Constant) -> dict[str, Part]:
    """As scene_parts; its words are scored on every true object, as if it had found them all."""
    words = {
        CLASS: [one.label == constant.obstacle for one in truth.obstacles],
        COLOUR: [one.colour == constant.colour for one in truth.signs],
        STATE: [one.state == constant.state for one in truth.lights],
    }
    right = {row: (float(sum(given)), float(len(given))) for row, given in words.items()}
    return scene_parts(truth, constant.scene((truth.width, truth.height))) | right


def classical_parts(frame: Frame) -> dict[str, Part]:
    """Lanes of the classical finder with a vote: it looks for the own lane's two lines and nothing else."""
    lines: list[NDArray[np.float64]] = ClassicalLanes.consensus()(frame.image)
    lanes = tuple(Lane("unknown", 1.0, line) for line in lines)
    return scene_parts(frame.scene, Scene(*frame.size, lanes), {"lanes"})


def blocks(sheet: Sheet, seconds: Mapping[int, Interval]) -> list[Block]:
    """The tables that anything was added to. seconds: refinements -> what a look takes."""
    empty = len(sheet.tables[SCENES]["constant"].rows.get(FALSE, ()))
    counts = {name: len(images) for name, images in sheet.images.items()}
    by_slice = {name: sheet.tables[SLICES][name] for name in CONDITIONS if name in sheet.tables.get(SLICES, {})}
    split = ", ".join(f"{name} {len({image for image, *_ in tally.rows[MAIN[0]]})}" for name, tally in by_slice.items())
    titles = {
        SCENES: f"Synthetic scenes: {counts[SCENES]} of {SIZE[0]} x {SIZE[1]} pixels, {empty} with nothing to find",
        SLICES: f"Synthetic scenes with a road, by light and weather and by bend ({split} scenes)",
        THINGS: "Synthetic scenes: things found at IoU 0.5, by distance and by height",
        REFERRED: "Synthetic scenes: referring expressions",
        CONTROL: f"Region control: {counts.get(CONTROL, 0)} scenes with two or more differently coloured signs",
        NOTHING: "Synthetic scenes: regions that hold nothing of what is asked about",
        EMPTY: f"Empty frames, rendered on purpose: {counts.get(EMPTY, 0)}",
    }
    sheet.arrange(SLICES, CONDITIONS)
    sheet.arrange(THINGS, [], FOUND)
    sheet.arrange(NOTHING, [], NOTHING_ROWS)
    made = {table: sheet.block(table, title) for table, title in titles.items() if table in sheet.tables}
    for rounds, taken in seconds.items():
        made[SCENES].columns[f"model R={rounds}"][SECONDS] = taken
    if sheet.pairs:
        made["questions"] = replies_block(sheet, "Synthetic scenes: attribute questions")
    return list(made.values())
