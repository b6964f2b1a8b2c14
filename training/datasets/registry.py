"""The converters by name, each with what its SOURCE is. A new one is one more row and one more file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import NamedTuple

from getok_core.errors import DataError
from getok_core.labels import FORMATS

from . import sample
from .labelled import of_format
from .sample import Sample
from .source import Source


class Entry(NamedTuple):
    """A converter."""

    module: str
    source: str


CONVERTERS = {
    "llava": Entry("llava", "llava_v1_5_mix665k.json"),
    "llava_cot": Entry("llava_cot", "train.jsonl of LLaVA-CoT-100K"),
    "refcoco": Entry("refcoco", "refs(unc).json or refs(umd).json of RefCOCO, RefCOCO+ or RefCOCOg"),
    "grefcoco": Entry("grefcoco", "grefs(unc).json"),
    "coco_stuff": Entry("coco_stuff", "stuff_train2017.json, or the folder stuffthingmaps"),
    "ade20k": Entry("ade20k", "the folder ADEChallengeData2016"),
    "paco_lvis": Entry("paco_lvis", "paco_lvis_v1_train.json"),
    "pascal_part": Entry("pascal_part", "the folder Annotations_Part, or train.json of VLPart"),
    "visual_genome": Entry("visual_genome", "region_descriptions.json"),
    "pixmo_points": Entry("pixmo_points", "the set written out as JSON Lines"),
    "reason_seg": Entry("reason_seg", "a folder of ReasonSeg, such as train"),
    "lisa_plus": Entry("lisa_plus", "data.json of LISA++ instance segmentation"),
    "humanref": Entry("humanref", "annotations.jsonl"),
    "coco_objects": Entry("coco_objects", "any file in COCO's layout, its categories asked for by name"),
    "driving": Entry("driving", "JSON Lines in the schema of training/datasets/driving.py"),
    **{name: Entry("", f"labels of driving frames: {name}") for name in FORMATS},
    "labels": Entry("", "labels of driving frames, their format recognised"),
    "samples": Entry("", "samples as written here, to be checked, given seeds or cut"),
}


def converter(name: str) -> Callable[[Source], Iterator[Sample]]:
    """The function that reads a source. Raises DataError on a name that is not in the table."""
    if name not in CONVERTERS:
        raise DataError(f"converter {name!r} is unknown: use one of {', '.join(CONVERTERS)}")
    if name == "samples":
        return lambda source: sample.read(source.path, source.skipped)
    if CONVERTERS[name].module:
        return import_module(f".{CONVERTERS[name].module}", __package__).convert
    return of_format("" if name == "labels" else name)
