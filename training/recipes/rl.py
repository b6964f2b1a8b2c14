"""Everything that reinforcement learning's tables take, by one command that may be stopped and called again.

`training/recipes/rl.sh START OUT` runs GRPO from a supervised run with the grammar and without it, compares the result
with its start, ablates rewards (table 11) and sets grid tokens against digits (figure 10). Exits 0 when all is done, 3
when the same command has to be called again, 1 when a stage failed, 2 on a user's mistake.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from getok_core.errors import GetokError, ModelError

from ..versus import AIMS
from .stages import DONE, FAILED, SKIPPED, Stage, run

GRPO, CURVES, VERSUS, FREE, ABLATION, ACTIONS = "grpo", "curves", "versus", "unconstrained", "rewards", "actions"
LEARNT = "--temperature 0.7 --rate 5e-5 --no-eye"
"""options with which obstacle F1 rose on a CPU (LOG.md, S1): replies near those that are shipped, vision still"""
TINY = ("--images", "1", "--accumulate", "1", "--questions", "1", "--group", "2", "--held-out", "1", "--threads", "1")


def stages_of(options: argparse.Namespace) -> list[Stage]:
    """The stages in order: what is dear to lose comes first."""
    start, out = str(options.start), options.out
    steps, arms, scenes = (1, 1, 1) if options.smoke else (options.steps, options.arm_steps, options.scenes)
    arms = arms or steps
    threads = ("--threads", "1") if options.smoke else ()
    more = (*shlex.split(options.grpo), *(TINY if options.smoke else ()))
    both = ("--proposing", str(steps), "--refining", str(steps))

    def learnt(name: str) -> Callable[[], bool]:
        return lambda: _read(out / name / "results.json").get("steps", 0) >= 2 * steps

    def complete(name: str) -> Callable[[], bool]:
        return lambda: bool(_read(out / name / "results.json").get("complete"))

    return [
        Stage(GRPO, ("training.grpo", "--start", start, "--out", str(out / GRPO), *both, *more), learnt(GRPO),
              pause="--pause"),
        Stage(VERSUS, ("training.versus", start, str(out / GRPO), "--scenes", str(scenes), "--keep",
                       str(out / ABLATION / "scores"), "--json", str(out / "versus.json"), *threads),
              lambda: "verdict" in _read(out / "versus.json"), (GRPO,)),
        Stage(FREE, ("training.grpo", "--start", start, "--out", str(out / FREE), "--unconstrained", *both, *more),
              learnt(FREE), pause="--pause"),
        Stage(CURVES, ("training.curves", str(out / GRPO), str(out / FREE), "--out", str(out / "curves.svg")),
              (out / "curves.svg").is_file, (GRPO, FREE)),
        Stage(ABLATION, ("training.reward_ablation", "--start", start, "--out", str(out / ABLATION), "--steps",
                         str(arms), "--scenes", str(scenes), *more), complete(ABLATION), least=2.0, pause="--pause"),
        Stage(ACTIONS, ("training.action_space", "--out", str(out / ACTIONS), "--proposing", str(arms), *more,
                        *(("--samples", "2", "--frames", "2", "--batch", "2") if options.smoke else ())),
              complete(ACTIONS), least=2.0, pause="--pause"),
    ]  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    """A JSON file; what cannot be read holds nothing."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _later(*_: object) -> None:
    sys.exit(3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status, as the module says."""
    parser = argparse.ArgumentParser("rl.sh", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("start", type=Path, help="folder of the supervised run")
    add("out", type=Path, nargs="?", default=Path("runs/rl_recipe"), help="folder of all that comes out")
    add("--steps", type=int, default=200, help="of each stage")
    add("--arm-steps", type=int, default=0, help="of each arm of table 11 and figure 10; 0 for as many")
    aims = " and ".join(AIMS).replace("%", "%%")
    add("--scenes", type=int, default=300, help=f"unseen scenes on which {aims} are compared")
    add("--call-minutes", type=float, default=0.0, help="after which this call stops; 0 for no limit")
    add("--grpo", default=LEARNT, help='options of training.grpo; default: "%(default)s"')
    add("--smoke", action="store_true", help="everything tiny, on a CPU: to see that all of it runs")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _later)
    try:
        if not options.start.exists():
            raise ModelError(f"no run at {options.start}: train one with python -m training.sft --out {options.start}")
        results = run(stages_of(options), options.out, options.call_minutes)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    if FAILED in results.values():
        return 1
    return 0 if set(results.values()) <= {DONE, SKIPPED} else 3


if __name__ == "__main__":
    sys.exit(main())
