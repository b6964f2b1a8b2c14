"""Labels of driving frames in any format of getok_core.labels -> samples: a fleet's own, and the public sets.

Every standing task that a frame's labels hold completely is one sample; so is every question. Words that a format does
not give (CULane says nothing of paint) are "unknown" or "other", a sign's visible state "clear": such a set teaches
where things are, and should be mixed with one that says what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from getok_core.labels import Truth, read_labels
from getok_core.lattice import Size
from getok_core.queries import STANDING_TASKS, TASKS
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Sign

from .sample import Sample, sample_of, shape_json
from .source import Source

SIZES = {"culane": (1640, 590), "tusimple": (1280, 720)}
"""of formats that do not name it and have one"""
SUFFIXES = {"culane": ".jpg"}
"""of images whose labels name them without"""
PICTURE = re.compile(r"\.(jpe?g|png|bmp|webp|tiff?|ppm)$", re.IGNORECASE)


def of_format(format: str) -> Callable[[Source], Iterator[Sample]]:
    """The converter of a format of getok_core.labels; "" recognises it. It raises DataError as read_labels does."""

    def convert(source: Source) -> Iterator[Sample]:
        labels = read_labels(source.path, format=format)
        for fault in labels.faults:
            source.skipped.note_line(fault)

        def samples(entry: tuple[str, Truth]) -> Iterator[Sample]:
            image = lying(entry[0] + ("" if PICTURE.search(entry[0]) else SUFFIXES.get(format, "")), source.images)
            if not PICTURE.search(image):
                raise ValueError(f"frame {image!r} names no image file: write the frames out as images")
            truth = entry[1]
            size = (truth.scene.width, truth.scene.height)
            size = size if all(size) else SIZES.get(format) or source.size(image)
            yield from samples_of(image, truth.sized(size), size, f"{format or 'labels'}:{image}")

        yield from source.each(((name, (name, truth)) for name, truth in labels.frames.items()), samples)

    return convert


def lying(image: str, folder: Path | None) -> str:
    """The name under which an image lies in the folder: labels may name it with another suffix."""
    if folder is None or (folder / image).is_file():
        return image
    others = (PurePosixPath(image).with_suffix(suffix) for suffix in (".jpg", ".jpeg", ".png"))
    return next((other.as_posix() for other in others if (folder / other).is_file()), image)


def samples_of(image: str, truth: Truth, size: Size, source: str) -> Iterator[Sample]:
    """Samples of one frame, in the order of the standing tasks; lists are cut to what an answer holds."""
    scene = truth.scene
    lists: dict[str, Sequence[Any]] = dict(
        zip(
            STANDING_TASKS, (scene.lanes, scene.drivable_areas, scene.obstacles, scene.signs, scene.lights), strict=True
        )
    )
    for task in STANDING_TASKS:
        if task in truth.known:
            found = [object_of(thing) for thing in lists[task]][: TASKS[task].form.instances]
            yield sample_of(image, size, {"task": task}, TASKS[task].form.kind, found, source=source)
    for query, answer in truth.questions:
        asked: dict[str, Any] = {"task": query.name, "text": query.text, "options": list(query.options)}
        if query.region is not None:
            asked["region"] = shape_json(query.region)
        yield sample_of(image, size, asked, "text", answer, source=source)


def object_of(thing: Lane | DrivableArea | Obstacle | Sign | Light) -> dict[str, Any]:
    """An object of a scene as one of an answer, every word filled."""
    if isinstance(thing, Lane):
        return {"label": thing.label or "unknown", "polyline": thing.points.tolist()}
    if isinstance(thing, DrivableArea):
        return {"label": thing.label, "polygon": thing.points.tolist()}
    if isinstance(thing, Sign):
        words = (thing.label or "other", thing.colour or "other", thing.visible_state or "clear")
        return {"label": " ".join(words), "box": thing.box.tolist()}
    label = (thing.state or "unknown") if isinstance(thing, Light) else thing.label
    return {"label": label, "box": thing.box.tolist()}
