"""What one can ask: a SceneQuery -> prompt ids, and the form its answer has. Closed lists of labels live here.

Changing a prompt or a list changes PROMPT_VERSION: weights trained on another version are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from . import referring, wording
from .errors import QueryError
from .geometry import Box, Point, Polygon, Polyline, Shape
from .lattice import Lattice, Size
from .syntax import AnswerForm
from .vocabulary import ANSWER, CLOSE, OPEN, Vocabulary

PROMPT_VERSION = 2

PAINT = ("solid", "dashed", "double", "dots")
LANE_LABELS = (*(f"{style} {hue}" for hue in ("white", "yellow") for style in PAINT), "curb", "edge", "unknown")
DRIVABLE_LABELS = ("drivable",)
OBSTACLE_LABELS = (
    "car", "truck", "bus", "motorcycle", "bicycle", "pedestrian", "animal", "cone", "barrier", "debris", "other",
)  # fmt: skip
SIGN_SHAPES = ("stop", "circle", "triangle", "diamond", "square", "rectangle", "other")
"""stop is the octagon"""
SIGN_COLOURS = ("red", "blue", "yellow", "green", "white", "orange", "brown", "other")
VISIBLE_STATES = ("clear", "blurred", "occluded", "backlit")
LIGHT_STATES = ("red", "yellow", "green", "off", "unknown")
SURFACES = ("dry", "wet", "snow", "ice")
BLOCKAGES = ("open", "partly blocked", "blocked")
TRAFFIC = ("empty", "light", "moderate", "heavy")
ABSENT = ("none", "not visible")
"""added to the options of every attribute question"""
SIGN_LABELS = tuple(f"{s} {c} {v}" for s in SIGN_SHAPES for c in SIGN_COLOURS for v in VISIBLE_STATES)


@dataclass(frozen=True)
class Task:
    """A question the models here are trained on."""

    name: str
    prompt: str
    form: AnswerForm
    anchors_prompt: str = ""
    """asks for labels and first vertices only"""
    words: str = ""
    """what recognises the question in a user's words; wording.py"""
    refers: bool = False
    """the prompt is followed by a referring expression"""


def _options(*lists: tuple[str, ...]) -> AnswerForm:
    return AnswerForm("text", sum(lists, ()), 1)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("lanes", "Draw every lane line and road edge.", AnswerForm("pl", LANE_LABELS, 8, 16),
             "Mark where every lane line and road edge begins.", wording.LANES),
        Task("drivable area", "Outline the drivable area.", AnswerForm("poly", DRIVABLE_LABELS, 2, 24),
             words=wording.DRIVABLE_AREA),
        Task("obstacles", "Box every obstacle.", AnswerForm("box", OBSTACLE_LABELS, 16),
             "Mark the top left corner of every obstacle.", wording.OBSTACLES),
        Task("signs", "Box every traffic sign.", AnswerForm("box", SIGN_LABELS, 8), words=wording.SIGNS),
        Task("lights", "Box every traffic light.", AnswerForm("box", LIGHT_STATES, 8), words=wording.LIGHTS),
        Task("sign colour", "What colour is the sign?", _options(SIGN_COLOURS, ABSENT),
             words=wording.SIGN_COLOUR + rf"|\bsign ({'|'.join(SIGN_COLOURS[:-1])})\b"),
        Task("sign visible state", "How visible is the sign?", _options(VISIBLE_STATES, ABSENT),
             words=wording.SIGN_VISIBLE_STATE),
        Task("light state", "What does the traffic light show?", _options(LIGHT_STATES, ABSENT),
             words=wording.LIGHT_STATE),
        Task("obstacle class", "What is the obstacle?", _options(OBSTACLE_LABELS, ABSENT),
             words=wording.OBSTACLE_CLASS),
        Task("obstacle visible state", "How visible is the obstacle?", _options(VISIBLE_STATES, ABSENT),
             words=wording.OBSTACLE_VISIBLE_STATE),
        Task("road blockage", "Is the road blocked?", _options(BLOCKAGES, ABSENT), words=wording.ROAD_BLOCKAGE),
        Task("road surface", "What is the road surface like?", _options(SURFACES, ABSENT),
             words=wording.ROAD_SURFACE),
        Task("traffic density", "How dense is the traffic?", _options(TRAFFIC, ABSENT),
             words=wording.TRAFFIC_DENSITY),
        Task("referred boxes", "Box", AnswerForm("box", referring.LABELS, 8), refers=True,
             words=wording.REFERRED_BOXES),
        Task("referred points", "Point at", AnswerForm("pt", referring.LABELS, 8), refers=True,
             words=wording.REFERRED_POINTS),
        Task("referred masks", "Segment", AnswerForm("seg", referring.LABELS, 4, 12), refers=True,
             words=wording.REFERRED_MASKS),
    )
}  # fmt: skip
REFERRING_TASKS = tuple(name for name, task in TASKS.items() if task.refers)
STANDING_TASKS = ("lanes", "drivable area", "obstacles", "signs", "lights")
ATTRIBUTE_TASKS = tuple(name for name, task in TASKS.items() if task.form.kind == "text")

