"""LISA++ instance segmentation: `data.json` with COCO's `instances_train2017.json` beside it.

A record is {"img_path", "English Question", "ID": [ids of COCO annotations], ..}; the masks are COCO's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from getok_core.labels.fields import as_key, as_list, as_object

from .categories import MOST, nearest_first
from .coco_file import CocoFile, object_json
from .sample import Sample, sample_of
from .source import Source, beside
from .wording import label_of, one_line


def convert(source: Source) -> Iterator[Sample]:
    """All questions. Raises DataError when a file is missing or another."""
    instances = beside(source.path, "instances_train2017.json", "each mask")
    file = CocoFile(instances, source.skipped)
    annotations = file.by_id(source.skipped)

    def samples(record: Any) -> Iterator[Sample]:
        one = as_object(record, "a question")
        meant = [annotations[str(number)] for number in as_list(one["ID"], "ID")]
        if not 0 < len(meant) <= MOST:
            raise ValueError(f"{len(meant)} objects: an answer here has 1 to {MOST}")
        picture = file.pictures[as_key(meant[0], "image_id")]
        if any(other["image_id"] != meant[0]["image_id"] for other in meant) or picture.name != one["img_path"]:
            raise ValueError(f"annotations {one['ID']} are not all of {one['img_path']!r}")
        found = [object_json(other, label_of(file.name_of(other["category_id"])), picture.size) for other in meant]
        query = {"text": one_line(one["English Question"])}
        yield sample_of(
            picture.name, picture.size, query, "seg", nearest_first(found), source=f"lisa_plus:{picture.name}"
        )

    return source.each(source.records(), samples)
