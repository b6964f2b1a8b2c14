"""Pictures in which each pixel's value names a category: what COCO-Stuff's and ADE20K's releases hold.

A category of a picture is one mask, all its pixels together; specks are left out, and so is what has no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.labels.segmentation import coded

from .categories import the_whole
from .sample import Sample
from .source import Source

LEAST = 0.002
"""share of the image below which a category is not asked for (ours)"""


def samples_of(source: Source, maps: Iterable[Path], names: Mapping[int, str], dataset: str) -> Iterator[Sample]:
    """A question for each named category of each map; an image has its map's name, with .jpg."""

    def samples(map_file: Path) -> Iterator[Sample]:
        values = read_map(map_file)
        image = map_file.relative_to(source.path).with_suffix(".jpg").as_posix()
        size = (values.shape[1], values.shape[0])
        for value in np.unique(values).tolist():
            area = values == value
            if value in names and area.mean() >= LEAST:
                yield the_whole(image, size, names[value], object_of(area, names[value]), f"{dataset}:{image}:{value}")

    places = ((map_file.relative_to(source.path).as_posix(), map_file) for map_file in maps)
    return source.each(places, samples)


def read_map(path: Path) -> NDArray[np.uint8]:
    """A picture of one channel -> (H, W). Raises ValueError on any other."""
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if values is None or values.ndim != 2 or values.dtype != np.uint8:
        raise ValueError("it is no picture of one channel of 8 bits")
    return np.asarray(values, np.uint8)


def object_of(area: NDArray[np.bool_], label: str) -> dict[str, Any]:
    """An area (H, W) that is not empty -> an object of an answer of kind seg: label, extent and mask."""
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    if not len(rows):
        raise ValueError(f"the mask of {label!r} is empty")
    box = [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]
    return {"label": label, "box": box, "mask": coded(area)}
