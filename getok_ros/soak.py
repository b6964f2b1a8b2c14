"""`getok soak`: tries to break the node for so many minutes, on this machine alone, and prints what came of it.

One node stays up and is sent nonsense; its memory and descriptors are watched. Others are killed, hang, or lose their
model or their disk, and must be back soon. Exit code 0 when nothing crashed, hung or got lost; 1 with the log's folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from getok_core.errors import GetokError
from getok_core.metrics.slope import slope

from .progress import say
from .share import fastdds_profile

if TYPE_CHECKING:
    from .soak_bench import Bench, Tally
    from .soak_process import Sample

WARM_UP_S = 60.0
"""the memory of a young process says nothing; of short soaks the first third is left out instead"""
COLUMNS = ("tried", "crashes", "hangs", "lost")


def soak(arguments: Namespace) -> int:
    """Raises GetokError when hypothesis is missing, or no node comes up at all."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(70 + os.getpid() % 30))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault(*fastdds_profile())
    folder = Path(arguments.out or tempfile.mkdtemp(prefix="getok-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from . import soak_endings as endings
        from . import soak_trials as trials
        from .soak_bench import Bench
    except ModuleNotFoundError as error:
        raise GetokError(f"the soak needs {error.name}: pip install 'getok_ros[test]'") from None
    staying: list[tuple[Callable[..., Tally], int]] = [
        (trials.strange_images, 300), (trials.strange_queries, 120), (trials.strange_parameters, 60),
        (trials.strange_clocks, 60), (trials.broken_engine, 10), (trials.lifecycle, 3), (trials.killed_cameras, 2),
    ]  # fmt: skip
    ending = [(endings.killed_nodes, 2), (endings.hung_engines, 1)]
    alone = [(endings.replaced_models, 3), (endings.full_disks, 1)]
    tallies: dict[str, Tally] = {}
    until, chosen = time.monotonic() + 60 * arguments.minutes, arguments.seed
    with Bench(folder) as steady, Bench(folder) as mortal:
        if not (steady.ready() and mortal.ready()):
            raise GetokError(f"no node came up: {steady.last_words}; see {folder}")
        _put_through(trials.huge_queries, steady, 12, chosen, tallies)
        _put_through(trials.crowded_frames, steady, 4, chosen, tallies)
        began_s = time.monotonic()
        while time.monotonic() < until:
            for bench, some in ((steady, staying), (mortal, ending), (folder, alone)):
                for trial, size in some:
                    if time.monotonic() < until:
                        _put_through(trial, bench, size, chosen, tallies)
            chosen += 1
        samples = steady.samples
    rows = [f"{s.at_s - began_s:.1f},{s.private_mib:.1f},{s.descriptors},{s.threads}" for s in samples]
    (folder / "memory.csv").write_text("\n".join(["seconds,private_mib,descriptors,threads", *rows]) + "\n")
    lines = report(tallies, samples, began_s)
    (folder / "soak.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    bad = sum(getattr(tally, name) for tally in tallies.values() for name in COLUMNS[1:])
    print(f"logs in {folder}" if bad else "nothing crashed, hung or got lost")
    return 1 if bad else 0


def _put_through(
    trial: Callable[..., Tally], bench: Bench | Path, size: int, chosen: int, tallies: dict[str, Tally]
) -> None:
    began_s = time.monotonic()
    tally = trial(bench, size, chosen)
    name = trial.__name__.replace("_", " ")
    if name in tallies:
        tallies[name].add(tally)
    else:
        tallies[name] = tally
    figures = ", ".join(f"{getattr(tally, column)} {column}" for column in COLUMNS)
    say(f"{name}: {figures} ({time.monotonic() - began_s:.0f} s)", sys.stderr)


def report(tallies: dict[str, Tally], samples: Sequence[Sample], began_s: float) -> list[str]:
    """The figures, a line a trial, then memory, descriptors and recovery times."""
    lines = [f"{'trial':<20}" + "".join(f"{column:>9}" for column in COLUMNS)]
    lines += [f"{name:<20}" + "".join(f"{getattr(t, c):>9}" for c in COLUMNS) for name, t in tallies.items()]
    totals = [sum(getattr(tally, column) for tally in tallies.values()) for column in COLUMNS]
    lines.append(f"{'in all':<20}" + "".join(f"{total:>9}" for total in totals))
    lines += [f"note, {name}: {note}" for name, tally in tallies.items() for note in tally.notes]
    return lines + _held(samples, began_s) + _recovered(tallies)


def _held(samples: Sequence[Sample], began_s: float) -> list[str]:
    """Memory and descriptors of the node that stayed, after its first minute."""
    whole_s = samples[-1].at_s - began_s if samples else 0.0
    later = [sample for sample in samples if sample.at_s - began_s >= min(WARM_UP_S, whole_s / 3)]
    if not later:
        return ["memory: the node was never measured"]
    rise = slope([sample.at_s / 3600 for sample in later], [sample.private_mib for sample in later])
    said = "too few measurements for a slope" if np.isnan(rise.value) else (
        f"slope {rise.value:+.1f} MiB/h ({rise.low:+.1f} to {rise.high:+.1f}), {len(later)} measurements"
    )  # fmt: skip
    first, last = later[0], later[-1]
    return [
        f"private memory: {first.private_mib:.1f} MiB, {last.private_mib:.1f} MiB after"
        f" {(last.at_s - first.at_s) / 60:.1f} min, {said}",
        f"file descriptors: {first.descriptors} at first, {last.descriptors} at last,"
        f" {max(sample.descriptors for sample in later)} at most; threads: {first.threads}, {last.threads}",
    ]


def _recovered(tallies: dict[str, Tally]) -> list[str]:
    return [
        f"recovery, {name}: median {np.median(tally.recovery_s):.1f} s, worst {max(tally.recovery_s):.1f} s"
        f" to the first scene, {len(tally.recovery_s)} times"
        for name, tally in tallies.items()
        if tally.recovery_s
    ]
