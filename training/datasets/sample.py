"""A sample: an image, a question and its true answer. The one format of data on the road to a large model: JSON Lines.

    {"image": "train2014/COCO_train2014_000000581857.jpg", "size": [640, 427],
     "query": {"text": "Segment the lady with the blue shirt"}, "kind": "seg",
     "answer": [{"label": "person", "box": [103.9, 300.0, 237.2, 476.4],
                 "mask": {"size": [427, 640], "counts": "..."}}], "source": "refcoco:0:0"}
    {"image": "night/0007.jpg", "size": [1920, 1080], "query": {"task": "sign colour", "region": {"point": [811, 240]}},
     "kind": "text", "answer": "red", "source": "driving:night/0007.jpg"}

image    path below a folder of images that the reader knows; "" for text alone
size     width and height of that image in pixels; may be left out where neither region nor answer has geometry
query    text: the question in the words a model reads. task instead, or beside it: a task of getok_core.queries, whose
         prompt is then read (a task that refers keeps its expression in text). region: one shape. options: closed list
kind     what an answer has: pt, box, pl, poly, seg (a box may precede), or text. Left out, the task's own
answer   kind text: a string. Else a list of objects, nearest (lowest in the image) first; [] means "none". Each
         has a label (or none), and point [x, y], box [left, top, right, bottom], polyline or polygon [[x, y], ..], or
         mask (COCO's segmentation: flat polygons, or run lengths, plain or packed) and perhaps its box. seeds
         [[x, y], ..] are the points that say the mask on a lattice: made from it at training time, or written beside
         it by `python -m training.datasets samples FILE --seeds`
ignore   a mask as above, of an answer of kind seg: pixels that count neither as hit nor as miss when it is scored
think    free text that a model may think before it answers
history  [[question, answer], ..]: rounds of text about the same image before this one, whose answers are learned too
source   dataset and record

Float pixels of the image, x right, y down, (0, 0) its top-left corner, pixel centres at +0.5 (formats that are
centre-based get +0.5 on conversion). A line that is malformed is reported by file and line and skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import Box, Point, Polygon, Polyline, Seeds, Shape
from getok_core.labels.fields import as_list, as_numbers, as_object, as_size
from getok_core.labels.segmentation import Segmentation, area_of, rings_of, unpacked
from getok_core.lattice import Size
from getok_core.metrics.areas import Area
from getok_core.queries import TASKS, SceneQuery
from getok_core.syntax import AnswerForm

from .skipped import Skipped

KINDS = ("pt", "box", "pl", "poly", "seg", "text")
SHAPES: dict[str, type[Shape]] = {
    "point": Point, "box": Box, "polyline": Polyline, "polygon": Polygon, "seeds": Seeds,
}  # fmt: skip
"""name in JSON -> shape"""
_NAMES = {shape.kind: name for name, shape in SHAPES.items()}


@dataclass(frozen=True, eq=False)
class Labelled:
    """One object of an answer, in pixels of the image."""

    label: str = ""
    shape: Shape | None = None
    """point, box, polyline or polygon; of a mask the box that stands before its seeds, or None"""
    mask: Segmentation | None = None
    seeds: Seeds | None = None

    def area(self, size: Size) -> Area:
        """(H, W) bool: the mask's pixels in an image of size (width, height). Raises ValueError without a mask."""
        if self.mask is None:
            raise ValueError(f"{self.label or 'the object'!r} has no mask")
        return area_of(self.mask, size)


@dataclass(frozen=True, eq=False)
class Sample:
    """One question about one image with its true answer; fields as in the format above."""

    image: str
    size: Size
    query: SceneQuery
    kind: str
    answer: str | tuple[Labelled, ...]
    think: str = ""
    history: tuple[tuple[str, str], ...] = ()
    source: str = ""
    ignore: Segmentation | None = None
    """pixels that count neither way when masks are scored"""

    @property
    def form(self) -> AnswerForm:
        """What the answer may look like: the query's own form, of a free text that of this sample's kind."""
        form = self.query.form
        return form if form.kind != "any" else AnswerForm(self.kind)


