"""Supervised training of the nano: `python -m training.sft --out runs/nano --minutes 60`, resumed by the same command.

Workers fill a pool of samples on the device (pool.py), batches are drawn from it, and one compiled step (losses.py)
learns from them. LOG.md has what was tried.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.errors import GetokError
from getok_core.queries import standard_vocabulary

from .checkpoint import Ema, load_training, save_training
from .feed import Feed, blocks
from .fleet import Fleet
from .imagenet import load_imagenet
from .light import relit
from .losses import PARTS, Losses, losses
from .pool import Batch, Filler, Pool
from .proposals import with_own_proposals
from .samples import LENGTH

TINY = {"dim": 32, "layers": 2, "heads": 2, "hidden": 48, "neck": 16}
"""sizes of a network that a CPU trains in seconds, and that learns little"""
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


def feed_of(args: argparse.Namespace, config: NanoConfig) -> Feed:
    """What the options ask to train on. Raises DataError when a fleet's labels or images are not there."""
    fleet = Fleet(args.fleet, args.fleet_images or args.fleet.parent) if args.fleet else None
    if fleet and fleet.faults:
        print(f"getok: {args.fleet} has {len(fleet.faults)} faults, the first: {fleet.faults[0]}", file=sys.stderr)
    return Feed((config.width, config.height), photos=not args.no_photos, packs=args.packs, n=config.n,
                length=args.length, fleet=fleet, fleet_share=args.fleet_share)  # fmt: skip


def config_of(args: argparse.Namespace) -> NanoConfig:
    """The network that the options ask for."""
    sizes = TINY if args.tiny else {}
    frozen = (0, False) if args.all else (args.frozen_blocks, True)
    return NanoConfig(standard_vocabulary(args.lattice).size, n=args.lattice, frozen_blocks=frozen[0],
                      frozen_kernels=frozen[1], **sizes)  # fmt: skip


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


def arguments() -> argparse.ArgumentParser:
    """Options of a run; training.ablation takes the same."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/nano"), help="folder of checkpoints; resumed when it has one")
    add("--minutes", type=float, default=0.0, help="training time of the whole run, resumed parts included")
    add("--samples", type=int, default=0, help="images drawn in the whole run")
    add("--pause", type=float, default=0.0, help="minutes after which this call stops; the same command goes on")
    add("--batch", type=int, default=256 if cuda else 16)
    add("--rate", type=float, default=1.5e-3 if cuda else 1e-3, help="peak learning rate")
    add("--backbone-rate", type=float, default=0.33, help="the backbone's share of the rate")
    add("--all", action="store_true", help="train every weight of the backbone, a quarter slower on a GPU")
    add(
        "--frozen-blocks",
        type=int,
        choices=range(17),
        default=3,
        metavar="0..16",
        help="first blocks of the backbone that keep ImageNet's weights: more of them, more samples a second",
    )
    add("--box-weight", type=float, default=1.0, help="what a corner of a box counts beside a vertex of a line")
    add("--lattice", type=int, choices=(16, 32, 64), default=32, help="cells a side")
    add("--tiny", action="store_true", help="a small network, to see that everything runs")
    add("--ema", type=float, default=0.999 if cuda else 0.998, help="decay of the averaged weights, per step")
    add("--dense-weight", type=float, default=1.0)
    add("--workers", type=int, default=15 if cuda else 1, help="processes that render")
    add("--pool", type=int, default=60_000 if cuda else 512, help="samples kept on the device")
    add("--first", type=int, default=2048 if cuda else 64, help="samples in the pool before the first step")
    add("--reuse", type=float, default=6.0 if cuda else 2.0, help="times a sample is drawn; beyond it training waits")
    add("--packs", type=int, default=1, help="packs of requests a sample carries")
    add("--length", type=int, default=LENGTH, help="text tokens in a pack")
    add("--threads", type=int, default=0, help="CPU threads of the network; 0 leaves torch's choice")
    add("--device", default="cuda" if cuda else "cpu")
    add("--compile", action=argparse.BooleanOptionalAction, default=cuda, help="compile the step; default on a GPU")
    add("--imagenet", type=Path, help="ImageNet weights as safetensors; default: those the package carries")
    add("--seed", type=int, default=0)
    add("--first-seed", type=int, default=2_000_000, help="number of the first sample")
    add("--no-photos", action="store_true", help="synthetic scenes only, no GETOK_DATA needed")
    add("--fleet", type=Path, help="labels of frames of your own, in any format that getok replay reads")
    add("--fleet-images", type=Path, help="folder of those frames; default: the labels' own")
    add("--fleet-share", type=float, default=0.3, help="share of the samples that are frames of your own")
    add("--fresh", action="store_true", help="do not resume")
    add("--show-s", type=float, default=20.0, help="seconds between progress lines")
    add("--save-s", type=float, default=240.0, help="seconds between checkpoints")
    return parser


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
