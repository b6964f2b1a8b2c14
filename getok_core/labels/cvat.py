"""CVAT for images 1.1 and for video 1.1: boxes, polylines, polygons, masks, points, tags. Also written, as pre-labels.

Corner-based pixels. A label's name and attributes say what a shape is (categories.py). A shape named after an attribute
task, such as "sign colour", with an attribute "answer" is a question about that region, and such a tag one about the
whole frame. Attributes of any other tag are slices; a tag without any is the slice name = yes. Frames of a video are
named by their number. A task counts as labelled throughout when the file declares a label of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from getok_core.geometry import XY, Box, Point, Polygon, Polyline, Shape
from getok_core.metrics.outlines import outlined
from getok_core.queries import (
    ATTRIBUTE_TASKS,
    LANE_LABELS,
    LIGHT_STATES,
    OBSTACLE_LABELS,
    SIGN_COLOURS,
    SIGN_SHAPES,
    TASKS,
    VISIBLE_STATES,
    SceneQuery,
)
from getok_core.scene import THINGS

from .cvat_xml import CORNERS, Drawn, parse_document
from .gathering import Gathered, Gathering
from .truth import Labels, Truth

KINDS: dict[str, type[Shape]] = {"box": Box, "polyline": Polyline, "polygon": Polygon, "points": Point}
LABELS: dict[str, tuple[str, str, dict[str, tuple[str, Sequence[str]]]]] = {
    "lanes": ("polyline", "lane", {"paint": ("label", LANE_LABELS)}),
    "drivable_areas": ("polygon", "drivable area", {}),
    "obstacles": ("box", "", {}),
    "signs": ("box", "sign", {"shape": ("label", SIGN_SHAPES), "colour": ("colour", SIGN_COLOURS),
                              "visible_state": ("visible_state", VISIBLE_STATES)}),
    "lights": ("box", "light", {"state": ("state", LIGHT_STATES)}),
}  # fmt: skip
"""field of a Scene -> shape and label in CVAT ("": the object's own), attribute -> (field of the object, its words)"""
UNLABELLED, SCORE, CONDITIONS = "unlabelled", "score", "conditions"


def read(path: Path) -> Labels:
    """An annotations.xml, or the folder that holds it. Raises DataError when it is another kind of XML."""
    file = path / "annotations.xml" if path.is_dir() else path
    document, gathering = parse_document(file), Gathering(file)
    for name in document.labels:
        gathering.declare(name)
    for name, size in document.frames.items():
        gathering.frame(name, size)
    for line, what in document.faults:
        gathering.fault(line, what)
    for name, drawn in document.shapes:
        _put(gathering, gathering.frame(name), drawn)
    return gathering.labels()


def _put(gathering: Gathering, frame: Gathered, drawn: Drawn) -> None:
    if drawn.label in ATTRIBUTE_TASKS:
        with gathering.reading(drawn.line, frame):
            region = None if drawn.kind == "tag" else _shapes(drawn)[0]
            frame.questions.append((SceneQuery(drawn.label, TASKS[drawn.label].prompt, region), drawn.said["answer"]))
    elif drawn.kind == "tag":
        frame.slices.update(drawn.said or {drawn.label: "yes"})
    else:
        found = gathering.means(drawn.line, drawn.label, drawn.said, line=drawn.kind in ("polyline", "points"))
        with gathering.reading(drawn.line, frame, found.task):
            for shape in _shapes(drawn) if found.task else ():
                frame.add(found, shape)


def _shapes(drawn: Drawn) -> list[Shape]:
    if drawn.kind == "mask":
        return [Polygon(outline) for outline in _mask_outlines(drawn.given)]
    if drawn.kind not in KINDS:
        raise ValueError(f"a {drawn.kind} is no shape of this house: draw a box, polyline, polygon or mask")
    return [KINDS[drawn.kind](drawn.xy)]


def _mask_outlines(given: Mapping[str, str]) -> list[XY]:
    """Run lengths row by row, zeros first, in a window of the image."""
    left, top, width, height = (int(given[side]) for side in ("left", "top", "width", "height"))
    runs = np.array([int(run) for run in given["rle"].split(",")])
    if (runs < 0).any() or runs.sum() != width * height:
        raise ValueError(f"its run lengths sum to {runs.sum()}, not to {width} x {height} pixels")
    window = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return [outline + np.array([left, top]) for outline in outlined(window)]


# -- writing -------------------------------------------------------------------------------------------------------


def write(path: Path, truths: Mapping[str, Truth]) -> None:
    """Truths or proposals, by the name of their frame, as CVAT for images 1.1: pixels to 0.01, scores as attributes.

    `read` gives them back, but for scores, rows, and questions of no task or with a region of several points; every
    task of this house counts as labelled throughout. The CVAT task needs the labels of `label_specs`.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    for spec in label_specs():
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = spec["name"]
    for number, (name, truth) in enumerate(truths.items()):
        size = {"width": str(truth.scene.width), "height": str(truth.scene.height)}
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": name, **size})
        _write_things(image, truth)
        for query, answer in truth.questions:
            if query.name in ATTRIBUTE_TASKS:
                kind = next((kind for kind, shape in KINDS.items() if type(query.region) is shape), "tag")
                _element(image, kind, query.name, query.region and query.region.xy, {"answer": answer})
        if truth.slices:
            _element(image, "tag", CONDITIONS, None, truth.slices)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, "utf-8", xml_declaration=True)


def label_specs() -> list[dict[str, Any]]:
    """The labels of a CVAT task for the words of this house, as CVAT's raw label editor takes them (JSON)."""
    specs: list[dict[str, Any]] = []
    for kind, label, words in LABELS.values():
        choices = {word: [UNLABELLED, *choice] for word, (_, choice) in words.items()}
        attributes = [_attribute(word, "select", choice) for word, choice in choices.items()]
        attributes.append(_attribute(SCORE, "text", [""]))
        names = (label,) if label else OBSTACLE_LABELS
        shape = "rectangle" if kind == "box" else kind
        specs += [{"name": name, "type": shape, "attributes": attributes} for name in names]
    answer = [_attribute("answer", "text", [""])]
    return specs + [{"name": task, "type": "any", "attributes": answer} for task in ATTRIBUTE_TASKS]


def _attribute(name: str, kind: str, words: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "input_type": kind, "mutable": False, "values": list(words), "default_value": words[0]}


def _write_things(image: ElementTree.Element, truth: Truth) -> None:
    for field in THINGS:
        kind, label, words = LABELS[field]
        for thing in getattr(truth.scene, field):
            said = {word: getattr(thing, own) or UNLABELLED for word, (own, _) in words.items()}
            xy = np.reshape(thing.box if kind == "box" else thing.points, (-1, 2))
            _element(image, kind, label or thing.label, xy, {**said, SCORE: f"{thing.score:.3f}"})


def _element(image: ElementTree.Element, kind: str, label: str, xy: XY | None, said: Mapping[str, str]) -> None:
    """One shape or tag with its attributes."""
    given = {"label": label, "source": "auto"}
    if xy is not None:
        numbers = [f"{value:.2f}" for value in xy.ravel().tolist()]
        if kind == "box":
            given |= dict(zip(CORNERS, numbers, strict=True))
        else:
            given["points"] = ";".join(f"{x},{y}" for x, y in zip(numbers[::2], numbers[1::2], strict=True))
        given |= {"occluded": "0", "z_order": "0"}
    element = ElementTree.SubElement(image, kind, given)
    for word, value in said.items():
        ElementTree.SubElement(element, "attribute", {"name": word}).text = value
