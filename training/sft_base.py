"""Supervised training of a Qwen-VL base: `python -m training.sft_base --base FOLDER --samples FILE --out runs/large`.

The same command resumes. Many GPUs: `torchrun --nproc-per-node 8 -m training.sft_base ... --sharding
training/recipes/zero2.json`, on several machines with torchrun's own --nnodes and --rdzv-endpoint. `--dry-run` prints
shapes, what trains, memory, steps and time, and loads nothing. Recipes with the paper's numbers: training/recipes/.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from getok_core.engines.qwen_pixels import Pixels
from getok_core.errors import DataError, GetokError
from getok_core.lattice import Lattice

from .base_batches import Batches, Inputs, Share, loader
from .base_learner import Learner, ready
from .base_run import BaseRun, check_sharding, sharding_plugins
from .base_samples import Speaker
from .datasets.mixture import Mixture, mixture_of, read_mixture
from .estimate import Job, counts, report
from .model import ALPHA, RANK, add_lora, fetched, learned, load_base

RATE, ROWS_RATE = 1e-6, 1e-4
"""of LoRA, the paper's; of new rows (ours): they start from nothing and get a gradient only where they are said"""
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def schedule(progress: float, warm: float = 0.03) -> float:
    """Share of the rate at a share of the run: linear warm-up, then a cosine to zero (ours)."""
    if progress < warm:
        return progress / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


def train(args: argparse.Namespace) -> None:
    """One run, from its beginning or from its last checkpoint. Raises GetokError in one line on bad input."""
    plugins = sharding_plugins(args.sharding, args)
    check_sharding(args.sharding)
    accelerator = Accelerator(
        gradient_accumulation_steps=args.accumulate, cpu=not torch.cuda.is_available(),
        mixed_precision="bf16" if args.dtype == "bfloat16" else "no", **plugins,
    )  # fmt: skip
    set_seed(args.seed)
    # Weights are loaded whole and sharded by prepare(): new rows start from all others, which no rank would see else.
    unset_hf_deepspeed_config()
    mixture, view = read_samples(args), (args.view, args.view)
    visual_tokens = Pixels.read(fetched(args.base)).visual_tokens(view)  # refused before gigabytes are read
    base = load_base(args.base, args.lattice, DTYPES[args.dtype], attn_implementation=args.attention)
    model = ready(add_lora(base.model, base.new, args.lora_rank, args.lora_alpha), not args.keep_activations)
    lora, rows = learned(model)
    groups = [{"params": lora, "lr": args.rate}, {"params": rows, "lr": args.rows_rate}]
    optimiser = torch.optim.AdamW(groups, weight_decay=args.decay, eps=args.epsilon)
    learner, optimiser = accelerator.prepare(Learner(model, base.chat.image), optimiser)
    run = BaseRun(args.out, accelerator, learner, base, args)
    done = run.resume()
    # A recipe names what is learned as a refinement; plain samples say nothing of it.
    refined = 0.0 if args.mixture else args.refined
    speaker = Speaker(base.chat, Lattice(args.lattice), view, visual_tokens, args.images, args.rounds, refined)
    share = Share(accelerator.process_index, accelerator.num_processes, args.batch)
    made = Batches(mixture, speaker, base.pixels, base.chat.end, share, done * args.accumulate)
    steps = steps_of(args, len(mixture), accelerator.num_processes)
    trained = sum(parameter.numel() for parameter in (*lora, *rows))
    run.say(f"{len(mixture)} samples, {steps} steps, {done} of them done; {trained:,} numbers train")
    _steps(accelerator, learner, optimiser, loader(made, args.workers), run, range(done, steps), args)
    run.finish(steps)


