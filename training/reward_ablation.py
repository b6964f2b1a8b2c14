"""Which reward does what: `python -m training.reward_ablation --start runs/nano --out runs/reward_ablation`, table 11.

First half: S1 alone, with everything and without one component. Second half: S2 from the first half's full arm. Every
arm sees the same scenes and takes the same steps; those of a half may run side by side, because a rollout keeps one
core busy and leaves a GPU half idle. The same command goes on where it was stopped; --pause limits a call.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from getok_core.errors import DataError, GetokError, QueryError
from getok_core.metrics.tally import Tally, as_json

from . import grpo
from .checkpoint import load_average
from .grpo_options import arguments
from .nano_policy import NanoPolicy
from .versus import AIMS, score

ROWS = (*AIMS, "all boxes: F1 at IoU 0.5", "drivable area: IoU", "lanes within 2 %: F1")
"""columns of the tables, the aims of reinforcement learning first"""
FULL = "full"


class Arm(NamedTuple):
    """One reward left out of one stage."""

    stage: str
    name: str
    without: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"{self.stage}-{self.name.replace(' ', '-')}"


ARMS = (
    Arm("S1", FULL, ()),
    Arm("S1", "without points", ("points",)),
    Arm("S1", "without mask", ("mask",)),
    Arm("S1", "without box", ("box",)),
    Arm("S2", FULL, ()),
    Arm("S2", "without mask gain", ("mask gain",)),
    Arm("S2", "without box gain", ("box gain",)),
    Arm("S2", "without points", ("points",)),
)
"""table 11, both halves; a full arm stands before those that lack something"""


def finish(arm: Arm, options: argparse.Namespace, deadline: float) -> bool:
    """Trains an arm until the deadline of time.monotonic(), and scores it when all its steps are taken; whether they
    are. Raises GetokError."""
    left = (deadline - time.monotonic()) / 60
    if left < 0.1:
        return False
    start = options.start if arm.stage == "S1" else options.out / ARMS[0].folder
    steps = (options.steps, 0) if arm.stage == "S1" else (0, options.steps)
    args = argparse.Namespace(**{**vars(options), "out": options.out / arm.folder, "without": list(arm.without),
                                 "proposing": steps[0], "refining": steps[1],
                                 "pause": left if options.pause else 0.0})  # fmt: skip
    if _taken(args.out) < options.steps:
        grpo.train(args, NanoPolicy(load_average(start).to(options.device), options.eye))
    if _taken(args.out) < options.steps:
        return False
    scored(arm, options)
    return True


def _taken(folder: Path) -> int:
    """Steps of a run that ended well or paused."""
    results = folder / "results.json"
    return json.loads(results.read_text())["steps"] if results.is_file() else 0


def scored(arm: Arm, options: argparse.Namespace) -> Tally:
    """What an arm says about unseen scenes; asked once."""
    return score(options.out / arm.folder, options.scenes, options.rounds, options.device, options.out / "scores")


def finish_all(arms: Sequence[Arm], options: argparse.Namespace, deadline: float) -> list[bool]:
    """Whether each arm is finished; so many are at work at a time, each in a process of its own."""
    if options.at_once == 1:
        return [finish(arm, options, deadline) for arm in arms]
    with get_context("spawn").Pool(min(options.at_once, len(arms)), maxtasksperchild=1) as pool:
        return pool.starmap(finish, [(arm, options, deadline) for arm in arms], chunksize=1)


def markdown(tallies: dict[str, Tally]) -> str:
    """Both halves: a row an arm, its difference from the full arm with the paired 95 % interval."""
    lines: list[str] = []
    for stage, title in (("S1", "Proposal"), ("S2", "Refinement")):
        arms = [arm for arm in ARMS if arm.stage == stage and arm.folder in tallies]
        if not arms or arms[0].name != FULL:
            continue
        full = tallies[arms[0].folder]
        rows = [row for row in ROWS if row in full.rows]
        lines += ["", f"**{title} ({stage})**", "", "| |" + "|".join(rows) + "|", "|---" * (len(rows) + 1) + "|"]
        for arm in arms:
            cells = [_cell(full, tallies[arm.folder], row, arm.name == FULL) for row in rows]
            lines.append(f"| {arm.name} |" + "|".join(cells) + "|")
    return "\n".join(lines).strip() + "\n"


def _cell(full: Tally, tally: Tally, row: str, is_full: bool) -> str:
    value = tally.intervals()[row]
    if is_full:
        return value.percent()
    return f"{100 * value.value:.1f}, {tally.more_than(full, row).percent()}"


def run(options: argparse.Namespace) -> None:
    """Trains and scores what is not there yet; results.json says whether the arms are complete."""
    deadline = time.monotonic() + 60 * options.pause if options.pause else float("inf")
    tallies, complete = dict[str, Tally](), True
    for stage in ("S1", "S2"):
        arms = [arm for arm in ARMS if arm.stage == stage]
        finished = finish_all(arms, options, deadline)
        tallies |= {arm.folder: scored(arm, options) for arm, done in zip(arms, finished, strict=True) if done}
        complete = all(finished)
        if not complete:  # the second half begins from the first
            break
    table = markdown(tallies)
    found: dict[str, Any] = {name: {row: as_json(value) for row, value in tally.intervals().items()}
                             for name, tally in tallies.items()}  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps({"complete": complete, "arms": found}, indent=1) + "\n")
    (options.out / "tables.md").write_text(table)
    print(table)


def _stop(*_: object) -> None:
    """Ends the arms' processes too."""
    sys.exit(143)


def main(words: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = arguments(__doc__ or "")
    parser.set_defaults(out=Path("runs/reward_ablation"))
    parser.add_argument("--steps", type=int, default=200, help="of each arm; --proposing and --refining play no part")
    parser.add_argument("--scenes", type=int, default=300, help="unseen scenes that arms are scored on")
    parser.add_argument("--rounds", type=int, default=2, help="refinements in scoring")
    parser.add_argument("--at-once", type=int, default=4 if torch.cuda.is_available() else 1,
                        help="arms at work side by side")  # fmt: skip
    options = parser.parse_args(words)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if options.start is None:
            raise QueryError("--start is missing: name the folder of a supervised run")
        run(options)
        return 0
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
    except OSError as error:
        print(f"getok: {DataError(f'{error.filename}: {error.strerror}; name another --out')}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
