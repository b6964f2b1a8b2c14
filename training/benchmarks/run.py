"""Suites over samples -> tables; and the captions, whose two scores are of a whole set and no ratio of sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from getok_core.errors import DataError
from getok_core.metrics.intervals import Interval
from getok_core.metrics.tally import Block, Tally
from training.datasets.sample import Sample
from training.datasets.skipped import Skipped
from training.formats import Said

from .asking import Asker
from .captions import caption_scores
from .suites import SUITES, Suite

CAPTION = "caption"
UNREADABLE = "answers with something unreadable"
NAMES = (*SUITES, CAPTION)


def measure(
    names: Sequence[str], samples: Sequence[Sample], askers: Sequence[Asker], images: Path, skipped: Skipped
) -> list[Block]:
    """A table a suite, a column a format. Raises DataError for a suite that has no sample, or no segmenter."""
    return [
        _captions(samples, askers, images, skipped)
        if name == CAPTION
        else _suite(SUITES[name], samples, askers, images, skipped)
        for name in names
    ]


def _suite(suite: Suite, samples: Iterable[Sample], askers: Sequence[Asker], images: Path, skipped: Skipped) -> Block:
    asked = [one for sample in samples if (one := suite.asks(sample)) is not None]
    if not asked:
        raise DataError(f"no sample fits suite {suite.name}: {suite.says}")
    if suite.masks and any(asker.segmenter is None for asker in askers):
        raise DataError(f"suite {suite.name} scores masks: name a segmenter with --segmenter")
    number = {name: at for at, name in enumerate(dict.fromkeys(sample.image for sample in asked))}
    columns: dict[str, dict[str, Interval]] = {}
    count = 0
    for asker in askers:
        tally, count = Tally(), 0
        for sample, said in asker.answers(asked, images, skipped):
            count += 1
            tally.add(number[sample.image], suite.parts(sample, said))
            tally.add(number[sample.image], {UNREADABLE: (float(said.faults > 0), 1.0)})
        if not count:
            raise DataError(f"no image of suite {suite.name} can be read below {images}: {skipped.lines[-1]}")
        columns[asker.form.name] = tally.intervals()
    return Block(f"{suite.name}: {suite.says}; {count} samples", columns, {"samples": count, "suite": suite.name})


def _captions(samples: Iterable[Sample], askers: Sequence[Asker], images: Path, skipped: Skipped) -> Block:
    regions: dict[str, list[Sample]] = {}
    for sample in samples:
        if (
            sample.kind == "text"
            and sample.query.region is not None
            and not (sample.query.name or sample.query.options)
        ):
            where = f"{sample.image} {sample.query.region.xy.tolist()} {sample.query.text}"
            regions.setdefault(where, []).append(sample)
    if not regions:
        raise DataError("no sample fits suite caption: a free question about a region, answered in text")
    firsts = {id(some[0]): where for where, some in regions.items()}
    columns: dict[str, dict[str, Interval]] = {}
    for asker in askers:
        answers: dict[str, Said] = {
            firsts[id(sample)]: said
            for sample, said in asker.answers([some[0] for some in regions.values()], images, skipped)
        }
        references = {where: [str(one.answer) for one in regions[where]] for where in answers}
        if not answers:
            raise DataError(f"no image of suite caption can be read below {images}")
        scores = caption_scores(references, {where: said.text for where, said in answers.items()})
        columns[asker.form.name] = {row: Interval(value, np.nan, np.nan) for row, value in scores.items()}
    title = f"caption: (iv) referring captioning, scores of the whole set times 100; {len(regions)} regions"
    return Block(title, columns, {"samples": len(regions), "suite": CAPTION})
