"""Self-improving reinforcement learning: `python -m training.grpo --start runs/nano --out runs/rl`, resumed by itself.

Two stages share one policy: S1 rewards sampled proposals, S2 sampled refinements of the policy's own proposals, both
held by a KL penalty to the supervised network it began from (grpo_run.py). Step k always sees the same scenes and
seeds, so a run that was interrupted goes on as if it had not been. Writes curve.jsonl, results.json and checkpoints
that training.export takes. Several GPUs: `torchrun --nproc-per-node 8 -m training.grpo ...`, or accelerate launch,
with --shard where the model is large.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.errors import GetokError, QueryError
from getok_core.queries import standard_vocabulary

from .checkpoint import load_average, replaced
from .grpo_options import arguments
from .grpo_run import ALONE, Run
from .nano_policy import NanoPolicy
from .policy import Policy
from .ranks import Ranks, ranks
from .rollouts import Hear, hear

CURVE, RESULTS = "curve.jsonl", "results.json"
BEFORE, AFTER = "held out, before", "held out, after"


def train(args: argparse.Namespace, policy: Policy, hear: Hear = hear, ranks: Ranks = ALONE) -> None:
    """Runs until all steps are taken or the pause has come.

    hear: reads a proposal, where it is not spelled in grid tokens.
    """
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    run, began = Run(args, policy, hear, ranks), time.monotonic()
    ranks.wait()  # every rank has read the checkpoint before the first writes another
    report = _report(args, run)
    last = args.proposing + args.refining
    if run.done < last:  # what an earlier call said of fewer steps
        report.pop(AFTER, None)
    while run.done < last and not ranks.added(bool(args.pause) and time.monotonic() - began > 60 * args.pause):
        line = json.dumps(run.step())
        if ranks.first:
            with (args.out / CURVE).open("a") as file:
                file.write(line + "\n")
            if run.done % args.show == 0:
                print(line, flush=True)
        if run.done % args.save == 0:
            run.save()
    run.save()
    if run.done >= last and AFTER not in report:
        report[AFTER] = run.held_out()
    if ranks.first:
        _write(args.out / RESULTS, {**report, "steps": run.done})
        print(json.dumps({**report, "steps": run.done}), flush=True)


def _report(args: argparse.Namespace, run: Run) -> dict[str, Any]:
    """What is known of the run before this call; the curve loses what came after the last checkpoint."""
    results, curve = args.out / RESULTS, args.out / CURVE
    if run.ranks.first and curve.is_file():
        kept = [line for line in curve.read_text().splitlines(True) if _step(line) < run.done]
        replaced(curve, lambda path: Path(path).write_text("".join(kept)))
    if run.done and results.is_file():
        return json.loads(results.read_text())
    report = {"constrained": not args.unconstrained, "without": args.without, BEFORE: run.held_out()}
    if run.ranks.first:
        _write(results, {**report, "steps": run.done})
    return report


def _step(line: str) -> float:
    """The step that a line of the curve tells of; a line that was cut off when a call was ended comes after all."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return float("inf")


def _write(path: Path, report: dict[str, Any]) -> None:
    replaced(path, lambda partial: Path(partial).write_text(json.dumps(report, indent=1) + "\n"))


def policy_of(args: argparse.Namespace, joined: Ranks = ALONE) -> Policy:
    """The nano of a supervised run, or a Qwen-VL model's folder. Raises ModelError."""
    if (args.start / "config.json").is_file():
        from .qwen_policy import QwenPolicy
        from .served_rollouts import Server

        server = Server(args.rollouts, args.out / "served") if args.rollouts else None
        return QwenPolicy(args.start, args.device, ranks=joined, server=server)
    if args.shard or args.rollouts:
        raise QueryError("--shard and --rollouts are for a Qwen-VL model: the nano fits on one GPU and samples there")
    return NanoPolicy(load_average(args.start).to(args.device), args.eye)


def smoke(args: argparse.Namespace) -> int:
    """A random tiny network learns where roads lie; 1 unless its reward rises."""
    torch.manual_seed(0)
    config = NanoConfig(standard_vocabulary().size, width=128, height=128, dim=32, layers=2, heads=2, hidden=48,
                        neck=16)  # fmt: skip
    args.proposing, args.refining, args.images, args.accumulate, args.questions = 24, 0, 6, 1, 1
    args.tasks, args.rate, args.kl, args.threads, args.held_out = ["drivable area"], 3e-3, 0.0, 1, 0
    args.out = Path(tempfile.mkdtemp(prefix="grpo"))
    train(args, NanoPolicy(Nano(config), tokens=40))
    curve = [json.loads(line) for line in (args.out / CURVE).read_text().splitlines()]
    first, last = (float(np.mean([line["reward"] for line in some])) for some in (curve[:8], curve[-8:]))
    print(f"smoke: reward {first:.3f} -> {last:.3f} of 8")
    return 0 if last > first + 0.1 else 1


def main(words: Sequence[str] | None = None) -> None:
    parser = arguments()
    parser.add_argument(
        "--smoke", action="store_true", help="a minute on a CPU: the reward of a tiny network must rise"
    )
    args = parser.parse_args(words)
    try:
        if args.smoke:
            if smoke(args):
                parser.exit(1, "getok: the reward did not rise\n")
            return
        if args.start is None:
            raise QueryError("--start is missing: name the folder of a supervised run")
        torch.manual_seed(args.seed)  # an adapter's first weights: every rank has the same
        with ranks(args.device, args.shard) as joined:
            train(args, policy_of(args, joined), ranks=joined)
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")


if __name__ == "__main__":
    main()