_PIECES = ("At", "Options:", ",", " ", "?", ".", *(task.prompt for task in TASKS.values()),
           *(task.anchors_prompt for task in TASKS.values() if task.anchors_prompt))  # fmt: skip
_LISTS = (LANE_LABELS, DRIVABLE_LABELS, OBSTACLE_LABELS, SIGN_SHAPES, SIGN_COLOURS, VISIBLE_STATES, LIGHT_STATES,
          SURFACES, BLOCKAGES, TRAFFIC, ABSENT, PAINT)  # fmt: skip
_SPACED = tuple(f" {word}" for word in (*SIGN_COLOURS, *VISIBLE_STATES))
WORDS = tuple(
    dict.fromkeys(word for words in (*_LISTS, _SPACED, _PIECES, referring.WORDS, referring.LABELS) for word in words)
)
"""what the nano's tokenizer knows beside bytes: labels, options and prompts, one token each"""


def standard_vocabulary(n: int = 32) -> Vocabulary:
    """The vocabulary that models trained by this repository share."""
    return Vocabulary(n, WORDS)


@dataclass(frozen=True)
class SceneQuery:
    """A question about a frame; region in pixels of that frame."""

    name: str
    """name of a task, or "" for free text"""
    text: str
    """the question; of a task that refers, the canonical expression"""
    region: Shape | None = None
    options: tuple[str, ...] = ()
    """closed list that replaces the task's own"""
    anchors: bool = False

    @property
    def form(self) -> AnswerForm:
        """What the answer may look like."""
        if self.options:
            return AnswerForm("text", self.options, 1, may_be_none=False)
        form = TASKS[self.name].form if self.name in TASKS else AnswerForm("any")
        return form.anchors() if self.anchors else form

    def prompt(self, vocabulary: Vocabulary, lattice: Lattice, size: Size) -> tuple[int, ...]:
        """Ids of the question up to and with `<answer>`; size is the width and height that the region refers to."""
        text = TASKS[self.name].prompt if self.name in TASKS else self.text
        if self.anchors:
            text = TASKS[self.name].anchors_prompt
        if self.name in REFERRING_TASKS:
            text += " " + self.text
        ids = vocabulary.encode_text(text)
        if self.region is not None:
            cells = vocabulary.grid_ids(lattice.encode(self.region.xy, size).ij).tolist()
            ids += [*vocabulary.encode_text("At"), OPEN[self.region.kind], *cells, CLOSE[self.region.kind]]
        if self.options:
            ids += vocabulary.encode_text("Options:" + ",".join(self.options))
        return (*ids, ANSWER)


STANDING = tuple(SceneQuery(name, TASKS[name].prompt) for name in STANDING_TASKS)
"""the queries of every frame"""


