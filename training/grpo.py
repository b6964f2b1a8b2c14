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
from getok_core.queries import TASKS, standard_vocabulary
from getok_core.view import RGB

from .checkpoint import load_average
from .feed import TEST_SEEDS, synthetic
from .nano_policy import NanoPolicy
from .objective import Spoken, grpo_loss, spoken
from .policy import Policy
from .rewarded_questions import Question, questions_of
from .rewards import PROPOSING, REFINING
from .rollouts import Group, Hear, Temper, hear, propose, refine, well_formed

FIRST_SEED = 60_000_000
"""of the scenes; those of supervised training lie elsewhere"""
HELD_OUT = TEST_SEEDS[-512:]
"""scenes of the validity report: the end of the test seeds, of which training.evaluate takes the beginning"""
LEAST = 0.1
"""share of the learning rate that is left at the end; it falls linearly"""
DEFAULT_TASKS = "lanes,drivable area,obstacles,signs,referred boxes"


class Part(NamedTuple):
    """What one backward pass takes: images, and groups of replies about them."""

    images: list[RGB]
    groups: list[Group]


class Run:
    """A policy, the supervised network it is held to, and its optimiser."""

    def __init__(self, args: argparse.Namespace, policy: Policy, hear: Hear = hear):
        self.args, self.policy, self.reference, self.hear = args, policy, policy.frozen(), hear
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
        if groups:
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
        number = args.seed * 1_000_000 + step * args.accumulate + index
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
        with torch.no_grad():
            before = [Spoken(spoken(self.policy, *part, args.temperature) if args.passes > 1 else None,
                             spoken(self.reference, *part, args.temperature)) for part in parts]  # fmt: skip
        kl = norm = 0.0
        for _ in range(args.passes):
            self.learn.zero_grad(set_to_none=True)
            kl = 0.0
            for part, held in zip(parts, before, strict=True):
                loss = grpo_loss(self.policy, *part, held, args.temperature, args.kl, args.clip)
                (loss.loss / max(1, tokens)).backward()
                kl += loss.kl
            norm = float(torch.nn.utils.clip_grad_norm_(self.policy.trained(), args.largest))
            if not np.isfinite(norm):
                raise GetokError(f"the gradient is {norm} at step {self.done}: the last good checkpoint is in"
                                 f" {args.out}; resume with a lower --rate")  # fmt: skip
            self.learn.step()
            self.policy.settle()
        return {"kl": round(kl / max(1, tokens), 6), "gradient": round(norm, 4), "tokens": tokens}

    def validity(self) -> float:
        """Share of well-formed replies to held-out questions, sampled without the grammar."""
        images, asked = self.questions(HELD_OUT[: self.args.held_out], 0)
        if not asked:
            return float("nan")
        with self.policy.engine.open(images) as frames:
            return well_formed(self.policy, frames, asked, self.temper._replace(group=4), hear=self.hear)

    def save(self) -> None:
        self.policy.save(self.args.out, self.learn, self.done)


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


def train(args: argparse.Namespace, policy: Policy, hear: Hear = hear) -> list[dict[str, Any]]:
    """Runs until all steps are taken or the pause has come; returns this call's lines of the curve.

    hear: reads a proposal, where it is not spelled in grid tokens.
    """
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    run, results, began = Run(args, policy, hear), args.out / "results.json", time.monotonic()
    curve: list[dict[str, Any]] = []
    _forget(args.out / "curve.jsonl", run.done)
    report: dict[str, Any] = json.loads(results.read_text()) if run.done and results.is_file() else {}
    if not report:
        report = {"constrained": not args.unconstrained, "without": args.without, "well formed before": run.validity()}
    last = args.proposing + args.refining
    while run.done < last and not (args.pause and time.monotonic() - began > 60 * args.pause):
        curve.append(run.step())
        with (args.out / "curve.jsonl").open("a") as file:
            file.write(json.dumps(curve[-1]) + "\n")
        if run.done % args.show == 0:
            print(json.dumps(curve[-1]), flush=True)
        if run.done % args.save == 0:
            run.save()
    run.save()
    if run.done >= last and "well formed after" not in report:
        report["well formed after"] = run.validity()
    results.write_text(json.dumps({**report, "steps": run.done}, indent=1) + "\n")
    print(json.dumps({**report, "steps": run.done}), flush=True)
    return curve


