"""The nano timed on a CPU: start, stages, ways to run it, and networks of the field on the same cores."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..engines import load_engine
from ..engines.anchored_engine import AnchoredEngine
from ..engines.sequential_engine import SequentialEngine
from ..perceiver import Perceiver
from ..protocol import Engine, Limits, Request
from ..queries import STANDING, question
from ..view import RGB
from .forced_scene import ForcedScene, text_tokens
from .table import Report, Row, failed, machine, timed


def camera_image(width: int = 1280, height: int = 720) -> RGB:
    """A plain road with three lane lines under a sky, and a little noise: something to draw, the same every time."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    picture = np.where((y < 0.45)[..., None], (150, 180, 210), (90, 90, 95)).astype(np.float64)
    for foot in (0.1, 0.45, 0.85):
        line = 0.5 + (foot - 0.5) * (y - 0.42) / 0.58
        painted = (y > 0.47) & (abs(x - line) < 0.012 * (y - 0.4))
        picture[painted] = 235
    return (picture + np.random.default_rng(0).normal(0, 6, (height, width, 1))).clip(0, 255).astype(np.uint8)


def bench_small(model: Path, device: str, runs: int = 15, rounds: int = 1, image: RGB | None = None,
                path: Path | None = None, wanted: str = "") -> Report:  # fmt: skip
    """All rows of one model folder. path: as Report's; wanted: as load_engine's engine.

    Raises ModelError as load_engine does.
    """
    image = camera_image() if image is None else image
    report = Report(f"{model.name} on {device}", machine(device, "onnxruntime", "torch"), path=path)
    began = time.perf_counter()
    engine = load_engine(model, device, engine=wanted)
    loaded = time.perf_counter()
    perceiver = Perceiver(engine, refinements=rounds)
    perceiver.perceive(image)
    first_ms = 1000 * (time.perf_counter() - loaded)
    report.add(Row("load", 1000 * (loaded - began), note="files to an engine that has run once"))
    report.add(Row("first frame after loading", first_ms))
    _stages(report, perceiver, image, runs)
    for name, mode in ((f"scene, R = {rounds}", engine), ("the same, lists drawn from anchors", AnchoredEngine(engine)),
                       ("the same, offsets one after another", SequentialEngine(engine))):  # fmt: skip
        report.add(_scene(name, Perceiver(mode, refinements=rounds), image, runs))
    report.add(*_in_floats(engine, image, runs, rounds))
    report.add(_one_by_one(engine, image, runs, rounds))
    report.add(_as_text(engine, image, runs))
    report.compare(
        "the same, written as text coordinates",
        *(row.name for row in report.rows if "same" in row.name or "scene" in row.name),
    )
    report.add(*_field(runs))
    return report


def _stages(report: Report, perceiver: Perceiver, image: RGB, runs: int) -> None:
    seconds = [perceiver.perceive(image).seconds for _ in range(runs)]
    for stage in ("vision", "propose", "refine"):
        report.add(Row(stage, 1000 * float(np.median([one[stage] for one in seconds]))))


def _scene(name: str, perceiver: Perceiver, image: RGB, runs: int) -> Row:
    perceiver.perceive(image)
    return Row(name, timed(lambda: perceiver.perceive(image), runs), note="720p image in, scene out")


def _in_floats(engine: Engine, image: RGB, runs: int, rounds: int) -> list[Row]:
    """The same weights without 8 bits and without the graphs made for a CPU, where the engine has these."""
    from ..engines.onnx_engine import OnnxEngine

    if not isinstance(engine, OnnxEngine) or engine.portable:
        return []
    portable = OnnxEngine(engine.folder, engine.manifest, engine.device, engine.threads, portable=True)
    portable.load()
    return [_scene("the same, in floats, graphs for any device", Perceiver(portable, refinements=rounds), image, runs)]


def _one_by_one(engine: Engine, image: RGB, runs: int, rounds: int) -> Row:
    """Every query by itself, the picture encoded each time: what a question at a time costs."""
    perceiver = Perceiver(engine, refinements=rounds)

    def scene() -> None:
        for query in STANDING:
            perceiver.look(image, (), [query])

    return Row("the same, a question at a time", timed(scene, max(3, runs // 3)), note="5 questions, 5 encodings")


def _as_text(engine: Engine, image: RGB, runs: int) -> Row:
    """Steps of one sequence, as many as the forced scene has tokens of text: the nano itself speaks no numbers."""
    perceiver = Perceiver(engine, refinements=0)
    free = question("how many?")
    prompt = free.prompt(perceiver.vocabulary, perceiver.lattice, engine.manifest.view)
    width, height = engine.manifest.view
    with engine.open([np.zeros((height, width, 3), np.uint8)]) as frames:
        reply = frames.propose([Request(prompt, free.form)], Limits(64))[0]
        ms = timed(lambda: frames.propose([Request(prompt, free.form)], Limits(64)), max(3, runs // 3))
    tokens, vision = text_tokens(ForcedScene(), (image.shape[1], image.shape[0])), frames.seconds
    whole = 1000 * vision + ms / len(reply.ids) * tokens
    return Row(
        "the same, written as text coordinates", whole, note=f"reckoned: {tokens} steps of {ms / len(reply.ids):.2f} ms"
    )


def _field(runs: int) -> list[Row]:
    """Networks of the field on the same cores, in the runtime and with the threads that the nano has."""
    try:
        from ..engines.onnx_engine import open_session
        from .field_networks import FIELD, exported
    except ImportError:
        return [Row("networks of the field", None, note="need torch and onnx: pip install 'getok_ros[torch]'")]
    rows: list[Row] = []
    for field in FIELD:
        width, height = field.size
        name, given = f"{field.name}'s shape, random weights, {width} x {height}", np.zeros((1, 3, height, width))
        try:
            with TemporaryDirectory() as folder:
                session: Any = open_session(exported(field, Path(folder)), Path("field.onnx"), "cpu", 0)
        except Exception as error:  # the exporter raises types of its own where onnx is missing; the other rows count
            rows.append(failed(name, error))
            continue
        work = partial(session.run, None, {"image": given.astype(np.float32)})
        work()
        rows.append(Row(name, timed(work, runs), note=f"{field.millions:.2g} M parameters; {field.says}"))
    return rows
