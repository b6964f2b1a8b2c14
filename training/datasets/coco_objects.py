"""Any file in COCO's layout: what it calls its categories, asked for by name; a fleet's own classes, say.

For each category that an image shows: "Box every pothole", and "Segment every pothole" where each has a mask. The file
must label every object of a category in the images that show one; a category with a crowd (iscrowd) in an image is left
out there. To have obstacles, signs and lights under this house's own words instead, use the converter coco.
"""

from __future__ import annotations

from collections.abc import Iterator

from .categories import MOST, every, nearest_first
from .coco_file import CocoFile, Group, box_json, object_json
from .sample import Sample, sample_of
from .source import Source
from .wording import BOX, asked, label_of


def convert(source: Source) -> Iterator[Sample]:
    """All of a file. Raises DataError when it is another."""
    file = CocoFile(source.path, source.skipped)

    def samples(group: Group) -> Iterator[Sample]:
        picture, label = file.pictures[group.image], label_of(file.name_of(group.category))
        if any(one.get("iscrowd") for one in group.annotations):
            raise ValueError(f"a crowd of {label!r}")
        if len(group.annotations) > MOST:
            raise ValueError(f"{len(group.annotations)} objects of one category: an answer holds at most {MOST}")
        about = f"coco_objects:{group.image}:{group.category}"
        boxes = [{"label": label, "box": box_json(one, picture.size)} for one in group.annotations]
        query = {"text": asked(BOX, f"every {label}")}
        yield sample_of(picture.name, picture.size, query, "box", nearest_first(boxes), source=about)
        if all(one.get("segmentation") for one in group.annotations):
            found = [object_json(one, label, picture.size) for one in group.annotations]
            yield every(picture.name, picture.size, label, found, about)

    return source.each(file.groups(source.skipped), samples)
