"""A driving study's annotations in the shape of the paper's own: JSON Lines, a frame a line. This is the schema.

    {"image": "city/000017.jpg", "size": [1920, 1080], "split": "train",
     "lanes": [{"style": "dashed", "colour": "white", "polyline": [[x, y], ..]}, {"kind": "curb", "polyline": [..]}],
     "drivable_areas": [{"polygon": [[x, y], ..]}],
     "obstacles": [{"class": "barrier", "visible_state": "occluded", "box": [left, top, right, bottom],
                    "polygon": [[x, y], ..], "mask": {"size": [1080, 1920], "counts": ".."}}],
     "signs": [{"shape": "triangle", "colour": "red", "visible_state": "clear", "point": [x, y], "box": [..]}],
     "lights": [{"state": "red", "box": [..]}],
     "road": {"road blockage": "open", "road surface": "wet", "traffic density": "light", "region": {"box": [..]}},
     "complete": ["lanes", "drivable area", "obstacles", "signs", "lights"]}

Words are those of getok_core.queries. The levels: what (lane, drivable area, obstacle, sign, light), which (class,
shape, kind or style), how (colour, visible state). Any level below the first may be missing; nothing is then asked
about it. An object may be drawn in several ways: point, box, polyline, polygon, mask (COCO's segmentation). Each
drawing is a region under which its attributes are asked, a mask by the seeds of training.masks. complete names the
lists that hold every object of the frame: only those are asked for whole.

A frame becomes: its complete lists; for each obstacle its class and visible state, for each sign its colour and visible
state, for each light its state, about each drawing; the masks of each complete class; the points of all signs; the
road's three questions. These are the seven attribute tasks of the paper's study, its lanes, and its ways to refer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from getok_core.assembly import near_to_far
from getok_core.geometry import as_xy, clockwise
from getok_core.labels.fields import as_list, as_object
from getok_core.labels.segmentation import area_of
from getok_core.lattice import Lattice, Size
from getok_core.queries import TASKS
from training.masks import seeds_of

from .categories import MOST, every, nearest_first
from .pixel_maps import object_of
from .sample import SHAPES, Sample, sample_of, size_of
from .source import Source
from .wording import POINT, asked

LISTS = {"lanes": "lanes", "drivable area": "drivable_areas", "obstacles": "obstacles", "signs": "signs",
         "lights": "lights"}  # fmt: skip
"""standing task -> field of a record"""
DRAWN = {"pl": "polyline", "poly": "polygon", "box": "box"}
"""form of a standing task -> the drawing that its answer writes"""
ATTRIBUTES = {
    "obstacles": {"obstacle class": "class", "obstacle visible state": "visible_state"},
    "signs": {"sign colour": "colour", "sign visible state": "visible_state"},
    "lights": {"light state": "state"},
}
"""field of a record -> attribute task -> where an object keeps its answer"""
ROAD = ("road blockage", "road surface", "traffic density")


def convert(source: Source) -> Iterator[Sample]:
    """The frames of a split."""

    def samples(record: Any) -> Iterator[Sample]:
        one = as_object(record, "a frame")
        if source.split and one.get("split", source.split) != source.split:
            return
        image, size = str(one["image"]), size_of(one["size"])
        things = {
            field: [as_object(thing, "an object") for thing in as_list(one.get(field), field)]
            for field in LISTS.values()
        }
        complete = as_list(one.get("complete"), "complete")
        unheard = [task for task in complete if task not in LISTS]
        if unheard:
            raise ValueError(f"complete {unheard[0]!r} is none of {', '.join(LISTS)}")
        about = f"driving:{image}"
        for task in complete:
            yield _whole_list(image, size, task, things[LISTS[task]], about)
        for field, tasks in ATTRIBUTES.items():
            for thing in things[field]:
                yield from _attributes(image, size, thing, tasks, about)
        if "obstacles" in complete:
            yield from _masks(image, size, things["obstacles"], about)
        if "signs" in complete and 0 < len(things["signs"]) <= MOST and all("point" in one for one in things["signs"]):
            found = [{"label": "sign", "point": sign["point"]} for sign in things["signs"]]
            yield sample_of(image, size, {"text": asked(POINT, "every sign")}, "pt", found, source=about)
        yield from _road(image, size, as_object(one.get("road"), "road"), about)

    return source.each(source.records(), samples)


def _whole_list(image: str, size: Size, task: str, things: Sequence[Mapping[str, Any]], source: str) -> Sample:
    """A standing task with all its objects, in the order and direction that a Scene promises."""
    form = TASKS[task].form
    drawing = DRAWN[form.kind]
    found: list[Mapping[str, Any]] = []
    for thing in things:
        label = _label(task, thing)
        if label not in form.labels:
            raise ValueError(f"{task}: {label!r} is none of the words of getok_core.queries")
        found.append({"label": label, drawing: _turned(drawing, thing[drawing])})
    if len(found) > form.instances:
        raise ValueError(f"{len(found)} {task}: an answer holds at most {form.instances}")
    if drawing == "box":
        found = nearest_first(found)
    elif drawing == "polyline":  # near to far: the first vertex is the lowest
        found.sort(key=lambda one: one["polyline"][0][0])
    return sample_of(image, size, {"task": task}, form.kind, found, source=source)


def _turned(drawing: str, drawn: Any) -> Any:
    """A line near to far, an outline clockwise from its lowest left vertex. Raises ValueError."""
    if drawing == "box":
        return drawn
    return (near_to_far if drawing == "polyline" else clockwise)(as_xy(drawn)).tolist()


def _label(task: str, thing: Mapping[str, Any]) -> str:
    """What the answer of a standing task calls an object; a level that is missing is unknown, other or clear."""
    if task == "lanes":
        paint = [str(thing[word]) for word in ("style", "colour") if thing.get(word)]
        return str(thing.get("kind") or (" ".join(paint) if len(paint) == 2 else "unknown"))
    if task == "signs":
        least = {"shape": "other", "colour": "other", "visible_state": "clear"}
        return " ".join(str(thing.get(word) or missing) for word, missing in least.items())
    words = {
        "drivable area": "drivable",
        "obstacles": thing.get("class") or "other",
        "lights": thing.get("state") or "unknown",
    }
    return str(words[task])


def _attributes(
    image: str, size: Size, thing: Mapping[str, Any], tasks: Mapping[str, str], source: str
) -> Iterator[Sample]:
    """Each attribute that an object has, about each way in which it is drawn."""
    for task, word in tasks.items():
        answer = thing.get(word)
        if answer is None:
            continue
        if answer not in TASKS[task].form.labels:
            raise ValueError(f"{task} {answer!r} is none of {', '.join(TASKS[task].form.labels)}")
        for region in regions_of(thing, size):
            yield sample_of(image, size, {"task": task, "region": region}, "text", answer, source=source)


def regions_of(thing: Mapping[str, Any], size: Size) -> list[dict[str, Any]]:
    """Every drawing of an object as a region; a mask as its seeds. Raises ValueError on an empty mask."""
    drawn = [{name: thing[name]} for name in SHAPES if thing.get(name)]
    if thing.get("mask"):
        cells = seeds_of(area_of(thing["mask"], size))
        if not len(cells):
            raise ValueError("a mask is empty")
        drawn.append({"seeds": Lattice().decode(cells, size).tolist()})
    return drawn


def _masks(image: str, size: Size, things: Sequence[Mapping[str, Any]], source: str) -> Iterator[Sample]:
    """All objects of each class whose every object has a mask."""
    for kind in sorted({str(thing["class"]) for thing in things if thing.get("class")}):
        same = [thing for thing in things if thing.get("class") == kind]
        if all(thing.get("mask") for thing in same) and len(same) <= MOST:
            drawn = [object_of(area_of(thing["mask"], size), kind) for thing in same]
            yield every(image, size, kind, drawn, source)


def _road(image: str, size: Size, road: Mapping[str, Any], source: str) -> Iterator[Sample]:
    for task in ROAD:
        answer = road.get(task)
        if answer is None:
            continue
        if answer not in TASKS[task].form.labels:
            raise ValueError(f"{task} {answer!r} is none of {', '.join(TASKS[task].form.labels)}")
        query = {"task": task} | ({"region": road["region"]} if road.get("region") else {})
        yield sample_of(image, size, query, "text", answer, source=source)
