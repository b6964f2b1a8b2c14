"""Self-improving reinforcement learning: `python -m training.grpo --start runs/nano --out runs/rl`, resumed by itself.

Two stages share one policy: S1 rewards sampled proposals, S2 sampled refinements of the policy's own proposals. Each
step asks a few questions about rendered scenes, draws a group of replies to each through the engine's own
Frames.propose, and moves the policy towards the replies that earned more than their group (objective.py), held by a KL
penalty to the supervised network it began from. Step k always sees the same scenes and seeds, so a run that was
interrupted goes on as if it had not been. Writes curve.jsonl, results.json and checkpoints that training.export takes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.engines.nano_segmenter import NanoSegmenter
from getok_core.errors import GetokError, QueryError
from getok_core.lattice import Lattice
from getok_core.protocol import MaskDecoder
from getok_core.queries import standard_vocabulary
from getok_core.view import RGB

from .checkpoint import load_average
from .feed import TEST_SEEDS, synthetic
from .grpo_options import arguments
from .nano_policy import NanoPolicy
from .objective import Spoken, grpo_loss, spoken
from .policy import Policy
from .ranks import Ranks, ranks
from .rewarded_questions import Question, questions_of
from .rewards import PROPOSING, REFINING
from .rollouts import Group, Hear, Temper, hear, propose, refine, well_formed

FIRST_SEED = 60_000_000
"""of the scenes; those of supervised training lie elsewhere"""
HELD_OUT = TEST_SEEDS[-512:]
"""scenes of the report: the end of the test seeds, of which training.evaluate takes the beginning"""
CURVE, RESULTS = "curve.jsonl", "results.json"
BEFORE, AFTER, WELL_FORMED = "held out, before", "held out, after", "well formed without the grammar"
LEAST = 0.1
"""share of the learning rate that is left at the end; it falls linearly"""
ALONE = Ranks()


class Part(NamedTuple):
    """What one backward pass takes: images, and groups of replies about them."""

    images: list[RGB]
    groups: list[Group]


class Run:
    """A policy, the supervised network it is held to, and its optimiser."""

    def __init__(self, args: argparse.Namespace, policy: Policy, hear: Hear = hear, ranks: Ranks = ALONE):
        self.args, self.policy, self.reference, self.hear = args, policy, policy.frozen(), hear
        self.ranks, self.refines = ranks, args.refining > 0
        self.learn = torch.optim.AdamW(policy.trained(), lr=args.rate, weight_decay=args.decay, betas=(0.9, 0.98))
        self.temper = Temper(args.group, args.temperature, not args.unconstrained)
        self.decoder = segmenter_of(args.segmenter)
        kept = {stage: {name: w for name, w in weights.items() if name not in args.without}
                for stage, weights in (("S1", PROPOSING), ("S2", REFINING))}  # fmt: skip
        self.weights: Mapping[str, Mapping[str, float]] = kept
        self.done = policy.restore(args.out, self.learn)
        """steps taken so far, in earlier calls too"""

    def stage(self, step: int) -> str:
        return "S1" if step < self.args.proposing else "S2"

    def step(self) -> dict[str, Any]:
        """Rolls out, then learns; what it brought, for the curve."""
        began, stage = time.monotonic(), self.stage(self.done)
        for group in self.learn.param_groups:
            group["lr"] = self.args.rate * max(LEAST, 1.0 - self.done / (self.args.proposing + self.args.refining))
        parts = [self._roll_out(stage, self.done, index) for index in range(self.args.accumulate)]
        rolled = time.monotonic()
        groups = [group for part in parts for group in part.groups]
        said: dict[str, Any] = {"step": self.done, "stage": stage, **means(groups)}
        if self.ranks.added(len(groups)):
            said |= self._learn(parts)
        self.done += 1
        return {**said, "seconds": round(time.monotonic() - began, 2), "sampling": round(rolled - began, 2)}

    def questions(self, seeds: Sequence[int], seed: int) -> tuple[list[RGB], list[Question]]:
        """Scenes at the model's own size, and what is asked about them."""
        manifest = self.policy.engine.manifest
        lattice, rng = Lattice(manifest.lattice), np.random.default_rng([43, seed])
        frames = [synthetic(number, manifest.view) for number in seeds]
        asked = [
            question
            for at, frame in enumerate(frames)
            for question in questions_of(at, frame, lattice, self.policy.engine.vocabulary, rng, self.args.tasks,
                                         self.args.questions, self.decoder)
        ]  # fmt: skip
        return [frame.image for frame in frames], asked

    def _roll_out(self, stage: str, step: int, index: int) -> Part:
        args = self.args
        number = (step * self.ranks.count + self.ranks.rank) * args.accumulate + index + args.seed * 1_000_000
        seeds = range(FIRST_SEED + number * args.images, FIRST_SEED + (number + 1) * args.images)
        images, asked = self.questions(seeds, number)
        if not asked:
            return Part(images, [])
        with self.policy.engine.open(images) as frames:
            if stage == "S1":
                weights = self.weights["S1"]
                groups = propose(self.policy, frames, asked, self.temper, 7919 * number, weights, self.hear)
            else:
                groups = refine(self.policy, frames, images, asked, self.temper, number, self.weights["S2"])
        return Part(images, groups)

    def _learn(self, parts: Sequence[Part]) -> dict[str, Any]:
        args, parts = self.args, [part for part in parts if part.groups]
        tokens = sum(int((group.of(reply)[1].sum(axis=1) > 1).sum())
                     for part in parts for group in part.groups for reply in range(len(group.chosen)))  # fmt: skip
        tokens = max(1, round(self.ranks.added(tokens)))
        with torch.no_grad():
            before = [Spoken(spoken(self.policy, *part, args.temperature) if args.passes > 1 else None,
                             spoken(self.reference, *part, args.temperature)) for part in parts]  # fmt: skip
        kl = norm = 0.0
        for _ in range(args.passes):
            self.learn.zero_grad(set_to_none=True)
            kl = 0.0
            for part, held in zip(parts, before, strict=True):
                loss = grpo_loss(self.policy, *part, held, args.temperature, args.kl, args.clip)
                (loss.loss / tokens).backward()
                kl += loss.kl
            self.ranks.add_gradients(self.policy.trained())
            norm = float(torch.nn.utils.clip_grad_norm_(self.policy.trained(), args.largest))
            if not np.isfinite(norm):
                raise GetokError(f"the gradient is {norm} at step {self.done}: the last good checkpoint is in"
                                 f" {args.out}; resume with a lower --rate")  # fmt: skip
            self.learn.step()
            self.policy.settle()
        return {"kl": round(self.ranks.added(kl) / tokens, 6), "gradient": round(norm, 4), "tokens": tokens}

    def held_out(self) -> dict[str, float]:
        """On scenes that no step sees: what sampled replies earn in both stages, and how many are well formed when
        nothing holds them to the grammar. What steps earn jumps with their scenes; this can be compared."""
        images, asked = self.questions(HELD_OUT[: self.args.held_out], 0)
        if not asked:
            return {}
        temper = self.temper._replace(group=4)
        with self.policy.engine.open(images) as frames:
            proposed = propose(self.policy, frames, asked, temper, 0, self.weights["S1"], self.hear)
            refined = refine(self.policy, frames, images, asked, temper, 0, self.weights["S2"]) if self.refines else []
            free = well_formed(self.policy, frames, asked, temper, hear=self.hear)
        earned = {stage: means(groups)["reward"] for stage, groups in (("S1", proposed), ("S2", refined)) if groups}
        return {**{f"{stage} reward": value for stage, value in earned.items()}, WELL_FORMED: round(free, 4)}

    def save(self) -> None:
        """A checkpoint, written by the first rank."""
        if self.ranks.first:
            self.policy.save(self.args.out, self.learn, self.done)
        self.ranks.wait()


