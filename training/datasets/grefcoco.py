"""gRefCOCO: `grefs(unc).json` with `instances.json` (or `instances_train2014.json`) beside it; many objects, or none.

A ref holds a list of ann_id; [-1], with no_target, means that nothing fits the sentence, and the answer is "none". Each
sentence gives two samples: the masks of all objects, and their boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from getok_core.labels.fields import as_key, as_list, as_object

from .coco_file import CocoFile, object_json
from .refcoco import expression_of, of_expression
from .sample import Sample
from .source import Source, beside
from .wording import label_of

NO_TARGET = -1


def convert(source: Source) -> Iterator[Sample]:
    """The refs of a split. Raises DataError when a file is missing or another."""
    full = source.path.parent / "instances_train2014.json"
    instances = full if full.is_file() else beside(source.path, "instances.json", "what each ref means")
    file = CocoFile(instances, source.skipped)
    annotations = file.by_id(source.skipped)

    def samples(record: Any) -> Iterator[Sample]:
        ref = as_object(record, "a ref")
        if source.split and ref["split"] != source.split:
            return
        picture = file.pictures[as_key(ref, "image_id")]
        said = ref["ann_id"]
        ids: list[Any] = said if isinstance(said, list) else [said]
        if ref.get("no_target") and ids not in ([], [NO_TARGET]):
            raise ValueError(f"no_target with ann_id {ids}")
        meant = [] if ids in ([], [NO_TARGET]) else [annotations[str(ann_id)] for ann_id in ids]
        found = [object_json(one, label_of(file.name_of(one["category_id"])), picture.size) for one in meant]
        for sentence in as_list(ref["sentences"], "sentences"):
            one = as_object(sentence, "a sentence")
            about = {"source": f"grefcoco:{ref['ref_id']}:{one['sent_id']}"}
            yield from of_expression(picture.name, picture.size, expression_of(one), found, about)

    return source.each(source.records(), samples)