def _steps(accelerator: Accelerator, learner: torch.nn.Module, optimiser: torch.optim.Optimizer,
           batches: Iterator[Inputs], run: BaseRun, steps: range, args: argparse.Namespace) -> None:  # fmt: skip
    began = time.monotonic()
    for step in steps:
        micro = [next(batches) for _ in range(args.accumulate)]
        asked = sum(batch.asked for batch in micro)
        asked = max(1, int(accelerator.reduce(torch.tensor(asked, device=accelerator.device), "sum")))
        share = schedule((step + 0.5) / steps.stop)
        for group, rate in zip(optimiser.param_groups, (args.rate, args.rows_rate), strict=True):
            group["lr"] = rate * share
        total = torch.zeros((), device=accelerator.device)
        for batch in micro:
            with accelerator.accumulate(learner):
                loss = learner(batch.on(accelerator.device))
                total += loss.detach()
                # Engines average over ranks and accumulated batches; a step weighs every token that is asked alike.
                accelerator.backward(loss * (accelerator.num_processes * args.accumulate / asked))
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(learner.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad()
        if (step + 1) % args.log_every == 0 or step + 1 == steps.stop:
            mean = float(accelerator.reduce(total, "sum")) / asked
            seconds = (time.monotonic() - began) / (step + 1 - steps.start)
            run.log(step + 1, {"loss": mean, "rate": args.rate * share, "asked": asked, "seconds": seconds})
        if (step + 1) % args.save_every == 0 and step + 1 < steps.stop:
            run.save(step + 1)


def steps_of(args: argparse.Namespace, samples: int, ranks: int) -> int:
    """Optimiser steps of the whole run."""
    return args.steps or max(1, math.ceil(args.epochs * samples / (args.batch * args.accumulate * ranks)))


def read_samples(args: argparse.Namespace) -> Mixture:
    """What is trained on. Raises DataError."""
    if args.mixture:
        return read_mixture(args.mixture, args.data)
    if not args.samples:
        raise DataError("nothing to train on: give --samples FILE.jsonl, or --mixture RECIPE and --data FOLDER")
    return mixture_of(args.samples, args.seed)


def dry_run(args: argparse.Namespace) -> str:
    """What a run would take; reads the samples where they are there, and no weights."""
    try:
        draws = round(args.epochs * len(read_samples(args)))
        said = f"{draws:,} draws of the samples given"
    except DataError as error:
        draws, said = args.draws, f"{args.draws:,} draws assumed ({error})"
    if args.steps:
        draws = args.steps * args.batch * args.accumulate * args.gpus
    c, sizes = counts(str(args.base), args.lattice), {"view": args.view, "checkpointing": not args.keep_activations}
    one = Job(1, args.batch, args.accumulate * args.gpus, 0, **sizes)
    return f"{report(args.base, c, [one, Job(args.gpus, args.batch, args.accumulate, **sizes)], draws)}\n{said}"


def arguments() -> argparse.ArgumentParser:
    """All options with the paper's numbers as defaults (section 4.1, appendix C.1)."""
    parser = argparse.ArgumentParser("python -m training.sft_base", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--base", required=True, help="model folder or hub name; with --dry-run also a published shape")
    add("--samples", type=Path, nargs="+", help="files of samples, JSON Lines as in training/datasets/sample.py")
    add("--mixture", type=Path, help="a recipe of training/recipes/mixtures instead")
    add("--data", type=Path, default=Path(), help="folder of the files that the recipe names")
    add("--images", type=Path, default=Path(), help="folder below which samples name their images")
    add("--out", type=Path, help="folder of the run; the same command goes on there")
    add("--lattice", type=int, default=32, choices=(16, 32, 64), help="cells a side")
    add("--view", type=int, default=840, help="pixels a side; 896 puts one visual token under each of 32 x 32 cells")
    add("--rounds", type=int, default=1, help="refinements that offsets are trained for; 1 is the paper's")
    add("--refined", type=float, default=0.3, help="share of --samples learned as refinements (ours)")
    add("--epochs", type=float, default=1.0, help="passes over the samples")
    add("--steps", type=int, help="optimiser steps instead")
    add("--batch", type=int, default=2, help="sequences a GPU and forward pass")
    add("--accumulate", type=int, default=8, help="forward passes a step")
    add("--rate", type=float, default=RATE, help="learning rate of LoRA")
    add("--rows-rate", type=float, default=ROWS_RATE, help="learning rate of new embedding and head rows (ours)")
    add("--decay", type=float, default=0.0, help="weight decay")
    add("--epsilon", type=float, default=1e-8, help="of Adam")
    add("--lora-rank", type=int, default=RANK)
    add("--lora-alpha", type=int, default=ALPHA)
    add("--dtype", choices=DTYPES, default="bfloat16")
    add("--attention", default="sdpa", help="sdpa, eager or flash_attention_2")
    add("--sharding", type=Path, help="training/recipes/zero2.json, zero3.json or fsdp.json")
    add("--keep-activations", action="store_true", help="no gradient checkpointing: faster where memory allows")
    add("--workers", type=int, default=4, help="processes that make batches, a GPU")
    add("--save-every", type=int, default=200, help="steps")
    add("--log-every", type=int, default=10, help="steps")
    add("--seed", type=int, default=0)
    add("--dry-run", action="store_true", help="print what the run would take, and stop")
    add("--gpus", type=int, default=8, help="of the dry run")
    add("--draws", type=int, default=1_000_000, help="of the dry run, where the samples are not there")
    return parser


def main(given: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = arguments()
    args = parser.parse_args(given)
    if not args.dry_run and args.out is None:
        parser.error("--out is missing: name the folder of the run")
    try:
        if args.dry_run:
            print(dry_run(args))
        else:
            train(args)
    except GetokError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
