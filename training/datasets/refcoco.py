"""RefCOCO, RefCOCO+, RefCOCOg: `refs(unc).json` or `refs(umd).json` with `instances.json` beside it.

The sets come as pickles, which run whatever code they hold and are not read here. Turn one into JSON once, on a machine
that may run it:

    python -c "import json, pickle; print(json.dumps(pickle.load(open('refs(unc).p', 'rb'))))" > 'refs(unc).json'

A ref is one object with several sentences. Each sentence gives three samples: its mask (with the box before it), its
box, and, the other way round, the sentence for the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from getok_core.errors import DataError
from getok_core.labels.fields import as_key, as_list, as_object

from .categories import nearest_first
from .coco_file import CocoFile, object_json
from .sample import Sample, sample_of
from .source import Source, beside
from .wording import BOX, DESCRIBE, SEGMENT, asked, label_of, one_line


def convert(source: Source) -> Iterator[Sample]:
    """The refs of a split. Raises DataError on a pickle, and when a file is missing or another."""
    if source.path.suffix in (".p", ".pkl", ".pickle"):
        raise DataError(f"{source.path} is a pickle, which is never opened here: turn it into JSON (see {__name__})")
    file = CocoFile(beside(source.path, "instances.json", "what each ref means"), source.skipped)
    annotations = file.by_id(source.skipped)

    def samples(record: Any) -> Iterator[Sample]:
        ref = as_object(record, "a ref")
        if source.split and ref["split"] != source.split:
            return
        picture = file.pictures[as_key(ref, "image_id")]
        meant = annotations[as_key(ref, "ann_id")]
        found = object_json(meant, label_of(file.name_of(meant["category_id"])), picture.size)
        for sentence in as_list(ref["sentences"], "sentences"):
            said = as_object(sentence, "a sentence")
            about = {"source": f"{source.path.parent.name}:{ref['ref_id']}:{said['sent_id']}"}
            yield from of_expression(picture.name, picture.size, expression_of(said), [found], about)
            region = {"text": DESCRIBE, "region": {"box": found["box"]}}
            yield sample_of(picture.name, picture.size, region, "text", expression_of(said), **about)

    return source.each(source.records(), samples)


def expression_of(sentence: Mapping[str, Any]) -> str:
    """A sentence as its author wrote it, or as the set's own cleaning left it. Raises ValueError."""
    return one_line(sentence.get("sent") or sentence.get("raw"))


def of_expression(
    image: str, size: tuple[int, int], expression: str, found: list[dict[str, Any]], about: Mapping[str, str]
) -> Iterator[Sample]:
    """What an expression means as masks, and as boxes; an empty list is "none"."""
    ordered = nearest_first(found)
    yield sample_of(image, size, {"text": asked(SEGMENT, expression)}, "seg", ordered, **about)
    boxes = [{"label": one["label"], "box": one["box"]} for one in ordered]
    yield sample_of(image, size, {"text": asked(BOX, expression)}, "box", boxes, **about)
