"""Visual Genome: `region_descriptions.json` with `image_data.json` beside it; each region's box and its phrase.

Where image_data.json knows the photograph in COCO, that number stands in the sample's source, and a file given to
--without leaves it out by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from getok_core.labels.fields import as_key, as_list, as_object, as_size

from .coco_file import box_json
from .sample import Sample, sample_of
from .source import Source, beside
from .wording import DESCRIBE, one_line


def convert(source: Source) -> Iterator[Sample]:
    """All regions. Raises DataError when a file is missing or another."""
    pictures: dict[str, Mapping[str, Any]] = {}
    image_data = beside(source.path, "image_data.json", "the size and name of each image")
    for where, record in source.records(image_data):
        with source.skipped.reading(image_data, where):
            one = as_object(record, "an image")
            pictures[as_key(one, "image_id")] = one

    def samples(record: Any) -> Iterator[Sample]:
        described = as_object(record, "an image's regions")
        picture = pictures[as_key(described, "id")]
        size = as_size(picture["width"], picture["height"])
        image = "/".join(PurePosixPath(str(picture["url"])).parts[-2:])
        known = f"{picture['coco_id']:012d}:" if isinstance(picture.get("coco_id"), int) else ""
        for one in as_list(described["regions"], "regions"):
            region = as_object(one, "a region")
            box = box_json({"bbox": [region[side] for side in ("x", "y", "width", "height")]}, size)
            query = {"text": DESCRIBE, "region": {"box": box}}
            about = f"visual_genome:{known}{region['region_id']}"
            yield sample_of(image, size, query, "text", one_line(region["phrase"]), source=about)

    return source.each(source.records(), samples)
