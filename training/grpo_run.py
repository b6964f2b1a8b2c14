"""One run of GRPO: a policy, what it is held to and its optimiser, and the step that rolls out and then learns.

A step asks a few questions about rendered scenes, draws a group of replies to each through the engine's own
Frames.propose, and moves the policy towards the replies that earned more than their group (objective.py).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from getok_core.engines.nano_segmenter import NanoSegmenter
from getok_core.errors import GetokError
from getok_core.lattice import Lattice
from getok_core.protocol import MaskDecoder
from getok_core.view import RGB

from .feed import TEST_SEEDS, synthetic
from .objective import Spoken, grpo_loss, spoken
from .pieces import Part, idle, pieces
from .policy import Policy
from .ranks import Ranks
from .rewarded_questions import Question, questions_of
from .rewards import PROPOSING, REFINING
from .rollouts import Group, Hear, Temper, hear, propose, refine, well_formed
from .sharding import whole

FIRST_SEED = 60_000_000
"""of the scenes; those of supervised training lie elsewhere"""
HELD_OUT = TEST_SEEDS[-512:]
"""scenes of the report: the end of the test seeds, of which training.evaluate takes the beginning"""
WELL_FORMED = "well formed without the grammar"
LEAST = 0.1
"""share of the learning rate that is left at the end; it falls linearly"""
ALONE = Ranks()


class Run:
    """A policy, the supervised network it is held to, and its optimiser."""

    def __init__(self, args: argparse.Namespace, policy: Policy, hear: Hear = hear, ranks: Ranks = ALONE):
        self.args, self.policy, self.reference, self.hear = args, policy, policy.frozen(), hear
        self.ranks, self.refines = ranks, args.refining > 0
        self.learn = torch.optim.AdamW(policy.trained(), lr=args.rate, weight_decay=args.decay, betas=(0.9, 0.98),
                                       eps=args.epsilon)  # fmt: skip
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
        with self.policy.engine.open(images) as frames:
            if stage == "S1":
                weights = self.weights["S1"]
                groups = propose(self.policy, frames, asked, self.temper, 7919 * number, weights, self.hear)
            else:
                groups = refine(self.policy, frames, images, asked, self.temper, number, self.weights["S2"])
        return Part(images, groups)

    def _learn(self, parts: Sequence[Part]) -> dict[str, Any]:
        """Updates from one step's replies. The loss is a mean over all tokens that had a choice, of all ranks (ours: a
        mean within each reply first would pay a token of a long list of lanes less than one of a short list)."""
        args, policy = self.args, self.policy
        tokens = max(1, round(self.ranks.added(sum(part.tokens for part in parts))))
        cut = [piece for part in parts for piece in pieces(part, policy.at_once)]
        cut += [idle(policy.engine)] * (self.ranks.in_step(len(cut)) - len(cut))
        with torch.no_grad():
            before = [Spoken(spoken(policy, *piece, args.temperature) if args.passes > 1 else None,
                             spoken(self.reference, *piece, args.temperature)) for piece in cut]  # fmt: skip
        kl = norm = 0.0
        for _ in range(args.passes):
            self.learn.zero_grad(set_to_none=True)
            kl = 0.0
            for piece, held in zip(cut, before, strict=True):
                loss = grpo_loss(policy, *piece, held, args.temperature, args.kl, args.clip)
                (loss.loss / tokens).backward()
                kl += loss.kl
            self.ranks.add_gradients(policy.trained())
            norm = float(whole(torch.nn.utils.clip_grad_norm_(policy.trained(), args.largest)))
            if not np.isfinite(norm):
                raise GetokError(f"the gradient is {norm} at step {self.done}: the last good checkpoint is in"
                                 f" {args.out}; resume with a lower --rate")  # fmt: skip
            self.learn.step()
            policy.settle()
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
        self.policy.save(self.args.out, self.learn, self.done, self.ranks.first)
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
