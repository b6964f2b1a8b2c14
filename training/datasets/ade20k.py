"""ADE20K, scene parsing release: the folder ADEChallengeData2016 with annotations/*/*.png and `objectInfo150.txt`.

A pixel's value is a category's number, 1 to 150; 0 is something else. Each category of a picture is one mask. The full
release with its instances and parts is another format and is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from getok_core.errors import DataError

from . import pixel_maps
from .sample import Sample
from .source import Source, beside, opened
from .wording import label_of

SPLITS = {"train": "training", "val": "validation", "": "*"}


def convert(source: Source) -> Iterator[Sample]:
    """The maps of a split. Raises DataError when objectInfo150.txt is missing or another."""
    names = _names(beside(source.path, "objectInfo150.txt", "what values mean"))
    maps = sorted(source.path.glob(f"annotations/{SPLITS.get(source.split, source.split)}/*.png"))
    if not maps:
        raise DataError(f"{source.path} holds no annotations of split {source.split!r}: give ADEChallengeData2016")
    for sample in pixel_maps.samples_of(source, maps, names, "ade20k"):
        yield replace(sample, image=sample.image.replace("annotations/", "images/", 1))


def _names(path: Path) -> dict[int, str]:
    """Columns Idx, Ratio, Train, Val, Stuff, Name, parted by tabs; of several names the first."""
    names: dict[int, str] = {}
    with opened(path) as lines:
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if len(cells) >= 2 and cells[0].strip().isdecimal():
                names[int(cells[0])] = label_of(cells[-1].split(",")[0])
    if not names:
        raise DataError(f"{path} holds no line `number .. name` parted by tabs: copy it unchanged")
    return names
