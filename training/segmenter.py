"""The nano segmenter: SAM 2's architecture with 0.8 M parameters, trained on the world's own masks.

`python -m training.segmenter --out runs/segmenter --minutes 3`, resumed by the same command, also with another --side:
no weight depends on it. Points and boxes in, one mask out; export_segmenter writes it as ONNX. Needs transformers.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from getok_core.errors import GetokError, ModelError

from .checkpoint import Ema, replaced
from .held_out_masks import HeldOut
from .light import relit
from .pool import Filler, Shelf
from .prompts import SIZE, Prompted, PromptFeed
from .sft import schedule

if TYPE_CHECKING:
    from transformers import Sam2Config

WEIGHTS, STATE = "segmenter.safetensors", "state.json"
_MEAN, _SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def nano_config(size: int = SIZE, wide: int = 24) -> Sam2Config:
    """SAM 2 with one to three blocks a stage and `wide` channels at the first."""
    from transformers import Sam2Config

    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": wide, "num_attention_heads": 1,
        "image_size": [size, size], "patch_kernel_size": [7, 7], "patch_stride": [4, 4], "patch_padding": [3, 3],
        "query_stride": [2, 2], "window_positional_embedding_background_size": [7, 7], "num_query_pool_stages": 3,
        "blocks_per_stage": [1, 1, 3, 1], "embed_dim_per_stage": [wide, 2 * wide, 4 * wide, 8 * wide],
        "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [8, 4, 14, 7],
        "global_attention_blocks": [3], "mlp_ratio": 3.0,
    }  # fmt: skip
    vision = {
        "model_type": "sam2_vision_model", "backbone_config": backbone, "fpn_hidden_size": 64,
        "backbone_channel_list": [8 * wide, 4 * wide, 2 * wide, wide],
        "backbone_feature_sizes": [[size // stride, size // stride] for stride in (4, 8, 16)],
    }  # fmt: skip
    return Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 64, "image_size": size, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 64, "mlp_dim": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                             "iou_head_hidden_dim": 64, "dynamic_multimask_via_stability": False},
    )  # fmt: skip


class Segmenter(nn.Module):
    """Images and prompts -> logits of masks a quarter of the image's side, and how good each is thought to be."""

    def __init__(self, side: int = SIZE) -> None:
        super().__init__()
        self.side = side
        try:
            from transformers import Sam2Model
        except ImportError:
            raise ModelError("the segmenter needs transformers: pip install 'getok_ros[training]'") from None
        self.sam = Sam2Model(nano_config(side))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD).view(1, 3, 1, 1), persistent=False)

    def look(self, image: Tensor) -> list[Tensor]:
        """(B, 3, side, side) 0..255 -> features of strides 4, 8 and 16."""
        # What Sam2Model.get_image_embeddings does, but for its no_grad, which would leave the encoder untrained.
        seen = self.sam.get_image_features((image - self.mean) / self.spread, return_dict=True)
        *fine, coarse = seen.fpn_hidden_states
        maps = [*fine, coarse + self.sam.no_memory_embedding]
        sizes = self.sam.backbone_feature_sizes
        return [one.permute(1, 2, 0).reshape(len(image), -1, *size) for one, size in zip(maps, sizes, strict=True)]

    def decide(self, features: list[Tensor], points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """points (B, K, P, 2) in pixels, labels (B, K, P) -> logits (B, K, side / 4, side / 4), quality (B, K)."""
        out = self.sam(image_embeddings=features, input_points=points, input_labels=labels, multimask_output=False)
        return out.pred_masks[:, :, 0], out.iou_scores[:, :, 0]

    def forward(self, image: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.decide(self.look(image), points, labels)


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
        self.ema, self.seconds, self.samples = Ema(self.model, args.ema), 0.0, 0
        self.held_out = HeldOut(args.held_out)
        self.mean: Tensor | None = None
        if (args.out / WEIGHTS).is_file():
            state = json.loads((args.out / STATE).read_text())
            self.seconds, self.samples, self.ema.updates = state["seconds"], state["samples"], state["updates"]
            self.model.load_state_dict(load_file(str(args.out / WEIGHTS)))
            self.ema.weights = {name: p.detach().clone() for name, p in self.model.named_parameters()}

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
