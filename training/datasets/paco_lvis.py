"""PACO-LVIS: `paco_lvis_v1_train.json`, COCO's layout with parts as categories of their own, named `mug:handle`.

Each category of a picture is one question, objects and parts alike: "Segment every mug", "Segment every handle of a
mug". A category that a picture's not_exhaustive_category_ids name is not asked for: some of it may be unlabelled.
"""

from __future__ import annotations

from collections.abc import Iterator

from getok_core.labels.fields import as_list

from .categories import every
from .coco_file import CocoFile, Group, object_json
from .sample import Sample
from .source import Source
from .wording import label_of


def convert(source: Source) -> Iterator[Sample]:
    """All of a file. Raises DataError when it is another."""
    return of_parts(source, "paco_lvis")


def of_parts(source: Source, dataset: str) -> Iterator[Sample]:
    """The same for any file whose categories are named so."""
    file = CocoFile(source.path, source.skipped)

    def samples(group: Group) -> Iterator[Sample]:
        picture = file.pictures[group.image]
        if group.category in map(str, as_list(picture.record.get("not_exhaustive_category_ids"), "categories")):
            return
        whole, _, part = file.name_of(group.category).partition(":")
        noun = f"{label_of(part)} of a {label_of(whole)}" if part else label_of(whole)
        label = f"{label_of(whole)} {label_of(part)}" if part else label_of(whole)
        found = [object_json(one, label, picture.size) for one in group.annotations]
        yield every(picture.name, picture.size, noun, found, f"{dataset}:{group.image}:{group.category}")

    return source.each(file.groups(source.skipped), samples)
