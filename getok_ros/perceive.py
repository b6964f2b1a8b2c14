"""The verbs perceive, ask and info: files in, tables, JSON and overlays out. Needs no ROS."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from getok_core.errors import QueryError
from getok_core.geometry import XY
from getok_core.masked import Masked
from getok_core.overlay import draw
from getok_core.perceiver import Look, Perceiver
from getok_core.queries import check_region, parse_region, question
from getok_core.scene import Scene
from getok_core.view import read_image

from .film import open_overlay
from .frames import Frame, Source, open_source
from .progress import bar, say
from .segmenting import masked_boxes, segmenter_of
from .share import default_model


def load_perceiver(arguments: Namespace) -> Perceiver:
    """The model of --model in --engine on --device with --refinements rounds. Raises ModelError in one line."""
    from getok_core.engines import load_engine

    engine = load_engine(model_folder(arguments.model), device=arguments.device, engine=arguments.engine)
    return Perceiver(engine, refinements=arguments.refinements)


def model_folder(given: str | None) -> Path:
    """The folder given, or that of the nano model that comes with the package."""
    return Path(given) if given else default_model()


def perceive(arguments: Namespace) -> int:
    """Prints the scene of every frame. An unreadable frame among many is named on stderr and makes the exit code 2."""
    if arguments.arrows and not arguments.overlay:
        raise QueryError("--arrows are drawn on the overlay: add --overlay FILE")
    source = open_source(arguments.source)
    first = read_image(source.path) if source.kind == "image" else None
    sink = open_overlay(arguments.overlay, source.kind, source.fps) if arguments.overlay else nullcontext()
    perceiver, segmenter = load_perceiver(arguments), segmenter_of(arguments)
    failed = 0
    with sink:
        frames = [Frame(source.path.name, first)] if first is not None else bar(source, source.path.name, source.count)
        for frame in frames:
            if frame.image is None:
                failed += 1
                say(f"getok: {frame.error}; frame {frame.name} left out", sys.stderr)
                continue
            seen = perceiver.look_at([Look(frame.image)])[0]
            masks = masked_boxes(segmenter, frame.image, seen.scene) if segmenter else None
            say(_line(seen.scene, frame.name, source, arguments.json, masks), sys.stdout)
            if arguments.overlay:
                moves = seen.moves if arguments.arrows else ()
                sink.write(frame.name, draw(frame.image, seen.scene, title=frame.name, moves=moves, masks=masks or ()))
    return 2 if failed else 0


def ask(arguments: Namespace) -> int:
    """Prints the answer to one question about one image, as JSON."""
    image = read_image(Path(arguments.source))
    options = tuple(arguments.options.split(",")) if arguments.options is not None else ()
    region = parse_region(arguments.region) if arguments.region is not None else None
    if region is not None:
        region = check_region(region, (image.shape[1], image.shape[0]))
    query = question(arguments.text, region, options)
    sink = open_overlay(arguments.overlay, "image") if arguments.overlay else nullcontext()
    perceiver = load_perceiver(arguments)
    perceiver.segmenter = segmenter_of(arguments, query)
    answer = perceiver.ask(image, query)
    print(json.dumps(answer.to_json()))
    with sink:
        if arguments.overlay:
            still = Scene(image.shape[1], image.shape[0], model=answer.scene.model, seconds=answer.scene.seconds)
            sink.write(arguments.source, draw(image, still, [(query, answer)]))
    return 0


def info(arguments: Namespace) -> int:
    """Prints the manifest of a model folder, after checking that the model can be loaded."""
    from getok_core.engines import load_engine

    engine = load_engine(model_folder(arguments.model))
    print(json.dumps({"title": engine.manifest.title, **asdict(engine.manifest)}, indent=1))
    return 0


def table(scene: Scene, name: str, masks: Sequence[Masked] = ()) -> str:
    """A scene for people: a line an object, pixels rounded."""
    stages = ", ".join(f"{stage} {1000 * s:.0f}" for stage, s in scene.seconds.items() if stage != "total")
    total = f"{1000 * scene.seconds.get('total', 0):.0f} ms"
    lines = [f"{name}  {scene.width} x {scene.height}  {total} ({stages})  {scene.model}"]
    rows = [("lane", o.label, o.score, _ends(o.points)) for o in scene.lanes]
    rows += [("area", o.label, o.score, f"{len(o.points)} vertices") for o in scene.drivable_areas]
    rows += [("obstacle", o.label, o.score, _corners(o.box)) for o in scene.obstacles]
    rows += [("mask", o.label, o.score, f"{o.mask.pixels.sum()} pixels") for o in masks]
    rows += [("sign", f"{o.colour} {o.label}, {o.visible_state}", o.score, _corners(o.box)) for o in scene.signs]
    rows += [("light", o.state, o.score, _corners(o.box)) for o in scene.lights]
    lines += [f"  {kind:<9} {label:<24} {score:.2f}  {where}" for kind, label, score, where in rows]
    lines += [f"  fault     {fault.kind:<24}       {fault.query} {fault.detail}".rstrip() for fault in scene.faults]
    if scene.truncated:
        lines.append("  truncated: the token or time limit cut the answer, things may be missing")
    if len(lines) == 1:
        lines.append("  nothing found")
    return "\n".join(lines)


def brief(scene: Scene, name: str) -> str:
    """A scene in one line: what was counted, and how long it took."""
    counts = "  ".join(f"{len(getattr(scene, kind)):2d} {kind}" for kind in ("lanes", "obstacles", "signs", "lights"))
    marks = ("  truncated" if scene.truncated else "") + (f"  {len(scene.faults)} faults" if scene.faults else "")
    return f"{name:<20} {counts}  {1000 * scene.seconds.get('total', 0):5.0f} ms{marks}"


def _line(scene: Scene, name: str, source: Source, as_json: bool, masks: list[Masked] | None) -> str:
    if not as_json:
        return table(scene, name, masks or ()) if source.kind == "image" else brief(scene, name)
    said = scene.to_json() if masks is None else {**scene.to_json(), "masks": [one.to_json() for one in masks]}
    if source.kind == "image":
        return json.dumps(said)
    return json.dumps({"frame": int(name) if source.kind == "video" else name, **said})


def _ends(points: XY) -> str:
    (x0, y0), (x1, y1) = points[0], points[-1]
    return f"{x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}, {len(points)} vertices"


def _corners(box: NDArray[np.float64]) -> str:
    left, top, right, bottom = box
    return f"{left:.0f},{top:.0f} to {right:.0f},{bottom:.0f}"
