"""Supervised training of the nano: `python -m training.sft --out runs/nano --minutes 60`, resumed by the same command.

Workers fill a pool of samples on the device (pool.py), batches are drawn from it, and one compiled step (losses.py)
learns from them. LOG.md has what was tried.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.errors import GetokError

from .checkpoint import Ema, load_training, save_training
from .feed import Feed, blocks
from .imagenet import load_imagenet
from .light import relit
from .losses import PARTS, Losses, losses
from .pool import Batch, Filler, Pool
from .proposals import with_own_proposals
from .sft_options import arguments, config_of, feed_of

OWN_SHARE = 0.7
"""of the linked drafts, how many refine what the network itself proposed"""


def optimiser(model: Nano, rate: float, backbone: float = 0.33) -> torch.optim.AdamW:
    """AdamW; the pretrained backbone learns at its own share of the rate, norms and embeddings do not decay."""
    groups = []
    for parameters, scale in ((model.eye.backbone.parameters(), backbone), (_others(model), 1.0)):
        learned = [p for p in parameters if p.requires_grad]
        for decay in (True, False):
            chosen = [p for p in learned if (p.ndim >= 2 and p is not model.embedding.weight) == decay]
            groups.append({"params": chosen, "scale": scale, "weight_decay": 0.03 if decay else 0.0})
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def _others(model: Nano) -> list[torch.nn.Parameter]:
    backbone = {id(p) for p in model.eye.backbone.parameters()}
    return [p for p in model.parameters() if id(p) not in backbone]


def schedule(progress: float, warm: float = 0.02) -> float:
    """Share of the rate at a share of the run: linear warm-up, then a cosine to 1 %."""
    if progress < warm:
        return max(1e-3, progress / warm)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


class Run:
    """One training run: model, optimiser, average, and where they are kept."""

    def __init__(self, args: argparse.Namespace, config: NanoConfig):
        self.args, self.config, self.device = args, config, torch.device(args.device)
        self.model = Nano(config)
        load_imagenet(self.model.eye.backbone, args.imagenet)
        self.model = self.model.to(self.device, memory_format=torch.channels_last)
        self.learn = optimiser(self.model, args.rate, args.backbone_rate)
        self.ema = Ema(self.model, args.ema)
        state = {} if args.fresh else load_training(args.out, self.model, self.learn, self.ema)
        self.samples, self.spent = int(state.get("samples", 0)), float(state.get("seconds", 0.0))
        self.seen = int(state.get("seen", 0))
        """samples that workers have made so far"""
        compiled: Callable[[Nano, Tensor, Batch, float], Losses] = losses
        self.losses = torch.compile(compiled, dynamic=False) if args.compile else compiled
        self.light = torch.compile(relit, dynamic=False) if args.compile else relit

    def step(self, pool: Pool, progress: float) -> Tensor:
        """One update; returns the four losses without waiting for the device."""
        for group in self.learn.param_groups:
            group["lr"] = self.args.rate * group["scale"] * schedule(progress)
        batch = pool.draw(self.args.batch)
        share = torch.rand(self.args.batch, device=self.device) < OWN_SHARE
        batch = with_own_proposals(batch, self.config.n, share)
        parts, said = self.losses(self.model, self.light(batch.image), batch, self.args.box_weight)
        pool.remember(batch, said)
        weights = torch.tensor([1.0, 1.0, 1.0, self.args.dense_weight], device=self.device)
        self.learn.zero_grad(set_to_none=True)
        (parts * weights).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.learn.step()
        self.ema.update(self.model)
        self.samples += self.args.batch
        return parts.detach()

    def save(self, seconds: float) -> None:
        """Writes a checkpoint, unless the weights went bad: then the last good one stays."""
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
            raise GetokError(f"weights are not finite after {self.samples} samples: the last good checkpoint is in"
                             f" {self.args.out}; resume with a lower --rate")  # fmt: skip
        state = {"samples": self.samples, "seconds": seconds, "seen": self.seen}
        save_training(self.args.out, self.model, self.learn, self.ema, state, self.config)


def train(args: argparse.Namespace, config: NanoConfig | None = None, feed: Feed | None = None) -> dict[str, float]:
    """Runs until the minutes or samples are spent, or the pause comes; returns the last mean losses."""
    called = time.monotonic()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    config = config or config_of(args)
    if args.fresh:
        (args.out / "curve.jsonl").unlink(missing_ok=True)
    run = Run(args, config)
    feed = feed or feed_of(args, config)
    feed.start = args.first_seed + run.seen
    torch.set_num_threads(args.threads or torch.get_num_threads())
    pool = Pool(args.pool, run.device, args.seed)
    filler = Filler(blocks(feed, args.workers), pin=run.device.type == "cuda")
    filler.start()
    try:
        return _loop(args, run, pool, filler, called)
    finally:
        filler.stop()


def _loop(args: argparse.Namespace, run: Run, pool: Pool, filler: Filler, called: float) -> dict[str, float]:
    mean = torch.zeros(len(PARTS), device=run.device)
    drawn, waited, steps = 0, 0.0, 0
    while len(pool) < min(args.first, args.pool):
        run.seen += filler.fill(pool, wait=True)
    if args.compile:
        float(run.step(pool, 0.0).sum())  # compiles; a minute that is no training time
    began = shown = saved = time.monotonic()
    while True:
        now = time.monotonic()
        seconds = run.spent + now - began
        progress = max(seconds / (60 * args.minutes) if args.minutes else 0.0,
                       run.samples / args.samples if args.samples else 0.0)  # fmt: skip
        if progress >= 1.0 or (args.pause and now - called >= 60 * args.pause):
            break
        while drawn >= args.reuse * pool.added:
            run.seen += filler.fill(pool, wait=True)
        if run.device.type == "cuda":  # on a CPU rendering more than is needed would slow the network itself
            run.seen += filler.fill(pool, wait=False)
        waited += time.monotonic() - now
        parts = run.step(pool, progress)
        drawn, steps = drawn + args.batch, steps + 1
        mean = parts if steps == 1 else torch.lerp(mean, parts, max(0.01, 1 / steps))
        if time.monotonic() - shown > args.show_s:
            shown = time.monotonic()
            _show(args.out, run, pool, shown - began, drawn, waited, progress, mean)
        if time.monotonic() - saved > args.save_s:
            saved = time.monotonic()
            run.save(run.spent + saved - began)
    seconds = time.monotonic() - began
    _show(args.out, run, pool, seconds, drawn, waited, progress, mean)
    run.save(run.spent + seconds)
    return {**dict(zip(PARTS, mean.tolist(), strict=True)), "samples": run.samples, "per_second": drawn / seconds}


def _show(out: Path, run: Run, pool: Pool, seconds: float, drawn: int, waited: float, progress: float,
          mean: Tensor) -> None:  # fmt: skip
    values = dict(zip(PARTS, (round(value, 4) for value in mean.tolist()), strict=True))
    if not all(math.isfinite(value) for value in values.values()):
        raise GetokError(f"loss is {values} after {run.samples} samples: the last good checkpoint is in {out};"
                         " resume with a lower --rate")  # fmt: skip
    record = {"samples": run.samples, "seconds": round(run.spent + seconds, 1), "rate": round(drawn / seconds, 1),
              "reuse": round(drawn / max(1, pool.added), 2), "waiting": round(waited / seconds, 3),
              "progress": round(progress, 4), **values}  # fmt: skip
    print(json.dumps(record), flush=True)
    with (out / "curve.jsonl").open("a") as curve:
        curve.write(json.dumps(record) + "\n")


def main() -> None:
    parser = arguments()
    parser.add_argument("--smoke", action="store_true", help="a minute on a CPU: 24 small batches, loss must fall")
    args = parser.parse_args()
    if args.smoke:
        args.samples, args.batch, args.no_photos, args.fresh, args.workers, args.show_s = 96, 4, True, True, 0, 0.0
        args.first, args.length, args.threads = 16, 160, 1
    if not args.minutes and not args.samples:
        parser.error("give --minutes or --samples: how long to train")
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(train(args)))
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")
    if args.smoke:
        curve = [json.loads(line) for line in (args.out / "curve.jsonl").read_text().splitlines()]
        # Offsets are not asked in every small batch, so their mean begins anywhere.
        first, last = (sum(record[part] for part in ("grid", "word", "dense")) for record in (curve[0], curve[-1]))
        print(f"smoke: loss {first:.2f} -> {last:.2f}")
        if not last < first:
            parser.exit(1, "getok: the loss did not fall\n")


if __name__ == "__main__":
    main()