def means(groups: Sequence[Group]) -> dict[str, float]:
    """Mean total, and mean of each component over the replies that can have it."""
    every: dict[str, list[float]] = {}
    for group in groups:
        for reward in group.rewards:
            every.setdefault("reward", []).append(reward.total(group.weights))
            for name, value in reward.components.items():
                every.setdefault(name, []).append(value)
    return {name: round(float(np.mean(values)), 5) for name, values in every.items()}


def segmenter_of(folder: Path | None) -> MaskDecoder | None:
    """The product's segmenter; None without a folder. Raises ModelError."""
    if folder is None:
        return None
    segmenter = NanoSegmenter(folder)
    segmenter.load()
    return segmenter


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
        (args.out / RESULTS).write_text(json.dumps({**report, "steps": run.done}, indent=1) + "\n")
        print(json.dumps({**report, "steps": run.done}), flush=True)


def _report(args: argparse.Namespace, run: Run) -> dict[str, Any]:
    """What is known of the run before this call; the curve loses what came after the last checkpoint."""
    results, curve = args.out / RESULTS, args.out / CURVE
    if run.ranks.first and curve.is_file():
        kept = [line for line in curve.read_text().splitlines() if json.loads(line)["step"] < run.done]
        curve.write_text("".join(line + "\n" for line in kept))
    if run.done and results.is_file():
        return json.loads(results.read_text())
    report = {"constrained": not args.unconstrained, "without": args.without, BEFORE: run.held_out()}
    if run.ranks.first:
        results.write_text(json.dumps({**report, "steps": run.done}))
    return report


def policy_of(args: argparse.Namespace) -> Policy:
    """The nano of a supervised run, or a Qwen-VL model's folder. Raises ModelError."""
    if (args.start / "config.json").is_file():
        from .qwen_policy import QwenPolicy

        return QwenPolicy(args.start, args.device)
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
        with ranks(args.device) as joined:
            train(args, policy_of(args), ranks=joined)
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")


if __name__ == "__main__":
    main()
