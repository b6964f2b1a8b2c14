"""A file in COCO's layout as converters use it: images, names of categories, annotations with their objects.

Boxes are [x, y, width, height], corner-based, and cut to the image; segmentations are kept as the file spells them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from getok_core.errors import DataError
from getok_core.labels.fields import as_key, as_list, as_numbers, as_object, as_size, document
from getok_core.lattice import Size

from .skipped import Skipped


class Picture(NamedTuple):
    """An image of the file."""

    name: str
    size: Size
    record: Mapping[str, Any]


class Group(NamedTuple):
    """The annotations of one category in one image, by their ids as text."""

    image: str
    category: str
    annotations: list[Mapping[str, Any]]


class CocoFile:
    """Images, categories and annotations by their ids as text; malformed images and categories are noted."""

    def __init__(self, path: Path, skipped: Skipped) -> None:
        """Raises DataError when the file is none of this layout."""
        if not path.is_file():
            raise DataError(f"dataset {path} does not exist: give a file of annotations in COCO's layout")
        try:
            said = as_object(document(path), "the file")
            listed = {name: as_list(said.get(name), name) for name in ("images", "annotations", "categories")}
        except ValueError as error:
            raise DataError(f"dataset {path} is no file in COCO's layout: {error}") from None
        self.path = path
        self.categories: dict[str, Mapping[str, Any]] = {}
        self.pictures: dict[str, Picture] = {}
        for at, category in enumerate(listed["categories"]):
            with skipped.reading(path, f"categories[{at}]"):
                one = as_object(category, "a category")
                self.categories[as_key(one, "id")] = one | {"name": as_key(one, "name")}
        for at, image in enumerate(listed["images"]):
            with skipped.reading(path, f"images[{at}]"):
                one = as_object(image, "an image")
                size = as_size(one["width"], one["height"])
                self.pictures[as_key(one, "id")] = Picture(as_key(one, "file_name"), size, one)
        self.annotations: list[Any] = listed["annotations"]

    def by_id(self, skipped: Skipped) -> dict[str, Mapping[str, Any]]:
        """Annotations by their ids as text."""
        found: dict[str, Mapping[str, Any]] = {}
        for at, annotation in enumerate(self.annotations):
            with skipped.reading(self.path, f"annotations[{at}]"):
                one = as_object(annotation, "an annotation")
                found[as_key(one, "id")] = one
        return found

    def by_image(self, skipped: Skipped) -> dict[str, list[Mapping[str, Any]]]:
        """Annotations of each image, in the file's order; those of an unknown image or category are noted."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for at, annotation in enumerate(self.annotations):
            with skipped.reading(self.path, f"annotations[{at}]"):
                one = as_object(annotation, "an annotation")
                image, category = as_key(one, "image_id"), as_key(one, "category_id")
                if image not in self.pictures or category not in self.categories:
                    raise ValueError(f"image_id {image!r} or category_id {category!r} is none of those listed")
                found.setdefault(image, []).append(one)
        return found

    def groups(self, skipped: Skipped) -> Iterator[tuple[str, Group]]:
        """(place, group) of every category that an image shows."""
        for image, many in self.by_image(skipped).items():
            kinds: dict[str, list[Mapping[str, Any]]] = {}
            for one in many:
                kinds.setdefault(str(one["category_id"]), []).append(one)
            yield from ((f"image {image}, category {kind}", Group(image, kind, same)) for kind, same in kinds.items())

    def name_of(self, category_id: object) -> str:
        """Name of a category; "" for one that is not listed."""
        return str(self.categories.get(str(category_id), {}).get("name", ""))


def object_json(annotation: Mapping[str, Any], label: str, size: Size) -> dict[str, Any]:
    """An annotation -> an object of an answer of kind seg, its box before its mask. Raises ValueError."""
    return {"label": label, "box": box_json(annotation, size), "mask": annotation["segmentation"]}


def box_json(annotation: Mapping[str, Any], size: Size) -> list[float]:
    """[left, top, right, bottom] of an annotation's bbox, cut to the image. Raises ValueError."""
    sides = as_numbers(annotation["bbox"], "bbox")
    if len(sides) != 4:
        raise ValueError(f"a bbox of {len(sides)} values: x, y, width and height are needed")
    x, y, width, height = sides
    return cut_box((x, y, x + width, y + height), size)


def cut_box(xyxy: tuple[float, ...], size: Size) -> list[float]:
    """Left, top, right, bottom, cut to the image. Raises ValueError when nothing is left."""
    if len(xyxy) != 4:
        raise ValueError(f"a box of {len(xyxy)} values: left, top, right and bottom are needed")
    left, top, right, bottom = (min(max(v, 0.0), float(limit)) for v, limit in zip(xyxy, (*size, *size), strict=True))
    if right <= left or bottom <= top:
        raise ValueError(f"box {list(xyxy)} is empty in an image of {size[0]} x {size[1]}")
    return [left, top, right, bottom]