def policy_of(args: argparse.Namespace) -> Policy:
    """The nano of a supervised run, or a Qwen-VL model's folder. Raises ModelError."""
    if (args.start / "config.json").is_file():
        from .qwen_policy import QwenPolicy

        return QwenPolicy(args.start, args.device)
    return NanoPolicy(load_average(args.start).to(args.device), args.eye)


def _forget(curve: Path, done: int) -> None:
    """Drops what a run said after its last checkpoint: those steps are taken again."""
    if curve.is_file():
        kept = [line for line in curve.read_text().splitlines() if json.loads(line)["step"] < done]
        curve.write_text("".join(line + "\n" for line in kept))


def arguments() -> argparse.ArgumentParser:
    """Options of a run; training.action_space and the ablation of rewards take the same."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--start", type=Path, help="a supervised run of the nano, or an exported Qwen-VL folder")
    add("--out", type=Path, default=Path("runs/rl"), help="folder of checkpoints; resumed when it has one")
    add("--proposing", type=int, default=200, help="steps of S1")
    add("--refining", type=int, default=200, help="steps of S2")
    add("--images", type=int, default=16 if cuda else 4, help="scenes in one backward pass")
    add("--questions", type=int, default=2, help="most questions about a scene")
    add("--accumulate", type=int, default=1 if cuda else 4, help="backward passes in a step")
    add("--group", type=int, default=8, help="replies to one question")
    add("--rate", type=float, default=2e-5, help="first learning rate; the paper's 1e-6 is for LoRA on 7 B")
    add("--decay", type=float, default=0.01, help="weight decay")
    add("--kl", type=float, default=1e-2, help="weight of the KL divergence from the supervised policy")
    add("--clip", type=float, default=0.2, help="how far a ratio may go from 1")
    add("--passes", type=int, default=1, help="updates from the same replies")
    add("--largest", type=float, default=1.0, help="largest norm of a gradient")
    add("--temperature", type=float, default=1.0)
    add("--tasks", type=_tasks, default=_tasks(DEFAULT_TASKS), help="with commas: some of " + ", ".join(_geometric()))
    add("--without", type=_components, default=[], help="components of the reward to leave out, with commas")
    add("--unconstrained", action="store_true", help="sample without the grammar, so that format is learnt")
    add("--eye", action=argparse.BooleanOptionalAction, default=True, help="the vision learns too, backbone excepted")
    add("--segmenter", type=Path, help="folder of a mask decoder; without it masks are judged by box and hits")
    add("--held-out", type=int, default=8, help="scenes of the validity report")
    add("--pause", type=float, default=0.0, help="stop after so many minutes of this call; the run is resumed later")
    add("--show", type=int, default=5, help="steps between progress lines")
    add("--save", type=int, default=20, help="steps between checkpoints")
    add("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    add("--device", default="cuda" if cuda else "cpu")
    add("--seed", type=int, default=0)
    return parser


def _geometric() -> list[str]:
    return [name for name, task in TASKS.items() if task.form.kind != "text"]


def _tasks(text: str) -> list[str]:
    return _some(text, _geometric())


def _components(text: str) -> list[str]:
    return _some(text, [*PROPOSING, *REFINING])


def _some(text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(dict.fromkeys(known))}")
    return names


def smoke(args: argparse.Namespace) -> int:
    """A random tiny network learns where roads lie; 1 unless its reward rises."""
    torch.manual_seed(0)
    config = NanoConfig(standard_vocabulary().size, width=128, height=128, dim=32, layers=2, heads=2, hidden=48,
                        neck=16)  # fmt: skip
    args.proposing, args.refining, args.images, args.accumulate, args.questions = 24, 0, 6, 1, 1
    args.tasks, args.rate, args.kl, args.threads, args.held_out = ["drivable area"], 3e-3, 0.0, 1, 0
    curve = train(args, NanoPolicy(Nano(config), tokens=40))
    first, last = (float(np.mean([line["reward"] for line in some])) for some in (curve[:8], curve[-8:]))
    print(f"smoke: reward {first:.3f} -> {last:.3f} of 8")
    return 0 if last > first + 0.1 else 1


def main(arguments_: Sequence[str] | None = None) -> None:
    parser = arguments()
    parser.add_argument(
        "--smoke", action="store_true", help="a minute on a CPU: the reward of a tiny network must rise"
    )
    args = parser.parse_args(arguments_)
    try:
        if args.smoke:
            if smoke(args):
                parser.exit(1, "getok: the reward did not rise\n")
            return
        if args.start is None:
            raise QueryError("--start is missing: name the folder of a supervised run")
        train(args, policy_of(args))
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")


if __name__ == "__main__":
    main()
