"""A picture of a scene: the frame, dimmed, with what was said about it drawn on top.

Colours are Okabe and Ito's, which colour-blind eyes tell apart; a lane's stroke (solid, dashed, double, dots) repeats
its label, its colour the paint. Line widths and text grow with the image. A dot is a vertex the model named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas
from .captions import Run
from .geometry import Box, Point, Polygon, Polyline, Seeds, Shape
from .masked import Masked
from .moves import Moves
from .palette import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, WHITE, YELLOW, Colour
from .queries import SceneQuery
from .scene import Answer, DrivableArea, Lane, Light, Obstacle, Scene, Sign, Thing

RGB = NDArray[np.uint8]
Question = Union[str, SceneQuery]

OBSTACLES: dict[str, Colour] = {
    "car": ORANGE, "truck": ORANGE, "bus": ORANGE,
    "motorcycle": PURPLE, "bicycle": PURPLE,
    "pedestrian": VERMILLION, "animal": VERMILLION,
}  # fmt: skip
"""class -> colour; the others (cone, barrier, debris, other) are yellow"""

PAINT: dict[str, Colour] = {
    "red": (220, 50, 40), "blue": (40, 110, 210), "yellow": (245, 205, 40), "green": (30, 160, 90),
    "white": (245, 245, 245), "orange": (240, 140, 30), "brown": (130, 85, 50), "off": (60, 60, 60),
}  # fmt: skip
"""the real colour of a sign or light, for the chip in its tag"""


def draw(image: RGB, scene: Scene, answers: Sequence[tuple[Question, Answer]] = (), title: str = "",
         truth: Scene | None = None, totals_s: Sequence[float] = (), moves: Sequence[Moves] = (),
         masks: Sequence[Masked] = ()) -> RGB:  # fmt: skip
    """A new (H, W, 3) uint8 RGB picture of the image (H, W, 3) with its scene on top; the image is left as it was.

    answers: the question, as text or as the query (whose region is then drawn), and what was answered; they stand in a
    panel at the bottom. title: the first words of the status line. truth: what labels say, in dashes. totals_s: seconds
    of the last frames, this one last, as bars at the top right. moves: a red dot where each vertex was proposed, a blue
    arrow to where refinement brought it, a red cross where it was deleted. masks: pixels of things of the scene; those
    of answers are drawn anyway. A scene said about another size is scaled to
    fit. Any size from 1 x 1 pixels works; text that would be too small to read is left out.
    """
    canvas = Canvas.of(image)
    stretch = _stretch(scene, canvas)
    for one in (*masks, *(one for _, answer in answers for one in answer.masks)):
        canvas.mask(one.mask.pixels, OBSTACLES.get(one.label, SKY))
    _draw_scene(canvas, scene, stretch)
    if truth is not None:
        _draw_truth(canvas, truth, _stretch(truth, canvas))
    for question, answer in answers:
        named = len(canvas.captions.tags)
        _draw_scene(canvas, answer.scene, stretch)
        del canvas.captions.tags[named:]  # the scene has named what the answer shows again
        for group in answer.points:
            canvas.dots(group * stretch, WHITE, 4)
        if isinstance(question, SceneQuery) and question.region is not None:
            _draw_region(canvas, question.region, stretch)
    for move in moves:
        _draw_moves(canvas, move, stretch)
    _draw_status(canvas, scene, title)
    if len(totals_s) > 1:
        canvas.captions.bars([1000 * seconds for seconds in totals_s], "ms")
    _draw_answers(canvas, answers)
    canvas.captions.flush()
    return canvas.image


def _stretch(scene: Scene, canvas: Canvas) -> NDArray[np.float64]:
    if scene.width < 1 or scene.height < 1:
        return np.ones(2)
    return np.array([canvas.width / scene.width, canvas.height / scene.height])


def text_of(question: Question) -> str:
    """The words of a question."""
    return question.text if isinstance(question, SceneQuery) else question


def name_of(thing: Thing) -> str:
    """What stands in its tag: label and score."""
    if isinstance(thing, Sign):
        words = f"{thing.colour} {thing.label}" + f", {thing.visible_state}" * (thing.visible_state != "clear")
    else:
        words = f"light {thing.state}" if isinstance(thing, Light) else thing.label
    return f"{words} {thing.score:.2f}"


def colour_of(thing: Thing) -> Colour:
    """Of lanes by their paint, of obstacles by their class."""
    if isinstance(thing, DrivableArea):
        return GREEN
    if isinstance(thing, Lane):
        paint = thing.label.rpartition(" ")[2]
        return {"curb": ORANGE, "edge": PURPLE, "yellow": YELLOW, "white": SKY}.get(paint, WHITE)
    return OBSTACLES.get(thing.label, YELLOW) if isinstance(thing, Obstacle) else BLUE


def _draw_scene(canvas: Canvas, scene: Scene, stretch: NDArray[np.float64]) -> None:
    for area in scene.drivable_areas:
        canvas.area(area.points * stretch, GREEN)
    for lane in scene.lanes:
        xy, colour = lane.points * stretch, colour_of(lane)
        canvas.stroke(xy, colour, lane.label.split(" ", 1)[0])
        near = xy[np.argmax(xy[:, 1])] if len(xy) else np.zeros(2)
        canvas.captions.tag(np.tile(near, 2), name_of(lane), colour, least=0.8)
    for thing in (*sorted(scene.obstacles, key=lambda o: float(o.box[3])), *scene.signs, *scene.lights):
        xyxy, colour = thing.box * np.tile(stretch, 2), colour_of(thing)
        canvas.box(xyxy, colour)
        real = thing.colour if isinstance(thing, Sign) else thing.state if isinstance(thing, Light) else ""
        canvas.captions.tag(xyxy, name_of(thing), colour, PAINT.get(real))
    for area in scene.drivable_areas:  # last, so that it takes what room the others leave
        xy = np.clip(area.points * stretch, -1e4, 1e4)
        low = (xy.min(axis=0) * [1, 0.3] + xy.max(axis=0) * [1, 1.7]) / 2 if len(xy) else np.zeros(2)
        canvas.captions.tag(np.tile(low, 2), name_of(area), GREEN, least=0.8)


def _draw_truth(canvas: Canvas, truth: Scene, stretch: NDArray[np.float64]) -> None:
    for line in (*truth.lanes, *truth.drivable_areas):
        closed = line.points[:1] if isinstance(line, DrivableArea) else line.points[:0]
        canvas.dashes(np.concatenate([line.points, closed]) * stretch, WHITE)
    for thing in (*truth.obstacles, *truth.signs, *truth.lights):
        _draw_region(canvas, Box(thing.box.reshape(2, 2)), stretch)


def _draw_moves(canvas: Canvas, moves: Moves, stretch: NDArray[np.float64]) -> None:
    starts, ends = moves.proposed * stretch, moves.refined * stretch
    deleted = np.isnan(ends).any(axis=1)
    for start, end in zip(starts[~deleted], ends[~deleted], strict=True):
        canvas.arrow(start, end, BLUE)
    canvas.dots(starts[~deleted], PAINT["red"], 2.5)
    canvas.crosses(starts[deleted], PAINT["red"], 5)


def _draw_region(canvas: Canvas, region: Shape, stretch: NDArray[np.float64]) -> None:
    xy = region.xy * stretch
    if isinstance(region, (Point, Seeds)):
        canvas.dots(xy, WHITE, 6)
    elif isinstance(region, Box):
        (left, top), (right, bottom) = xy
        canvas.dashes(np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]), WHITE)
    elif isinstance(region, (Polyline, Polygon)):
        canvas.dashes(np.concatenate([xy, xy[:1]]) if isinstance(region, Polygon) else xy, WHITE)


def _draw_status(canvas: Canvas, scene: Scene, title: str) -> None:
    """Top left: what ran, what was found, how long each stage took, and what went wrong."""
    rows: list[list[Run]] = [
        [(title, WHITE, True)] if title else [],
        [(scene.model, WHITE if not title else SKY, not title)],
    ]
    things = [(name, len(getattr(scene, name))) for name in ("lanes", "obstacles", "signs", "lights")]
    found = "  ".join(f"{count} {name[: len(name) - (count == 1)]}" for name, count in things if count)
    rows.append([(found, WHITE, False)])
    if "total" in scene.seconds:
        stages = ((s, scene.seconds[s]) for s in ("vision", "propose", "refine") if s in scene.seconds)
        spent = "   ".join(f"{stage} {1000 * seconds:.0f}" for stage, seconds in stages)
        rows.append([(f"{1000 * scene.seconds['total']:.0f} ms", WHITE, True), (spent, SKY, False)])
    if scene.truncated or scene.faults:
        kinds = ", ".join(dict.fromkeys(f"{f.kind} ({f.query})" if f.query else f.kind for f in scene.faults))
        cut = ["truncated"] if scene.truncated else []
        counted = [f"{len(scene.faults)} fault{'s' * (len(scene.faults) > 1)}: {kinds}"] if scene.faults else []
        rows.append([("; ".join(cut + counted), ORANGE, True)])
    canvas.captions.panel([[run for run in row if run[0]] for row in rows], at_bottom=False)


def _draw_answers(canvas: Canvas, answers: Sequence[tuple[Question, Answer]]) -> None:
    rows: list[list[Run]] = []
    for question, answer in answers:
        rows.append(
            [(text_of(question), WHITE, False), (answer.answer, YELLOW, True), (f"{answer.score:.2f}", SKY, False)]
        )
    canvas.captions.panel(rows, at_bottom=True)
