"""`getok replay`: recordings through one or several models, scored against labels, as numbers, a page and a film."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from getok_core.errors import GetokError
from getok_core.labels import Labels, read_labels
from getok_core.manifest import read_manifest
from getok_core.overlay import text_of

from .bag_labels import read as read_bag_labels
from .label_free import check
from .node_process import NodeFailed
from .perceive import model_folder
from .progress import say
from .recordings import Recording, open_recordings
from .replay_drawings import draw_all
from .replay_live import run_live
from .replay_log import ReplayLog, forget
from .replay_metrics import sizes, write_metrics
from .replay_pictures import Pictures
from .replay_ray import run_ray
from .replay_run import Models, Ran, load_models, run
from .replayed import METRICS, SCENES, Replayed
from .report_questions import answer_words
from .selection import Selection

FAULTS_SHOWN = 10


def replay(arguments: Namespace) -> int:
    """0 when every frame was read and scored, 2 when some could not be read. Raises GetokError on bad input."""
    recordings = open_recordings(arguments.source, selection_of(arguments))
    labels = labels_of(recordings, arguments.labels, arguments.label_format)
    if arguments.live:
        return _replay_live(recordings, labels, arguments)
    models = load_models(arguments.model, arguments.device, arguments.refinements, arguments.engine)
    out, plan = Path(arguments.out), plan_of(recordings, models, arguments)
    if arguments.ray:
        ran = run_ray(recordings, labels, out, plan, arguments)
        return finish(out, recordings, labels, ran, arguments, models)
    with ReplayLog(out, plan) as log:
        ran = run(recordings, models, log, labels, arguments.track)
    return finish(out, recordings, labels, ran, arguments, models)


def _replay_live(recordings: Sequence[Recording], labels: Mapping[str, Labels], arguments: Namespace) -> int:
    """The same through a running node. A node that fails is one line on stderr and 1."""
    if len(arguments.model) > 1:
        raise GetokError(f"{len(arguments.model)} models were given: live, a node runs one; compare without --live")
    if len(arguments.engine) > 1:
        raise GetokError(f"{len(arguments.engine)} engines were given: live, a node runs one; compare without --live")
    manifest, out = read_manifest(model_folder(arguments.model[0] if arguments.model else None)), Path(arguments.out)
    plan = {
        "source": {recording.name: recording.digest() for recording in recordings},
        "model": {manifest.title: manifest.files},
        "selection": vars(selection_of(arguments)),
        "live": arguments.pace,
    }
    forget(out)
    try:
        with ReplayLog(out, plan) as log:
            ran = run_live(recordings, log, labels, arguments)
    except NodeFailed as failure:
        print(f"getok: live replay failed: {failure}", file=sys.stderr)
        return 1
    return finish(out, recordings, labels, ran, arguments)


def selection_of(arguments: Namespace) -> Selection:
    """The frames that the options name."""
    topics = tuple(arguments.topic or ())
    return Selection(topics, arguments.start, arguments.end, arguments.stride, arguments.limit)


def plan_of(recordings: Sequence[Recording], models: Models, arguments: Namespace) -> dict[str, Any]:
    """Everything that decides what is said: only the same goes on in a folder. Labels don't, they may be mended."""
    return {
        "source": {recording.name: recording.digest() for recording in recordings},
        "model": {title: one.manifest.files for title, one in models.items()},
        "refinements": {title: one.refinements for title, one in models.items()},
        "engine": arguments.engine,
        "track": arguments.track,
        "selection": vars(selection_of(arguments)),
    }


def labels_of(recordings: Sequence[Recording], given: str | None, form: str) -> dict[str, Labels]:
    """Name of a recording -> its labels: those of a file or folder, or of the topic of Scenes in each bag.

    Malformed labels and labels of other frames are told on stderr. Raises GetokError where none is left.
    """
    if not given:
        return {}
    if given.startswith("/") and not Path(given).exists():
        found = {recording.name: read_bag_labels(recording.path, given) for recording in recordings}
    else:
        labels = read_labels(given, [name for recording in recordings for name in recording.names()], form)
        found = {recording.name: labels for recording in recordings}
    faults = list(dict.fromkeys(fault for labels in found.values() for fault in labels.faults))
    for fault in faults[:FAULTS_SHOWN]:
        say(f"getok: {fault}", sys.stderr)
    if len(faults) > FAULTS_SHOWN:
        say(f"getok: {len(faults) - FAULTS_SHOWN} more faults in {given}", sys.stderr)
    return found


def finish(
    out: Path,
    recordings: Sequence[Recording],
    labels: Mapping[str, Labels],
    ran: Ran,
    arguments: Namespace,
    models: Models | None = None,
) -> int:
    """Scores what the folder holds, draws it, prints the tables; returns the exit code.

    models: those that may be asked again, about mirrored frames; None where they ran elsewhere.
    """
    if not (out / SCENES).stat().st_size:
        raise GetokError(f"no frame of {', '.join(map(str, arguments.source))} could be read: nothing to score")
    replayed = Replayed(out)
    ran.notes += [*sizes(replayed), *arguments.note]
    tell(ran)
    pictures = Pictures(recordings, [moment.frame for moment in replayed.frames])
    ask = (lambda title, image: models[title].perceive(image)) if models and not arguments.numbers else None
    checked = list(check(replayed, pictures, ask))
    tables = write_metrics(replayed, labels, ran, checked, arguments.deadline, arguments.camera)
    drawn = [] if arguments.numbers else draw_all(replayed, pictures, checked, arguments.rrd)
    print("\n\n".join(block.text() for block in tables))
    if arguments.ask:
        print("\n" + "\n".join(said(replayed)))
    print(f"\nlook at {'  '.join(map(str, [out / METRICS, *drawn]))}")
    return 2 if ran.lost else 0


def said(run: Replayed) -> list[str]:
    """What was asked and answered, a line each."""
    pairs = [pair for frame, model in run.answered for pair in run.answers(frame, model)]
    return [f"asked  {text_of(question)}  {answer_words(answer)} ({answer.score:.2f})" for question, answer in pairs]


def tell(ran: Ran) -> None:
    """What a run met on its way, on stderr, a line each."""
    for line in ran.notes:
        say(f"getok: {line}", sys.stderr)
    for lost in ran.lost[:FAULTS_SHOWN]:
        say(f"getok: {lost['frame']}: {lost['why']}", sys.stderr)
    if len(ran.lost) > FAULTS_SHOWN:
        say(f"getok: {len(ran.lost) - FAULTS_SHOWN} more frames could not be read, see metrics.json", sys.stderr)
