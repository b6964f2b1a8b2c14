"""HumanRef: `annotations.jsonl` of {"id", "image_name", "referring", "answer_boxes", "candidate_boxes", ..}.

Boxes are left, top, right, bottom in pixels; an empty list rejects the expression and is answered "none". The format
does not say how large its images are: --images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from getok_core.labels.fields import as_list, as_numbers, as_object

from .categories import MOST, nearest_first
from .coco_file import cut_box
from .sample import Sample, sample_of
from .source import Source
from .wording import BOX, asked

LABEL = "person"


def convert(source: Source) -> Iterator[Sample]:
    """All lines of a file."""

    def samples(record: Any) -> Iterator[Sample]:
        one = as_object(record, "a record")
        image = str(one["image_name"])
        size = source.size(image)
        boxes = [as_numbers(box, "a box") for box in as_list(one["answer_boxes"], "answer_boxes")]
        if len(boxes) > MOST:
            raise ValueError(f"{len(boxes)} boxes: an answer holds at most {MOST}")
        found = [{"label": LABEL, "box": cut_box(box, size)} for box in boxes]
        about = f"humanref:{one.get('id', '')}"
        yield sample_of(image, size, {"text": asked(BOX, one["referring"])}, "box", nearest_first(found), source=about)

    return source.each(source.records(), samples)
