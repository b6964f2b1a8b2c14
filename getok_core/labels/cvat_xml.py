"""CVAT XML 1.1, for images and for video, as a list of frames and of the shapes drawn on them. Knows no meanings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax import SAXParseException, parse
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import XY
from getok_core.lattice import Size

from .fields import as_size

SHAPES = ("box", "polyline", "polygon", "points", "mask", "tag", "ellipse", "cuboid", "skeleton")
CORNERS = ("xtl", "ytl", "xbr", "ybr")
"""left, top, right, bottom of a box"""


@dataclass(frozen=True)
class Drawn:
    """One shape on one frame, as the file has it."""

    kind: str
    """one of SHAPES"""
    label: str
    line: int
    """of the file"""
    given: Mapping[str, str]
    """attributes of the XML element"""
    said: dict[str, str] = field(default_factory=dict[str, str])
    """what its `<attribute>` elements say"""

    @property
    def xy(self) -> XY:
        """Vertices (N, 2), of a box its two corners. Raises KeyError or ValueError."""
        if self.kind == "box":
            return np.array([float(self.given[side]) for side in CORNERS]).reshape(2, 2)
        pairs = [pair.split(",") for pair in self.given["points"].split(";")]
        return np.array([[float(x), float(y)] for x, y in pairs])

    def at(self, xy: XY) -> Drawn:
        """The same shape elsewhere."""
        if self.kind == "box":
            return replace(
                self, given=dict(zip(("xtl", "ytl", "xbr", "ybr"), map(repr, xy.ravel().tolist()), strict=True))
            )
        return replace(self, given={"points": ";".join(f"{x!r},{y!r}" for x, y in xy.tolist())})


@dataclass
class Document:
    """What the file holds."""

    labels: list[str] = field(default_factory=list[str])
    """names of the labels that it declares"""
    frames: dict[str, Size] = field(default_factory=dict[str, Size])
    """by file name, or by number in a video: size (width, height) in pixels"""
    shapes: list[tuple[str, Drawn]] = field(default_factory=list[tuple[str, Drawn]])
    """frame and shape"""
    faults: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """line of the file and what is wrong there"""


def parse_document(file: Path) -> Document:
    """Reads a file; where its XML breaks off, what stands before is kept. Raises DataError when it is not CVAT's."""
    reader = _Reader()
    try:
        parse(str(file), reader)
    except SAXParseException as error:
        reader.fault(error.getLineNumber() or 0, f"the XML breaks off ({error.getMessage()}): the rest is lost")
    except LookupError as error:
        raise DataError(f"labels {file} cannot be read ({error}): export them again") from None
    if not reader.is_cvat:
        raise DataError(f"labels {file} are no CVAT XML: export them as CVAT for images 1.1 or CVAT for video 1.1")
    return reader.document


class _Reader(ContentHandler):
    """Follows the file element by element, for only so are the lines known."""

    def __init__(self) -> None:
        super().__init__()
        self.document, self.is_cvat = Document(), False
        self._locator: Locator | None = None
        self._within: list[str] = []
        self._text: list[str] = []
        self._numbers: dict[str, int] = {}
        """of a video: size (frames), width, height"""
        self._frame, self._track_label, self._attribute = "", "", ""
        self._track: list[Drawn] = []
        self._shape: Drawn | None = None

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        given, line = dict(attrs.items()), (self._locator and self._locator.getLineNumber()) or 0
        if not self._within:
            self.is_cvat = name == "annotations"
        if name == "image":
            self._begin_image(given, line)
        elif name == "track":
            self._track, self._track_label = [], given.get("label", "")
        elif name in SHAPES and self._within[-1:] in (["image"], ["track"]):
            self._shape = Drawn(name, given.get("label", self._track_label), line, given)
        elif name == "attribute":
            self._attribute = given.get("name", "")
        self._within.append(name)
        self._text.clear()

    def characters(self, content: str) -> None:
        self._text.append(content)

    def endElement(self, name: str) -> None:
        self._within.pop()
        text, above = "".join(self._text).strip(), (self._within or [""])[-1]
        self._text.clear()
        if name == "attribute" and self._shape is not None:
            self._shape.said[self._attribute] = text
        elif name == "name" and above == "label":
            self.document.labels.append(text)
        elif name in ("size", "width", "height") and above in ("task", "job", "original_size") and text.isdecimal():
            self._numbers[name] = int(text)
        elif name == "meta" and "width" in self._numbers:
            self.document.frames |= {str(n): self._video_size for n in range(self._numbers.get("size", 0))}
        elif self._shape is not None and name == self._shape.kind:
            self._end_shape(self._shape, above)
        elif name == "track":
            self._end_track()

    @property
    def _video_size(self) -> Size:
        return self._numbers.get("width", 0), self._numbers.get("height", 0)

    def fault(self, line: int, what: str) -> None:
        self.document.faults.append((line, what))

    def _begin_image(self, given: Mapping[str, str], line: int) -> None:
        self._frame = given.get("name", "")
        try:
            self.document.frames[given["name"]] = as_size(given["width"], given["height"])
        except (KeyError, ValueError):
            self.fault(line, "an image needs name, width and height: skipped with all in it")
            self._frame = ""

    def _end_shape(self, shape: Drawn, above: str) -> None:
        if above == "track":
            self._track.append(shape)
        elif self._frame:
            self.document.shapes.append((self._frame, shape))
        self._shape = None

    def _end_track(self) -> None:
        listed: list[tuple[int, Drawn]] = []
        for shape in self._track:
            number = shape.given.get("frame", "")
            if number.isdecimal():
                listed.append((int(number), shape))
            else:
                self.fault(shape.line, f"a shape of a track at frame {number!r}: skipped")
        for number, shape in _between(listed):
            self.document.frames.setdefault(str(number), self._video_size)
            self.document.shapes.append((str(number), shape))


def _between(listed: list[tuple[int, Drawn]]) -> Iterator[tuple[int, Drawn]]:
    """Every frame of a track; vertices move in straight lines between the frames that are listed."""
    for at, (first, shape) in enumerate(listed):
        if shape.given.get("outside") == "1":
            continue
        yield first, shape
        following = listed[at + 1] if at + 1 < len(listed) else (first, shape)
        for number in range(first + 1, following[0]):
            yield number, _moved(shape, following[1], (number - first) / (following[0] - first))


def _moved(shape: Drawn, to: Drawn, part: float) -> Drawn:
    """The shape on its way to the next; where it is when the two have not the same vertices."""
    try:
        here, there = shape.xy, to.xy
    except (KeyError, ValueError):
        return shape
    return shape.at(here + part * (there - here)) if here.shape == there.shape else shape
