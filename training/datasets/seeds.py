"""Masks of samples become seeds: the points of a lattice that say them, by the paper's greedy cover or by a rule.

With a segmenter the cover of getok_core.cover chooses among what each cell alone yields: the seeds that this segmenter
turns back into the mask. Without one, the rule of training.masks takes the mask's deepest cells; whatever segmenter
reads them later, they lie well inside.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from getok_core.cover import Words, covering_cells, proposals_of
from getok_core.errors import DataError, ImageError
from getok_core.geometry import Mask, Seeds
from getok_core.lattice import Lattice
from getok_core.manifest import NAME
from getok_core.protocol import MaskDecoder
from getok_core.view import RGB, read_image
from training.masks import seeds_of

from .sample import Labelled, Sample

MOST = 12
"""seeds of one mask: the largest number that queries.py lets an answer hold"""


class SeedWriter:
    """Writes seeds beside the masks of samples; proposals are made once for samples of one image in a row."""

    def __init__(self, lattice: Lattice | None = None, decoder: MaskDecoder | None = None, images: Path | None = None):
        """Raises DataError when a decoder has no folder of images to look at."""
        if decoder is not None and images is None:
            raise DataError("a segmenter looks at the images: give their folder with --images")
        self.lattice, self.decoder, self.images = lattice or Lattice(), decoder, images
        self._last: tuple[str, Words] | None = None

    def write(self, sample: Sample) -> Sample:
        """The sample with seeds beside each mask. Raises ValueError on a mask or image that cannot be read."""
        if isinstance(sample.answer, str) or all(one.mask is None for one in sample.answer):
            return sample
        return replace(sample, answer=tuple(self._seeded(one, sample) for one in sample.answer))

    def _seeded(self, one: Labelled, sample: Sample) -> Labelled:
        if one.mask is None:
            return one
        cells = self._cells(one.area(sample.size), sample)
        if not len(cells):
            raise ValueError(f"no seed says the mask of {one.label or 'an object'!r}")
        return replace(one, seeds=Seeds(self.lattice.decode(cells, sample.size)))

    def _cells(self, area: NDArray[np.bool_], sample: Sample) -> NDArray[np.int64]:
        """(K, 2), at most MOST, the most telling first."""
        if self.decoder is None:
            return seeds_of(area, self.lattice.n)[:MOST]
        if self._last is None or self._last[0] != sample.image:
            self._last = sample.image, proposals_of(self.decoder, self._image(sample), self.lattice)
        return covering_cells(self._last[1], Mask(area), self.lattice.n)[0][:MOST]

    def _image(self, sample: Sample) -> RGB:
        try:
            image = read_image((self.images or Path()) / sample.image)
        except ImageError as error:
            raise ValueError(str(error)) from None
        if image.shape[1::-1] != sample.size:
            raise ValueError(f"image {sample.image!r} has {image.shape[1::-1]} pixels, its sample says {sample.size}")
        return image


def load_segmenter(name: str, device: str = "cpu") -> MaskDecoder:
    """A segmenter by its folder, ours or SAM's. Slow. Raises ModelError."""
    if (Path(name) / NAME).is_file():
        from getok_core.engines.nano_segmenter import NanoSegmenter

        segmenter = NanoSegmenter(name, device)
        segmenter.load()
        return segmenter
    from getok_core.engines.sam2_decoder import load_decoder

    return load_decoder(name, device)
