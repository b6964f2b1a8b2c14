"""What fine-tuning a base will take, told before it starts: shapes, parameters, memory, time. Arithmetic, not measured.

`python -m training.estimate Qwen2.5-VL-7B` for a published shape, or a model folder. Memory counts weights, gradients,
Adam's moments, kept and recomputed activations, and the copies that new rows cost; time counts multiplications and
assumes SHARE of a card's peak. Allocators, communication and data loading come on top.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedConfig

from getok_core.errors import GetokError

from .base_shapes import SHAPES, new_ids, published
from .model import RANK, learned, load_config, read_language, weightless

SHARE = 0.35
"""of peak arithmetic that training of this kind reaches on one node: an assumption"""
PEAKS = {"A100": 312e12, "H100": 989e12}
"""dense bf16 operations a second of the 80 GB cards, by their data sheets"""
GIB = 2**30
ANSWER = 100
"""tokens of an answer that are asked: a scene"""


@dataclass(frozen=True)
class Job:
    """One way to train."""

    gpus: int = 8
    batch: int = 2
    """sequences a GPU and forward pass"""
    accumulate: int = 8
    stage: int = 2
    """what is sharded: 0 nothing, 1 moments, 2 gradients too, 3 weights too"""
    view: int = 840
    """pixels a side of the input"""
    text: int = 160
    """text tokens a sequence, about: chat frame, question, answer"""
    checkpointing: bool = True

    @property
    def sequences(self) -> int:
        """a step"""
        return self.gpus * self.batch * self.accumulate


@dataclass(frozen=True)
class Counts:
    """Parameters of a base and of what learns on it, and the sizes that activations follow."""

    language: int
    vision: int
    lora: int
    rows: int
    """numbers in new rows, embedding and head together"""
    matrix: int
    """numbers in one embedding matrix"""
    matrices: int
    """1 where embedding and head are tied"""
    first: int
    """base id of the first new row"""
    last: int
    width: int
    layers: int
    feed_forward: int
    patch: int
    """pixels a side of a visual token"""

    @property
    def trained(self) -> int:
        return self.lora + self.rows


def counts(base: str, n: int = 32) -> Counts:
    """Of a published shape or a model folder, counted on the meta device: no weight is needed. Raises ModelError."""
    config, new = planned(base, n)
    model = weightless(config, new)
    lora, rows = learned(model)
    frozen = {name: p.numel() for name, p in model.named_parameters() if not p.requires_grad}
    vision = sum(number for name, number in frozen.items() if ".visual." in name)
    matrix, text = model.get_input_embeddings().weight.numel(), config.get_text_config()
    eye = config.vision_config
    return Counts(
        sum(frozen.values()) - vision, vision, sum(p.numel() for p in lora), sum(p.numel() for p in rows), matrix,
        len(rows), min(new), max(new), text.hidden_size, text.num_hidden_layers, text.intermediate_size,
        eye.patch_size * eye.spatial_merge_size,
    )  # fmt: skip


def memory(c: Counts, job: Job) -> dict[str, float]:
    """Bytes on each GPU, by what they hold."""
    part = [1 / job.gpus if job.stage >= stage else 1.0 for stage in (1, 2, 3)]
    tokens = job.batch * (job.text + (job.view // c.patch) ** 2)
    layer = tokens * (8 * c.width + 4 * c.feed_forward) * 2
    return {
        "frozen weights, bf16": (c.language + c.vision) * 2 * part[2],
        "trained weights, fp32": c.trained * 4 * part[2],
        "gradients, fp32": c.trained * 4 * part[1],
        "Adam's moments, fp32": c.trained * 8 * part[0],
        "activations": c.layers * (tokens * c.width * 2) + layer if job.checkpointing else c.layers * layer,
        "copies for new rows": 2 * c.matrices * c.matrix * 2,
        "logits of answers": job.batch * ANSWER * (c.matrix / c.width) * (2 + 4 + 4),
    }


@dataclass(frozen=True)
class Rollouts:
    """One step of reinforcement learning on one GPU: groups of replies are sampled, then learned from."""

    prompts: int = 16
    group: int = 8
    tokens: int = 100
    """of a reply"""
    steps: int = 400
    """200 of each stage"""
    token_s: float = 0.009
    """seconds a token of eight sequences: 8.7 ms were measured with the 7B's shape on an H100"""

    def report(self, c: Counts, job: Job) -> str:
        """Memory and time: the policy, a merged copy that samples, and three readings of every reply."""
        held = memory(c, job)
        held["merged copy that samples, bf16"] = (c.language + c.vision) * 2
        replies = self.prompts * self.group
        read = operations(c, job) / job.sequences * replies * 4 / 3  # the supervised policy reads once more, forward
        step = self.prompts * self.tokens * self.token_s + read / (PEAKS["H100"] * SHARE)
        lines = [f"  {size / GIB:6.1f} GiB  {what}" for what, size in held.items()]
        lines.append(f"  {sum(held.values()) / GIB:6.1f} GiB  on the GPU, estimated")
        lines.append(
            f"  {self.steps} steps of {self.prompts} questions x {self.group} replies; H100: {step:.0f} s a step,"
            f" {self.steps * step / 3600:.1f} hours, estimated"
        )
        return "\n".join(lines)


