"""Supervised training of the nano: `python -m training.sft --out runs/nano --minutes 60`, resumed by the same command.

Loss: cross-entropy over answers, smoothed over the neighbours of a grid target by where in its cell the point lies, and
a dense pretext ("what is under this cell") that teaches each cell's feature what it holds. LOG.md has what was tried.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from getok_core.errors import GetokError
from getok_core.queries import standard_vocabulary
from getok_core.vocabulary import GRID_START

from .checkpoint import Ema, load_training, save_training
from .feed import Batch, Feed, batches
from .nano import Nano, NanoConfig
from .samples import IGNORE

SMOOTHING = 0.55
"""standard deviation, in cells, of the target spread over neighbouring cells"""


def seen(batch: Batch) -> Tensor:
    """(B, T, T) True where a token may look: earlier in its own request, or itself."""
    same = batch.segment[:, :, None] == batch.segment[:, None, :]
    return same & torch.ones(same.shape[1:], dtype=torch.bool, device=same.device).tril()


def token_loss(logits: Tensor, batch: Batch, n: int) -> tuple[Tensor, Tensor]:
    """Logits of the asked places (K, V) -> mean loss of grid targets and of all others."""
    asked = batch.targets != IGNORE
    targets, goals = batch.targets[asked], batch.goals[asked]
    logp = logits.float().log_softmax(-1)
    grid = ~torch.isnan(goals[:, 0])
    plain = -logp[~grid].gather(1, targets[~grid][:, None])[:, 0]
    centre = torch.arange(n, device=logits.device) + 0.5
    x = torch.exp(-0.5 * ((centre - goals[grid][:, :1]) / SMOOTHING) ** 2)
    y = torch.exp(-0.5 * ((centre - goals[grid][:, 1:]) / SMOOTHING) ** 2)
    spread = (y / y.sum(1, keepdim=True))[:, :, None] * (x / x.sum(1, keepdim=True))[:, None, :]
    smooth = -(logp[grid][:, GRID_START : GRID_START + n * n] * spread.flatten(1)).sum(1)
    return smooth.sum() / max(1, len(smooth)), plain.sum() / max(1, len(plain))


def dense_loss(said: Tensor, batch: Batch) -> Tensor:
    """said (B, n * n, 5) logits -> mean loss over channels whose truth is known; rare things weigh more."""
    truth = batch.dense.flatten(2).transpose(1, 2)
    weight = torch.tensor([4.0, 1.0, 3.0, 6.0, 6.0], device=said.device)
    loss = F.binary_cross_entropy_with_logits(said.float(), truth, pos_weight=weight, reduction="none")
    return (loss.mean(1) * batch.dense_known).sum() / batch.dense_known.sum().clamp(min=1)


def losses(model: Nano, batch: Batch) -> dict[str, Tensor]:
    """Forward pass in bf16 where it serves -> grid, word and dense losses."""
    image = batch.image.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast(image.device.type, dtype=torch.bfloat16):
        picture = model.look(image)
        hidden = model.hidden(batch.ids, batch.position, picture, mask=seen(batch))[0]
        rows, places = torch.nonzero(batch.targets != IGNORE, as_tuple=True)
        logits = model.asked_logits(hidden, picture, rows, places)
        said = model.dense(picture.cells)
    grid, word = token_loss(logits, batch, model.config.n)
    return {"grid": grid, "word": word, "dense": dense_loss(said, batch)}


def optimiser(model: Nano, rate: float) -> torch.optim.AdamW:
    """AdamW; the pretrained backbone learns at a third of the rate, norms and embeddings do not decay."""
    groups = []
    for parameters, scale in ((model.eye.backbone.parameters(), 0.33), (_others(model), 1.0)):
        learned = [p for p in parameters if p.requires_grad]
        for decay in (True, False):
            chosen = [p for p in learned if (p.ndim >= 2 and p is not model.embedding.weight) == decay]
            groups.append({"params": chosen, "scale": scale, "weight_decay": 0.03 if decay else 0.0})
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def _others(model: Nano) -> list[torch.nn.Parameter]:
    backbone = {id(p) for p in model.eye.backbone.parameters()}
    return [p for p in model.parameters() if id(p) not in backbone]


def schedule(progress: float, warm: float = 0.02) -> float:
    """Share of the rate at a share of the run: linear warm-up, then a cosine to 2 %."""
    if progress < warm:
        return max(1e-3, progress / warm)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


def train(args: argparse.Namespace) -> dict[str, float]:
    """Runs until the minutes or samples are spent; returns the last mean losses."""
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    config = NanoConfig(standard_vocabulary().size)
    model = Nano(config)
    model.eye.backbone.load_imagenet()
    model = model.to(device, memory_format=torch.channels_last)
    learn, ema = optimiser(model, args.rate), Ema(model, args.ema)
    if args.fresh:
        (args.out / "curve.jsonl").unlink(missing_ok=True)
    state = load_training(args.out, model, learn, ema) if not args.fresh else {}
    samples, spent = int(state.get("samples", 0)), float(state.get("seconds", 0.0))
    feed = Feed((config.width, config.height), args.batch, start=samples + args.first_seed, photos=not args.no_photos)
    began = time.monotonic()
    mean: dict[str, float] = {}
    shown = saved = began
    waited = 0.0
    stream = batches(feed, args.workers)
    torch.set_num_threads(args.threads or torch.get_num_threads())
    while True:
        seconds = spent + time.monotonic() - began
        progress = max(seconds / (60 * args.minutes) if args.minutes else 0.0,
                       samples / args.samples if args.samples else 0.0)  # fmt: skip
        if progress >= 1.0:
            break
        for group in learn.param_groups:
            group["lr"] = args.rate * group["scale"] * schedule(progress)
        asked = time.monotonic()
        batch = Batch(*(tensor.to(device, non_blocking=True) for tensor in next(stream)))
        waited += time.monotonic() - asked
        parts = losses(model, batch)
        loss = parts["grid"] + parts["word"] + args.dense_weight * parts["dense"]
        if not torch.isfinite(loss):
            raise GetokError(
                f"loss is {loss.item()} after {samples} samples: the last good checkpoint is in {args.out}"
            )
        learn.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        learn.step()
        ema.update(model)
        samples += args.batch
        for name, value in parts.items():
            mean[name] = 0.98 * mean.get(name, value.item()) + 0.02 * value.item()
        now = time.monotonic()
        if now - shown > args.show_s:
            shown = now
            _show(args.out, samples, spent + now - began, waited / (now - began), progress, mean)
        if now - saved > args.save_s:
            saved = now
            save_training(args.out, model, learn, ema, {"samples": samples, "seconds": spent + now - began}, config)
    save_training(
        args.out, model, learn, ema, {"samples": samples, "seconds": spent + time.monotonic() - began}, config
    )
    return {**mean, "samples": samples}


def _show(out: Path, samples: int, seconds: float, waited: float, progress: float, mean: dict[str, float]) -> None:
    record = {"samples": samples, "seconds": round(seconds, 1), "rate": round(samples / seconds, 2),
              "waiting": round(waited, 3), "progress": round(progress, 4),
              **{name: round(value, 4) for name, value in mean.items()}}  # fmt: skip
    print(json.dumps(record), flush=True)
    with (out / "curve.jsonl").open("a") as curve:
        curve.write(json.dumps(record) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/nano"), help="folder of checkpoints; resumed when it has one"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="wall time of the whole run, resumed parts included")
    parser.add_argument("--samples", type=int, default=0, help="images of the whole run")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--ema", type=float, default=0.998, help="decay of the averaged weights, per step")
    parser.add_argument("--dense-weight", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the network; 0 leaves torch's choice")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first-seed", type=int, default=2_000_000, help="number of the first sample")
    parser.add_argument("--no-photos", action="store_true", help="synthetic scenes only, no GETOK_DATA needed")
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    parser.add_argument("--show-s", type=float, default=20.0, help="seconds between progress lines")
    parser.add_argument("--save-s", type=float, default=240.0, help="seconds between checkpoints")
    parser.add_argument("--smoke", action="store_true", help="a minute on a CPU: 24 small batches, loss must fall")
    args = parser.parse_args()
    if args.smoke:
        args.samples, args.batch, args.no_photos, args.fresh, args.workers, args.show_s = 96, 4, True, True, 0, 0.0
    if not args.minutes and not args.samples:
        parser.error("give --minutes or --samples: how long to train")
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(train(args)))
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")
    if args.smoke:
        curve = [json.loads(line) for line in (args.out / "curve.jsonl").read_text().splitlines()]
        first, last = (sum(record[part] for part in ("grid", "word", "dense")) for record in (curve[0], curve[-1]))
        print(f"smoke: loss {first:.2f} -> {last:.2f}")
        if not last < first:
            parser.exit(1, "getok: the loss did not fall\n")


if __name__ == "__main__":
    main()
