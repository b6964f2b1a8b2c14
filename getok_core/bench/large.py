"""All rows of a Qwen2.5-VL shape: our engine stage by stage and whole, the library's generate(), floors, agreement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ..assembly import Heard, assemble
from ..engines.anchored_engine import AnchoredEngine
from ..errors import ModelError
from ..grammar import parse
from ..perceiver import Perceiver
from ..protocol import Engine, Limits
from .floors import Ceilings, Floors, Schedule, floors_of, measure_ceilings
from .forced_scene import ForcedScene
from .library import BEST, GRID, TEXT, best_row, plain_rows
from .memory import cards
from .scripted import TOKENS, Large
from .table import Report, Row, failed, machine

ANCHORS, FUSED = "scene, anchors", "scene, anchors, small kernels fused"


def precision_of(shape: str, device: str) -> torch.dtype:
    """What a shape is timed in; the tiny one always exactly, which makes it the check of a GPU's graphs."""
    return torch.bfloat16 if device == "cuda" and shape != "tiny" else torch.float32


def bench_large(shape: str, device: str, scene: ForcedScene, runs: int = 5, rounds: int = 1, compiled: bool = True,
                path: Path | None = None) -> Report:  # fmt: skip
    """All rows of one shape. path: as Report's. Raises ModelError without torch's stack, or without the device.

    What torch compiles comes last: a run that is cut off while it does has told all else.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device 'cuda' is not offered by this torch: install torch for CUDA or use --device cpu")
    dtype = precision_of(shape, device)
    report = Report(f"Qwen2.5-VL {shape}, random weights, {str(dtype).removeprefix('torch.')}",
                    machine(device, "torch", "transformers"), path=path)  # fmt: skip
    large = Large(shape, device, scene, dtype)
    ceilings = measure_ceilings(large.network.device, dtype)
    floors = floors_of(large.network, ceilings)
    report.facts |= {"ceilings": f"{ceilings.bytes_s / 1e9:.0f} GB/s, {ceilings.flops_s / 1e12:.2f} TFLOP/s",
                     "floor of a step": f"{floors.step:.2f} ms",
                     "weights read a scene": f"{floors.weights_bytes / 2**30:.2f} GiB",
                     **cards(large.network)}  # fmt: skip
    schedule = _stages(report, large, floors, runs, rounds)
    report.facts["against the plain loop"] = _agreement(large)
    plain_rows(report, large)
    modes = [("scene, anchors, 8-bit layers", large.engine.shrink, "float8 weights and inputs")]
    if compiled:
        modes = [(FUSED, large.engine.compile, "torch.compile"),
                 (f"{FUSED}, 8-bit layers", large.engine.shrink, "float8 weights and inputs")]  # fmt: skip
    for name, change, note in modes:
        report.add(_changed(large, name, change, ceilings, schedule, runs, note))
    if compiled:
        report.add(best_row(large))
    _conclude(report, device)
    return report


def _stages(report: Report, large: Large, floors: Floors, runs: int, rounds: int) -> Schedule:
    """Our engine, stage by stage and whole -> what a scene from anchors takes."""
    engine, anchored, prefix = large.engine, AnchoredEngine(large.engine), large.network.prefix_tokens
    report.add(Row("vision", large.timed(lambda: engine.see(large.image), runs), floors.vision))
    report.add(Row("prefill", large.timed(engine.prefill, runs), floors.prefill, note=f"{prefix} tokens"))
    drafts = large.drafts(large.replies(engine))
    refined = sum(len(draft.sequence(large.vocabulary)[0]) for draft in drafts)
    schedules = list[Schedule]()
    ways: tuple[tuple[str, Engine], ...] = (("one sequence a list", engine), ("anchors", anchored))
    for name, mode in ways:
        schedule, ms = _proposed(large, mode, runs, refined, rounds)
        note = f"{schedule.steps} steps, {schedule.passes} passes over prompts"
        report.add(Row(f"propose, {name}", ms, schedule.propose(floors), note=note))
        schedules.append(schedule)
    with engine.open([large.image]) as frames:
        ms = large.timed(lambda: frames.refine(drafts, Limits(TOKENS)), runs)
    report.add(Row("refine, one round in one pass", ms, floors.reading(refined), note=f"{refined} tokens"))
    report.add(Row("parse", large.timed(lambda: _parse(large), runs), note="answers -> scene, on the host"))
    for (name, mode), schedule in zip(ways, schedules, strict=True):
        report.add(_scene(large, f"scene, {name}", mode, schedule, floors, runs))
    return schedules[1]


def _proposed(large: Large, mode: Engine, runs: int, refined: int, rounds: int) -> tuple[Schedule, float]:
    """Counts and times what a way of drawing takes."""
    with mode.open([large.image]) as frames:
        ms = large.timed(lambda: frames.propose(large.script.requests, Limits(TOKENS)), runs)
        passes, steps = large.decoder.batches, large.decoder.all_steps
        frames.propose(large.script.requests, Limits(TOKENS))
    return Schedule(large.decoder.all_steps - steps, large.decoder.batches - passes, refined, rounds), ms


def _scene(large: Large, name: str, mode: Engine, schedule: Schedule, floors: Floors, runs: int, note: str = "") -> Row:
    """A whole scene, timed, unless what is drawn is not what was forced."""
    perceiver = Perceiver(mode, refinements=schedule.rounds)
    ms = large.timed(lambda: perceiver.perceive(large.frame), runs)
    if not large.drawn(mode):
        return Row(name, None, note="failed: it draws other tokens than the forced ones")
    return Row(name, ms, schedule.scene(floors), note=note or f"{schedule.rounds} round(s), 720p image in, scene out")


def _changed(large: Large, name: str, change: Callable[[], None], ceilings: Ceilings, schedule: Schedule, runs: int,
             note: str) -> Row:  # fmt: skip
    """The scene from anchors after the engine was changed, against the floor of its weights as they are then."""
    try:
        change()
        floors = floors_of(large.network, ceilings)
        return _scene(large, name, AnchoredEngine(large.engine), schedule, floors, runs, note)
    except Exception as error:  # a compiler may fail in any way; the other rows still count
        return failed(name, error)


def _agreement(large: Large) -> str:
    try:
        return large.agreement()
    except Exception as error:  # such as a GPU that is full; the rows still count
        return failed("", error).note


def _parse(large: Large) -> None:
    heard: list[Heard] = []
    for request in large.script.requests:
        parse(large.script.said(request), large.vocabulary, request.form)
        heard.append(Heard("lanes", [], [], False))
    assemble(heard, large.view, {}, large.manifest.title)


def _conclude(report: Report, device: str) -> None:
    """The ratios that the bars are about, each for every mode of ours that ran."""
    ours = [row for row in report.rows if row.name.startswith("scene")]
    report.compare(GRID, *(row.name for row in ours), BEST)
    text = next(row for row in report.rows if row.name == TEXT)
    for row in ours:
        if row.ms and text.ms and row.floor_ms:
            faster, above = text.ms / row.ms, row.ms / row.floor_ms
            told = f"{faster:.0f} times faster than text coordinates, {above:.2f} times its floor"
            report.facts[row.name] = f"{told}, {1000 / row.ms:.1f} a second"
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
        report.facts["peak memory"] = f"{peak:.1f} GiB, the library's loops included"
    report.save()