def operations(c: Counts, job: Job) -> float:
    """Multiplications and additions of one step, all GPUs together."""
    visual = (job.view // c.patch) ** 2
    tokens = job.text + visual
    through = c.language - c.matrices * c.matrix
    passes = 3 if job.checkpointing else 2  # forward, gradients of activations, and forward once more
    attention = 2 * c.layers * tokens**2 * c.width
    language = passes * (2 * through * tokens + attention) + 2 * 3 * c.lora * tokens
    head = 2 * 2 * c.matrix * ANSWER
    return job.sequences * (language + head + 2 * c.vision * visual * 4)


def seconds(c: Counts, job: Job, peak: float) -> float:
    """A step, at SHARE of peak."""
    return operations(c, job) / (job.gpus * peak * SHARE)


def report(name: str, c: Counts, jobs: Sequence[Job], draws: int) -> str:
    """A page: the model, then memory and time of each way to train it."""
    lines = [
        f"{name}: {c.language / 1e9:.2f} billion parameters in the language model, {c.vision / 1e9:.2f} in the vision"
        f" tower; width {c.width}, {c.layers} layers, feed-forward {c.feed_forward}",
        f"trained: {c.trained / 1e6:.1f} million = LoRA of rank {RANK} {c.lora / 1e6:.1f}"
        f" + {c.rows // c.matrices // c.width} new rows in {c.matrices} matri{'x' if c.matrices == 1 else 'ces'}"
        f" {c.rows / 1e6:.1f}; new ids {c.first:,} to {c.last:,} of {c.matrix // c.width:,} embedding rows",
    ]
    for job in jobs:
        visual = (job.view // c.patch) ** 2
        lines.append("")
        lines.append(
            f"{job.gpus} x 80 GB, ZeRO-{job.stage}: {job.batch} sequences x {job.accumulate} accumulated x"
            f" {job.gpus} = {job.sequences} a step, each {visual} visual tokens ({job.view} x {job.view}) and about"
            f" {job.text} of text"
        )
        held = memory(c, job)
        lines += [f"  {size / GIB:6.1f} GiB  {what}" for what, size in held.items()]
        lines.append(f"  {sum(held.values()) / GIB:6.1f} GiB  on each GPU, estimated")
        steps = -(-draws // job.sequences)
        lines.append(f"  {steps:,} steps for {draws:,} draws")
        lines += [
            f"  {card}: {seconds(c, job, peak):.1f} s a step, {steps * seconds(c, job, peak) / 3600:.1f} hours,"
            f" estimated at {SHARE:.0%} of peak"
            for card, peak in PEAKS.items()
        ]
    return "\n".join(lines)


def planned(base: str, n: int) -> tuple[PreTrainedConfig, Sequence[int]]:
    """The configuration of a published shape or of a model folder, and the base ids that the language gets there."""
    if base in SHAPES:
        return published(base), new_ids(n)
    return load_config(Path(base)), read_language(Path(base), n)[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.estimate", description=__doc__.partition("\n")[0])
    parser.add_argument("base", help=f"{', '.join(SHAPES)}, or a model folder")
    parser.add_argument("--view", type=int, default=840, help="pixels a side of the input")
    parser.add_argument("--grpo", action="store_true", help="reinforcement learning on one GPU instead")
    parser.add_argument("--draws", type=int, default=1_000_000, help="samples drawn in the whole run")
    given = parser.parse_args(arguments)
    try:
        c = counts(given.base)
        jobs = [] if given.grpo else [Job(1, stage=0, accumulate=64, view=given.view), Job(8, view=given.view)]
        print(report(given.base, c, jobs, given.draws))
        if given.grpo:
            print(Rollouts().report(c, Job(1, 8, 1, 0, given.view)))
    except GetokError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
