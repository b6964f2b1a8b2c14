"""`getok replay --ray`: many recordings on many machines, one a task; merged, they are what one process writes.

A finished recording's lines lie under shards/, so an interrupted run goes on with the others. A task whose worker is
lost is tried again elsewhere. Recordings and models must be found at the same paths on every machine. Ray is imported
late.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from getok_core.errors import GetokError
from getok_core.labels import Labels

from .film import make_folder
from .progress import bar
from .recordings import Recording
from .replay_log import LOGS, ReplayLog, forget
from .replay_run import Models, Ran, load_models, run

SHARDS = "shards"
RETRIES = 3
"""a recording whose worker was lost is tried again so many times"""
LOCAL = "local"
"""a cluster of this machine's own, for as long as the run takes"""
Load = Callable[[Sequence[str], str, Any, Sequence[str]], Models]
Shard = dict[str, str]
"""name of a log file -> its text, and RAN -> what the run met on its way, as JSON"""
RAN = "ran.json"


def run_ray(
    recordings: Sequence[Recording],
    labels: Mapping[str, Labels],
    out: Path,
    plan: Mapping[str, Any],
    arguments: Namespace,
    load: Load = load_models,
) -> Ran:
    """Runs every recording as a task on the cluster at arguments.ray and merges them in their order.

    plan: as for ReplayLog, which refuses a folder of another replay. load: makes the models, on the worker. Raises
    GetokError in one line without Ray, when no cluster answers, or when a recording was lost RETRIES times.
    """
    with ReplayLog(out, dict(plan)):
        make_folder(out / SHARDS)
    left = [at for at in range(len(recordings)) if not (out / SHARDS / str(at)).is_dir()]
    if left:
        ray = _connected(arguments.ray)
        try:
            task = ray.remote(max_retries=RETRIES, num_gpus=int(arguments.device != "cpu"))(_shard)
            models = [str(Path(model).resolve()) for model in arguments.model]
            given = models, arguments.device, arguments.refinements, arguments.engine
            waiting: dict[Any, int] = {}
            for at in left:
                one = replace(recordings[at], path=recordings[at].path.resolve())
                waiting[task.remote(one, labels.get(one.name), dict(plan), given, load)] = at
            _collect(ray, waiting, recordings, out / SHARDS)
        finally:
            ray.shutdown()
    return _merged(out, dict(plan), len(recordings))


def _shard(
    recording: Recording, known: Labels | None, plan: dict[str, Any], given: tuple[Any, ...], load: Load
) -> Shard:
    """One recording, on a worker: as `getok replay` of it alone would write it."""
    with tempfile.TemporaryDirectory() as folder:
        with ReplayLog(Path(folder), plan) as log:
            ran = run([recording], load(*given), log, {recording.name: known} if known else {}, plan.get("track", 0))
        texts = {name: (Path(folder) / name).read_text(encoding="utf-8") for name in LOGS}
    return {**texts, RAN: json.dumps(asdict(ran))}


def _collect(ray: Any, waiting: dict[Any, int], recordings: Sequence[Recording], shards: Path) -> None:
    """Keeps each recording's lines as soon as they are there."""
    with bar(None, f"{len(recordings)} recordings", len(waiting)) as progress:
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            at = waiting.pop(done)
            try:
                shard: Shard = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise GetokError(_one_line(error.cause or error)) from None
            except ray.exceptions.RayError as error:
                why = f"lost {RETRIES + 1} times ({_one_line(error)})"
                raise GetokError(f"{recordings[at].path} was {why}: run the same command again, it goes on") from None
            _keep(shard, shards / str(at))
            progress.update()


def _keep(shard: Shard, folder: Path) -> None:
    """Written aside and renamed: a shard is there whole or not at all."""
    aside = folder.with_suffix(".part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        for name, text in shard.items():
            (aside / name).write_text(text, encoding="utf-8")
        aside.rename(folder)
    except OSError as error:
        raise GetokError(f"cannot write {folder}: {error.strerror}; make room and run the same command again") from None


def _merged(out: Path, plan: dict[str, Any], count: int) -> Ran:
    """The log of all recordings, in their order, and what they met."""
    forget(out)
    with ReplayLog(out, plan):
        pass
    ran = Ran()
    for at in range(count):
        shard = out / SHARDS / str(at)
        for name in LOGS:
            with (out / name).open("a", encoding="utf-8") as file:
                file.write((shard / name).read_text(encoding="utf-8"))
        own = Ran(**json.loads((shard / RAN).read_text(encoding="utf-8")))
        ran = replace(ran, frames=ran.frames + own.frames, lost=ran.lost + own.lost, notes=ran.notes + own.notes)
    return ran


def _connected(address: str) -> Any:
    """Ray, connected to the cluster."""
    try:
        import ray
    except ImportError:
        raise GetokError("--ray needs Ray: pip install 'getok_ros[ray]'") from None
    try:
        if address == LOCAL:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises ValueError, ConnectionError and its own, by what is wrong with the address
        raise GetokError(f"no Ray cluster at {address} ({_one_line(error)}): start one, or use --ray local") from None
    return ray


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
