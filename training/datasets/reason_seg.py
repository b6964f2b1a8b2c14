"""ReasonSeg: a folder of `name.json` beside `name.jpg`: questions that take thought, polygons of what answers them.

A shape's label is "target", "ignore" (left out of the mask, and of its score) or "flag" (meaningless). As in the set's
own code smaller shapes are laid over larger ones. Sentences are asked as they are, with a word that a mask is
wanted; phrases after "Segment".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import as_xy
from getok_core.labels.fields import as_list, as_object, document
from getok_core.labels.segmentation import coded
from getok_core.lattice import Size
from getok_core.metrics.areas import Area, filled

from .pixel_maps import object_of
from .sample import Sample, sample_of
from .source import Source, image_size
from .wording import SEGMENT, asked, one_line

WANTED = f"{SEGMENT} it."


def convert(source: Source) -> Iterator[Sample]:
    """All pictures of a folder. Raises DataError when it holds none."""
    files = sorted(source.path.glob("*.json")) if source.path.is_dir() else []
    if not files:
        raise DataError(f"{source.path} holds no .json file: give a folder of ReasonSeg, such as train")

    def samples(file: Path) -> Iterator[Sample]:
        try:
            one = as_object(document(file), "a picture's labels")
        except DataError as error:
            raise ValueError(str(error)) from None
        image = file.with_suffix(".jpg")
        size = image_size(image)
        target, ignored = _laid(as_list(one["shapes"], "shapes"), size)
        found, left_out = [object_of(target, "")], {"ignore": coded(ignored)} if ignored.any() else {}
        for text in as_list(one["text"], "text"):
            words = f"{one_line(text)} {WANTED}" if one["is_sentence"] else asked(SEGMENT, text)
            about = f"reason_seg:{file.stem}"
            yield sample_of(image.name, size, {"text": words}, "seg", found, source=about, **left_out)

    return source.each(((file.name, file) for file in files), samples)


def _laid(shapes: list[Any], size: Size) -> tuple[Area, Area]:
    """What is target and what is ignored, both (H, W), once all shapes are laid on each other, the largest first."""
    drawn = [as_object(shape, "a shape") for shape in shapes]
    named = [(str(shape["label"]).lower(), filled(as_xy(shape["points"]), size)) for shape in drawn]
    target, ignored = np.zeros((2, size[1], size[0]), np.bool_)
    for label, area in sorted(named, key=lambda one: -int(one[1].sum())):
        if label != "flag":
            ignored[area] = "ignore" in label
            target[area] = "ignore" not in label
    return target, ignored
