"""An arm's answers on the test scenes, read back and scored in pixels of each scene's own image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from getok_core.assembly import box_of
from getok_core.engines.nano_network import Nano, Picture
from getok_core.geometry import XY
from getok_core.grammar import parse
from getok_core.lattice import Lattice, Size
from getok_core.metrics.boxes import box_counts, box_ious
from getok_core.metrics.intervals import Interval
from getok_core.metrics.lanes import lane_counts
from getok_core.metrics.tally import Part, Tally, median_interval
from training.segments import IGNORE

from .answers import answers
from .arms import Arm
from .asked import LISTS, Asked, Piece, piece, sayable
from .network import shown
from .refinement import WHOLE, refined
from .scenes import Tested
from .spelling import FINE
from .views import Framing, framing, input_size

TOKENS, UNPARSABLE = "tokens a scene", "unparsable answers"
LANES, OBSTACLES, REFERRED = "lane F1 within 2 %", "obstacle F1 at IoU .5", "REC Acc@.5"
ATTRIBUTES, COLOUR = "questions about regions", "sign colour"
ALONE = "ms a scene, alone"
ROWS_AT_ONCE = 256
NOTHING = np.full(4, np.nan, np.float32)
TIMED = 5
"""scenes that are also answered one at a time"""


@dataclass(frozen=True, eq=False)
class Row:
    """One question about one test scene, on its way through the network."""

    scene: int
    test: Tested
    asked: Asked
    """places in parts of the scene's own image"""
    shown: Asked
    """the same in parts of what the arm shows"""
    piece: Piece
    """the same as the arm spells it"""
    input: Size

    @property
    def prompt(self) -> list[int]:
        return self.piece.segment.ids[: self._starts + 1].tolist()

    @property
    def truth(self) -> list[int]:
        """the answer it should get, its end included"""
        return self.piece.segment.targets[self._starts :].tolist()

    @property
    def _starts(self) -> int:
        return int(np.flatnonzero(self.piece.segment.targets != IGNORE)[0])


def measure(model: Nano, arm: Arm, tests: Sequence[Tested]) -> dict[str, Interval]:
    """Every row of an arm's table; in bf16 on a GPU, as it was trained."""
    device = model.embedding.weight.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        return _measure(model, arm, tests)


def _measure(model: Nano, arm: Arm, tests: Sequence[Tested]) -> dict[str, Interval]:
    tally, ceiling = Tally(), Tally()
    rows = [row for scene, test in enumerate(tests) for row in rows_of(scene, test, arm)]
    for chunk in _chunks(rows):
        for row, heard in zip(chunk, ask(model, look(model, arm, chunk), chunk, arm), strict=True):
            tally.add(row.scene, parts_of(row, heard, arm))
    for row in rows:
        ceiling.add(row.scene, parts_of(row, best(row, arm), arm))
        if row.asked.group == "list":
            tally.add(row.scene, {TOKENS: (len(row.truth), 1 / len(LISTS))})
    highest = ceiling.intervals()
    timed = range(min(TIMED, len(tests)))
    alone = [one_alone(model, arm, [row for row in rows if row.scene == scene]) for scene in timed]
    return {
        **tally.intervals(),
        **{f"{name}: ceiling": highest[name] for name in (LANES, OBSTACLES, REFERRED) if name in highest},
        ALONE: median_interval([1000 * seconds for seconds in alone[1:]]),
    }


def rows_of(scene: int, test: Tested, arm: Arm) -> Iterator[Row]:
    """The questions of a scene as the arm asks them; what a crop cut off is asked about all the same."""
    size = test.frame.size
    frame = framing(arm.view, size, arm.input)
    for asked in test.asked:
        seen = asked_in(asked, size, frame)
        spelled = piece(seen, arm.spelling, arm.region, arm.input)
        yield Row(scene, test, asked, seen, spelled, input_size(arm.view, size, arm.input))


def asked_in(asked: Asked, size: Size, frame: Framing) -> Asked:
    """The same question about what a framing shows: places in parts of it, what lies outside left out."""

    def inside(places: XY) -> XY:
        return (places * size - (frame.left, frame.top)) / (frame.width, frame.height)

    drawn = [replace(one, places=inside(one.places)) for one in asked.drawn]
    lines = [replace(one, places=one.places[((one.places >= 0) & (one.places <= 1)).all(1)]) for one in drawn]
    boxes = [replace(one, places=np.clip(one.places, 0, 1)) for one in drawn]
    kept = [line if line.kind == "pl" else box for line, box in zip(lines, boxes, strict=True)]
    visible = tuple(one for one in kept if len(one.places) > 1 and (np.ptp(one.places, axis=0) > 0).any())
    region = None if asked.region is None else np.clip(inside(asked.region), 0, 1)
    return replace(asked, region=region, drawn=visible)


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows that one batch takes: the same kind of question at the same input size, images of one shape together."""

    def key(row: Row) -> tuple[str, Size]:
        return row.asked.query.name if row.asked.group == "list" else row.asked.group, row.input

    for _, some in groupby(sorted(rows, key=key), key):
        group = sorted(some, key=lambda row: row.test.frame.size)
        yield from (group[at : at + ROWS_AT_ONCE] for at in range(0, len(group), ROWS_AT_ONCE))


@torch.no_grad()
def look(model: Nano, arm: Arm, rows: Sequence[Row]) -> Picture:
    """The picture of each row's image, markers drawn."""
    device = model.embedding.weight.device
    inputs: list[Tensor] = []
    for _, some in groupby(rows, lambda row: row.test.frame.size):
        group = list(some)
        images = torch.from_numpy(np.stack([row.test.frame.image for row in group])).to(device)
        markers = [NOTHING if row.piece.marker is None else row.piece.marker for row in group]
        marker = torch.from_numpy(np.stack(markers)).to(device)
        inputs.append(shown(images.permute(0, 3, 1, 2).float(), arm, marker))
    return model.look(torch.cat(inputs))