# -- files ---------------------------------------------------------------------------------------------------------


def read(path: Path | str, skipped: Skipped | None = None) -> Iterator[Sample]:
    """The samples of a file, a line at a time; malformed lines are noted in `skipped` and left out.

    Raises DataError when the file cannot be opened.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
            yield from (skipped or Skipped()).each(path, lines, lambda line: [parse(json.loads(line))])
    except OSError as error:
        raise DataError(f"samples {path} cannot be read: {error.strerror or error}") from None


def write(path: Path | str, samples: Iterable[Sample]) -> int:
    """Writes samples as they come; returns how many. Read back, they are the same to 0.01 pixels."""
    count = 0
    with Path(path).open("w", encoding="utf-8") as file:
        for count, sample in enumerate(samples, 1):  # noqa: B007 (the last number is the result)
            file.write(json.dumps(record(sample), ensure_ascii=False) + "\n")
    return count


# -- a line --------------------------------------------------------------------------------------------------------


def parse(said: Any) -> Sample:
    """One line's JSON -> a sample. Raises ValueError or KeyError in one line on what is malformed."""
    one = as_object(said, "a sample")
    asked = as_object(one["query"], "query")
    task, text = str(asked.get("task") or ""), str(asked.get("text") or "")
    if task and task not in TASKS:
        raise ValueError(f"query of task {task!r}: use one of {', '.join(TASKS)}, or give a text")
    size = size_of(one.get("size", [0, 0]))
    region = _shape(as_object(asked["region"], "region"), size) if asked.get("region") else None
    options = tuple(str(option) for option in as_list(asked.get("options"), "options"))
    query = SceneQuery(task, text or (TASKS[task].prompt if task else ""), region, options)
    if not query.text.strip():
        raise ValueError("a query has a text or a task")
    kind = str(one.get("kind") or (query.form.kind if task else ""))
    history = tuple((str(q), str(a)) for q, a in as_list(one.get("history"), "history"))
    answer = _answer(one["answer"], kind, size)
    ignore = _checked(one["ignore"], size) if one.get("ignore") else None
    if ignore is not None and kind != "seg":
        raise ValueError(f"an answer of kind {kind} has no pixels to ignore: leave ignore out")
    image, think, source = (str(one.get(name) or "") for name in ("image", "think", "source"))
    return Sample(image, size, query, kind, answer, think, history, source, ignore)


def size_of(said: Any) -> Size:
    """[width, height] -> both in pixels. Raises ValueError."""
    sides = as_list(said, "size")
    if len(sides) != 2:
        raise ValueError(f"size is width and height, got {sides}")
    return as_size(*sides)


def sample_of(image: str, size: Size, query: Mapping[str, Any], kind: str, answer: Any, **rest: Any) -> Sample:
    """A sample from the fields of a line. Raises ValueError or KeyError as parse does."""
    said = {"image": image, "size": list(size), "query": query, "kind": kind, "answer": answer, **rest}
    return parse(said)


def record(sample: Sample) -> dict[str, Any]:
    """The JSON object that `parse` takes; pixels rounded to 0.01."""
    query, answer = sample.query, sample.answer
    asked: dict[str, Any] = {"task": query.name} if query.name else {"text": query.text}
    if query.name and query.text != TASKS[query.name].prompt:
        asked["text"] = query.text
    if query.region is not None:
        asked["region"] = shape_json(query.region)
    if query.options:
        asked["options"] = list(query.options)
    said: dict[str, Any] = {"image": sample.image, "size": list(sample.size), "query": asked, "kind": sample.kind}
    said["answer"] = answer if isinstance(answer, str) else [_labelled_json(one) for one in answer]
    rest = {"think": sample.think, "history": [list(turn) for turn in sample.history], "source": sample.source,
            "ignore": sample.ignore}  # fmt: skip
    return said | {name: value for name, value in rest.items() if value}


