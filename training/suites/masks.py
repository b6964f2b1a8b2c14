"""Masks of referring expressions: what the model's seeds become, by each segmenter at hand, and what says a mask best.

The model is the same throughout: a better segmenter is exchanged without retraining it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from getok_core.errors import DataError
from getok_core.geometry import Box, Seeds
from getok_core.lattice import Lattice
from getok_core.metrics.tally import Block
from getok_core.perceiver import Perceiver
from getok_core.protocol import MaskDecoder
from getok_core.queries import SceneQuery
from getok_core.scene import Answer
from training.questions import referred_targets
from training.targets import Frame

from .mask_prompts import Area, Said, drawn, mask_parts, prompted, united
from .referred import Referred, referred_of
from .sheet import Sheet

TASK = "referred masks"
REFERRED, PROMPTS = "referred masks", "prompts"
"""tables"""
TRUE = "true seeds"


def measure(perceivers: Mapping[int, Perceiver], segmenters: Mapping[str, MaskDecoder],
            frames: Iterable[tuple[int, Frame]]) -> list[Block]:  # fmt: skip
    """Both tables. perceivers: refinements R -> Perceiver; the first of the segmenters draws all that is in them.

    Raises DataError when the model was not trained to name masks.
    """
    manifest = next(iter(perceivers.values())).manifest
    if TASK not in manifest.tasks:
        raise DataError(f"{manifest.title} was not trained on {TASK!r}: evaluate a model that was")
    sheet = Sheet()
    for seed, frame in frames:
        sheet.merge(scored(seed, frame, perceivers, segmenters))
    first = next(iter(segmenters))
    return [
        sheet.block(REFERRED, f"Expressions as masks by {first}; IoU of those that mean something"),
        sheet.block(PROMPTS, f"What says a thing's mask best: prompts from the truth, masks by {first}"),
    ]


def scored(seed: int, frame: Frame, perceivers: Mapping[int, Perceiver],
           segmenters: Mapping[str, MaskDecoder]) -> Sheet:  # fmt: skip
    """What one frame adds to both tables."""
    sheet = Sheet()
    said = list(referring(seed, frame, perceivers))
    exchanged = (_column(max(perceivers)), TRUE)
    for at, (name, decoder) in enumerate(segmenters.items()):
        for one, pixels in drawn(decoder, frame.image, [one for one in said if not at or one.column in exchanged]):
            column = one.column if not at else f"{one.column} by {name}"
            sheet.add(REFERRED, column, seed, mask_parts(one, pixels))
    first = next(iter(segmenters.values()))
    lattice = next(iter(perceivers.values())).lattice
    for one, pixels in drawn(first, frame.image, prompted(seed, frame, first, lattice)):
        sheet.add(PROMPTS, one.column, seed, mask_parts(one, pixels, by_size=True))
    return sheet


def referring(seed: int, frame: Frame, perceivers: Mapping[int, Perceiver]) -> Iterator[Said]:
    """The masks that the model says of each expression of a frame, and those that the truth would say."""
    expressions = referred_of(seed, frame)
    queries = [SceneQuery(TASK, one.expression) for one in expressions]
    truths = [united((frame.ids == frame.things[index].ident for index in one.meant), frame.size)
              for one in expressions]  # fmt: skip
    for rounds, perceiver in perceivers.items():
        answers = perceiver.look(frame.image, queries, ())[1]
        for answer, truth in zip(answers, truths, strict=True):
            seeds = [Seeds(xy) for xy in answer.points]
            yield _said(_column(rounds), truth, seeds)
            if rounds == max(perceivers):
                alone = tuple(Seeds(xy[None]) for group in seeds for xy in group.xy)
                yield Said("its seeds alone, united", truth, alone, _tokens(seeds), len(seeds))
                yield Said("its boxes", truth, _boxes(answer), 2 * len(_boxes(answer)), len(_boxes(answer)))
    lattice = next(iter(perceivers.values())).lattice
    for one, truth in zip(expressions, truths, strict=True):
        yield _said(TRUE, truth, _true_seeds(one, frame, lattice))


def _column(rounds: int) -> str:
    return f"model R={rounds}"


def _said(column: str, truth: Area, seeds: Sequence[Seeds]) -> Said:
    return Said(column, truth, tuple(seeds), _tokens(seeds), len(seeds))


def _tokens(seeds: Sequence[Seeds]) -> int:
    return sum(len(one.xy) for one in seeds)


def _boxes(answer: Answer) -> tuple[Box, ...]:
    boxes = (one.box for one in answer.scene.obstacles)
    return tuple(Box.of(box.tolist()) for box in boxes if box[2] > box[0] and box[3] > box[1])


def _true_seeds(one: Referred, frame: Frame, lattice: Lattice) -> list[Seeds]:
    """As training writes them."""
    targets = referred_targets(SceneQuery(TASK, one.expression), frame, one.meant, lattice)
    return [Seeds(lattice.decode(target.seeds, frame.size)) for target in targets if target.seeds is not None]
