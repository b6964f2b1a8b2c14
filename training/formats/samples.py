"""Samples in another format: the same questions with the same objects as text, so that a baseline learns from the same.

The vertices written are those the grid's learner writes (training.base_samples): lines at 12 equal steps, outlines
simplified, a mask as its box and seeds. What differs is the spelling alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError, ImageError
from getok_core.geometry import resample
from getok_core.lattice import Lattice, Size
from getok_core.view import RGB, View, read_image, write_image
from training.datasets.sample import Labelled, Sample
from training.datasets.skipped import Skipped
from training.masks import seeds_of
from training.targets import LANE_VERTICES, outline

from . import Format, Thing
from .marker import Marker

LATTICE = Lattice()
"""whose cells seeds are chosen among"""
BLANK = np.zeros((1, 1, 3), np.uint8)
"""for formats that do not look at the image when they ask"""
_TAGGED = re.compile(r"<answer>(.*)</answer>", re.DOTALL)


@dataclass(frozen=True)
class Rewriter:
    """Samples -> samples whose answers are text."""

    form: Format
    model: Size
    """width and height of the model's input, in whose pixels text coordinates count"""
    images: Path | None = None
    marked: Path | None = None
    """folder for images with a region drawn on them"""

    def each(self, samples: Iterable[Sample], skipped: Skipped) -> Iterator[Sample]:
        """Those that the format can ask and say; others are noted. Raises DataError when markers have no folder."""
        for number, sample in enumerate(samples, 1):
            with skipped.reading(sample.source or "sample", number):
                yield self.sample(sample, number)

    def sample(self, sample: Sample, number: int = 0) -> Sample:
        """One sample. Raises ValueError on one that the format cannot say."""
        if not sample.image:
            return sample
        view = View(sample.size if all(sample.size) else self.model, self.model)
        marks = isinstance(self.form, Marker) and sample.query.region is not None
        shown, query = self.form.ask(sample.query, sample.kind, self._image(sample) if marks else BLANK, view)
        name = self._marked(shown, sample, number) if marks else sample.image
        answer = sample.answer
        if not isinstance(answer, str):
            text = self.form.write([drawn(one, sample) for one in answer], view)
            tagged = _TAGGED.search(text)
            answer = tagged[1] if tagged else text
            if sample.answer and not self.form.parse(text, view).things:
                raise ValueError(f"{self.form.name} cannot say an answer of kind {sample.kind}")
        return replace(sample, image=name, size=(0, 0), query=query, kind="text", answer=answer, ignore=None)

    def _image(self, sample: Sample) -> RGB:
        if self.images is None or self.marked is None:
            raise DataError("markers are drawn on images: give --images FOLDER and --marked FOLDER")
        try:
            return read_image(self.images / sample.image)
        except ImageError as error:
            raise ValueError(str(error)) from None

    def _marked(self, shown: RGB, sample: Sample, number: int) -> str:
        """Saves an image with its marker; its name below the folder of marked images."""
        assert self.marked is not None
        name = f"{Path(sample.image).stem}_{number:07d}.jpg"
        self.marked.mkdir(parents=True, exist_ok=True)
        write_image(self.marked / name, shown)
        return name


def drawn(one: Labelled, sample: Sample) -> Thing:
    """A true object as a format is to write it, in pixels of the image. Raises ValueError on a mask without a pixel."""
    if sample.kind == "seg":
        seeds = one.seeds.xy if one.seeds else LATTICE.decode(seeds_of(one.area(sample.size), LATTICE.n), sample.size)
        if not len(seeds):
            raise ValueError("a mask without a pixel")
        box = one.shape.xy.reshape(4) if one.shape else _extent(one, sample) if one.mask else None
        return Thing("seg", seeds, one.label, box=box)
    assert one.shape is not None
    xy = one.shape.xy
    if one.shape.kind == "pl":
        xy = resample(xy, LANE_VERTICES)
    if one.shape.kind == "poly":
        xy = outline(xy)
    return Thing(one.shape.kind, xy, one.label)


def _extent(one: Labelled, sample: Sample) -> NDArray[np.float64]:
    """(4,) the box around a mask's pixels."""
    area = one.area(sample.size)
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    return np.asarray([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
