"""COCO-Stuff: `stuff_train2017.json` (COCO's layout), or the folder stuffthingmaps with its PNG maps and `labels.txt`.

In a map a pixel's value is the number in labels.txt less one; 255 is unlabelled. The JSON holds stuff alone, its
category "other" being all things. Each category of a picture is one mask. Names such as `wall-brick` and `sky-other`
are asked for as "brick wall" and "sky".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from getok_core.errors import DataError

from . import pixel_maps
from .categories import the_whole
from .coco_file import CocoFile, object_json
from .sample import Sample
from .source import Source, beside, opened
from .wording import label_of

NAMELESS = ("other", "unlabeled", "things")


def convert(source: Source) -> Iterator[Sample]:
    """All of a file, or of the maps of a folder and the folders in it. Raises DataError when a file is missing."""
    if source.path.is_dir():
        names = {number - 1: noun for number, noun in _labels(beside(source.path, "labels.txt", "what values mean"))}
        yield from pixel_maps.samples_of(source, sorted(source.path.rglob("*.png")), names, "coco_stuff")
        return
    file = CocoFile(source.path, source.skipped)

    def samples(entry: tuple[str, dict[str, Any]]) -> Iterator[Sample]:
        picture, annotation = file.pictures[entry[0]], entry[1]
        noun = noun_of(file.name_of(annotation["category_id"]))
        if noun:
            found = object_json(annotation, noun, picture.size)
            yield the_whole(picture.name, picture.size, noun, found, f"coco_stuff:{annotation['id']}")

    entries = ((image, one) for image, many in file.by_image(source.skipped).items() for one in many)
    yield from source.each(((f"annotation {one.get('id')}", (image, one)) for image, one in entries), samples)


def noun_of(name: str) -> str:
    """`wall-brick` -> brick wall, `sky-other` -> sky; "" for what has no name."""
    if name in NAMELESS:
        return ""
    whole, _, kind = label_of(name).partition("-")
    return whole if kind in ("", "other", "stuff") else f"{kind} {whole}"


def _labels(path: Path) -> Iterator[tuple[int, str]]:
    """`12: stop sign` -> 12, its noun."""
    with opened(path) as lines:
        for line in lines:
            number, _, name = line.partition(":")
            if not line.strip():
                continue
            if not number.strip().isdecimal():
                raise DataError(f"{path}: {line.strip()!r} is no `number: name`")
            if noun := noun_of(name.strip()):
                yield int(number), noun