def question(text: str, region: Shape | None = None, options: tuple[str, ...] = (), name: str = "") -> SceneQuery:
    """A user's words -> a query; the task is recognised from them. Raises QueryError on empty or oversized input."""
    text = " ".join(text.split())
    if not text:
        raise QueryError("the question is empty: give its text")
    if len(text) > 500:
        raise QueryError(f"the question has {len(text)} characters: at most 500 are taken")
    options = tuple(" ".join(option.split()) for option in options)
    for option in options:
        if not option or "<" in option or len(option) > 60 or not option.isprintable():
            raise QueryError(f"option {option[:80]!r} is empty, holds '<' or exceeds 60 characters: reword it")
    if len(set(options)) != len(options) or len(options) > 32:
        raise QueryError(f"{len(options)} options: give at most 32 different ones")
    referred, expression = refer(text) if not name and not options else ("", "")
    if referred:
        return SceneQuery(referred, expression, region)
    task = name or recognise(text)
    if options and task in TASKS and TASKS[task].form.kind != "text":
        task = ""
    return SceneQuery(task, text, region, options)


def refer(text: str) -> tuple[str, str]:
    """`find the red truck left of the bus` -> its task and canonical expression; two empty strings if it is none.

    An expression that only names a kind of thing, such as `find the cars`, asks for a standing query's list.
    """
    for name in REFERRING_TASKS:
        verb = re.match(TASKS[name].words, text.lower())
        expression = referring.canonical(text[verb.end() :]) if verb else ""
        if expression and (referring.qualified(expression) or name != "referred boxes"):
            return name, expression
    bare = referring.canonical(text)
    return ("referred boxes", bare) if bare and referring.qualified(bare) else ("", "")


def recognise(text: str) -> str:
    """Name of the task a user's words ask for, or "" when they are none of those trained here."""
    lowered = text.lower()
    exact = [task.name for task in TASKS.values() if lowered == task.prompt.lower()]
    attributes_first = (*ATTRIBUTE_TASKS, *STANDING_TASKS)
    worded = (name for name in attributes_first if re.search(TASKS[name].words, lowered))
    return exact[0] if exact else next(worded, "")


def parse_region(text: str) -> Shape:
    """`X1,Y1,X2,Y2`, `point:X,Y`, `polyline:X,Y,..` or `polygon:X,Y,..` in pixels -> a shape. Raises QueryError."""
    kind, _, numbers = text.rpartition(":")
    shapes: dict[str, type[Shape]] = {"": Box, "box": Box, "point": Point, "polyline": Polyline, "polygon": Polygon}
    if kind not in shapes:
        raise QueryError(f"region kind {kind!r} is unknown: use point, box, polyline or polygon")
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        raise QueryError(f"region {text!r} holds something that is no number: give X1,Y1,X2,Y2 in pixels") from None
    if len(values) % 2:
        raise QueryError(f"region {text!r} has {len(values)} numbers: give x, y pairs in pixels")
    try:
        return shapes[kind]([values[at : at + 2] for at in range(0, len(values), 2)])  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        raise QueryError(f"region {text!r}: {error}") from None


def check_region(region: Shape, size: Size) -> Shape:
    """Returns the region clipped to an image of size (width, height); QueryError when it lies outside altogether."""
    low, high = region.xy.min(axis=0), region.xy.max(axis=0)
    if (high < 0).any() or low[0] > size[0] or low[1] > size[1]:
        raise QueryError(
            f"region x {low[0]:g}..{high[0]:g}, y {low[1]:g}..{high[1]:g} lies outside the image of"
            f" {size[0]} x {size[1]} pixels: give it in pixels of that image"
        )
    clipped = region.xy.clip(0, size)
    try:
        return region.moved(clipped)
    except ValueError:
        raise QueryError(f"region {region.xy.tolist()} only touches the image border: move it inside") from None


def anchored(query: SceneQuery) -> SceneQuery:
    """The same query asking for anchors. Raises QueryError where the task has no such form."""
    if query.name not in TASKS or not TASKS[query.name].anchors_prompt:
        raise QueryError(f"{query.name or query.text!r} has no anchors form: ask for it whole")
    return replace(query, anchors=True)