def one_alone(model: Nano, arm: Arm, rows: Sequence[Row]) -> float:
    """Seconds for both lists of one scene, its image included."""
    lists = [row for row in rows if row.asked.group == "list"]
    began = time.perf_counter()
    ask(model, look(model, arm, lists[:1]), lists, arm)
    return time.perf_counter() - began


def ask(model: Nano, picture: Picture, rows: Sequence[Row], arm: Arm) -> list[Heard]:
    """The answers to rows over a picture of one image, or one a row; one that outgrows every true one is cut off."""
    most = int(1.2 * max(len(row.truth) for row in rows))
    said = answers(model, picture, [row.prompt for row in rows], most)
    heard = [hear(row, one, arm) for row, one in zip(rows, said, strict=True)]
    if not arm.rounds or rows[0].asked.group == "question":
        return heard
    proposals = [(row.prompt, one, row.asked.query.form) for row, one in zip(rows, said, strict=True)]
    shapes = refined(model, picture, proposals, arm.spelling.vocabulary, arm.rounds)
    return [one._replace(shapes=new) for one, new in zip(heard, shapes, strict=True)]


# -- reading -----------------------------------------------------------------------------------------------------


class Heard(NamedTuple):
    """An answer, read back."""

    parsable: bool
    word: str
    """of an answer without vertices"""
    shapes: list[tuple[str, XY]]
    """kind and vertices (N, 2), in parts of the image shown"""


def hear(row: Row, said: Sequence[int], arm: Arm) -> Heard:
    """The tokens of an answer -> what they say, by the product's own parser."""
    read = arm.spelling.read(said)
    parsed = parse(read.ids, FINE, row.asked.query.form)
    shapes = [(part.kind, read.places[list(part.at)]) for one in parsed.instances for part in one.parts]
    word = parsed.instances[0].label if parsed.instances and not shapes else ""
    return Heard(parsed.closed and not parsed.faults, word, shapes)


def best(row: Row, arm: Arm) -> Heard:
    """The true answer as the arm can say it."""
    heard = hear(row, row.truth, arm)
    lattice = Lattice(arm.spelling.n)
    codes = [(one.kind, lattice.encode(one.places, WHOLE, arm.rounds)) for one in sayable(row.shown.drawn, lattice.n)]
    shapes = [(kind, lattice.decode(code.ij, WHOLE, code.offsets)) for kind, code in codes]
    return heard._replace(shapes=shapes) if arm.rounds else heard


# -- scoring -----------------------------------------------------------------------------------------------------


def parts_of(row: Row, heard: Heard, arm: Arm) -> dict[str, Part]:
    """What one answer adds to the table."""
    parts: dict[str, Part] = {UNPARSABLE: (float(not heard.parsable), 1.0)}
    name, scene, size = row.asked.query.name, row.test.frame.scene, row.test.frame.size
    if row.asked.group == "question":
        right = float(heard.word == row.asked.word)
        return parts | {ATTRIBUTES: (right, 1.0)} | ({COLOUR: (right, 1.0)} if name == COLOUR else {})
    drawn = [_in_pixels(kind, places, row, arm) for kind, places in heard.shapes]
    if name == "lanes":
        counts = lane_counts([lane.points for lane in scene.lanes], drawn, size, 0.02)
        return parts | {LANES: (2 * counts.hits, counts.truths + counts.drawn)}
    boxes = [box.reshape(4) for box in drawn]
    if name == "obstacles":
        counts = box_counts(box_ious([one.box for one in scene.obstacles], boxes), np.ones(len(boxes)))
        return parts | {OBSTACLES: (2 * counts.hits, counts.truths + counts.drawn)}
    if len(row.asked.drawn) != 1:
        return parts
    truth = (row.asked.drawn[0].places * size).reshape(1, 4)
    found = bool(boxes) and bool(box_ious(truth, boxes[:1])[0, 0] >= 0.5)
    return parts | {REFERRED: (float(found), 1.0)}


def _in_pixels(kind: str, places: XY, row: Row, arm: Arm) -> XY:
    """Vertices (N, 2) in pixels of the scene's own image."""
    if kind == "box":
        box = box_of(places, (arm.spelling.step[0] / 2**arm.rounds, arm.spelling.step[1] / 2**arm.rounds))
        places = np.sort(places, axis=0) if box is None else box.reshape(2, 2)
    frame = framing(arm.view, row.test.frame.size, arm.input)
    return np.clip(places * (frame.width, frame.height) + (frame.left, frame.top), 0, row.test.frame.size)