def _answer(said: Any, kind: str, size: Size) -> str | tuple[Labelled, ...]:
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    if (kind == "text") != isinstance(said, str):
        raise ValueError(f"the answer of kind {kind} must be {'a string' if kind == 'text' else 'a list'}")
    if isinstance(said, str):
        if not said.strip():
            raise ValueError("the answer is empty")
        return said
    if not all(size):
        raise ValueError("an answer with geometry needs the image's size")
    return tuple(_labelled(as_object(one, "an object"), kind, size) for one in as_list(said, "answer"))


def _labelled(said: Mapping[str, Any], kind: str, size: Size) -> Labelled:
    label = str(said.get("label") or "")
    if "<" in label or not label.isprintable() or label != label.strip():
        raise ValueError(f"a label holds no '<', no control character and no space at its ends, got {label!r}")
    drawn = {name: value for name, value in said.items() if name in SHAPES and name != "seeds"}
    shape = _shape(drawn, size) if drawn else None
    seeds = Seeds(_shape({"seeds": said["seeds"]}, size).xy) if said.get("seeds") else None
    mask = _checked(said["mask"], size) if said.get("mask") else None
    masked = mask is not None or seeds is not None
    if masked != (kind == "seg") or (shape.kind if shape else "box") != ("box" if masked else kind):
        named = ", ".join(name for name in (*SHAPES, "mask") if name in said) or "no geometry"
        raise ValueError(f"an object of an answer of kind {kind} has {named}")
    if not masked and shape is None:
        raise ValueError(f"an object of an answer of kind {kind} has no geometry")
    return Labelled(label, shape, mask, seeds)


def _checked(said: Any, size: Size) -> Segmentation:
    """A segmentation whose form is right; pixels are drawn only when somebody asks for them."""
    if not isinstance(said, dict):
        if not rings_of(said):
            raise ValueError("a mask without polygons")
        return cast(Segmentation, said)
    coded = cast("dict[str, Any]", said)
    counts = coded.get("counts")
    total = sum(unpacked(counts)) if isinstance(counts, str) else sum(as_numbers(counts, "counts"))
    if as_list(coded.get("size"), "size of a mask") != [size[1], size[0]] or total != size[0] * size[1]:
        raise ValueError(f"a mask of size {coded['size']} and {total:g} pixels in an image of {size[0]} x {size[1]}")
    return coded


def _shape(said: Mapping[str, Any], size: Size) -> Shape:
    (name,) = said if len(said) == 1 else ("",)
    if name not in SHAPES:
        raise ValueError(f"a shape is one of {', '.join(SHAPES)}, got {', '.join(said) or 'none'}")
    flat = name in ("point", "box")
    numbers = [as_numbers(said[name], name)] if flat else [as_numbers(pair, name) for pair in as_list(said[name], name)]
    shape = SHAPES[name](np.array(numbers, np.float64).reshape(-1, 2))
    low, high = shape.xy.min(0), shape.xy.max(0)
    if not all(size) or (high < 0).any() or (low > size).any():
        raise ValueError(f"{name} {shape.xy.tolist()} lies outside the image of {size[0]} x {size[1]}")
    return shape


def shape_json(shape: Shape) -> dict[str, Any]:
    """A shape under its name, as a region or object holds it; pixels rounded to 0.01."""
    name, xy = _NAMES[shape.kind], np.round(shape.xy, 2)
    return {name: (np.ravel(xy) if name in ("point", "box") else xy).tolist()}


def _labelled_json(one: Labelled) -> dict[str, Any]:
    said: dict[str, Any] = {"label": one.label} if one.label else {}
    for shape in (one.shape, one.seeds):
        said |= shape_json(shape) if shape is not None else {}
    return said | ({"mask": one.mask} if one.mask is not None else {})
