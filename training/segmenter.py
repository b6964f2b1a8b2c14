"""The nano segmenter: SAM 2's architecture with 0.8 M parameters, trained on the world's own masks.

`python -m training.segmenter --out runs/segmenter --minutes 3`, resumed by the same command. Points and boxes in, one
mask out; export_segmenter writes it as ONNX. Needs transformers.
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
from .light import relit
from .pool import Filler, Shelf
from .prompts import SIZE, Prompted, PromptFeed
from .sft import schedule

if TYPE_CHECKING:
    from transformers import Sam2Config

FOCAL, DICE = 20.0, 1.0
"""weights of the two losses, as SAM has them"""
WEIGHTS = "segmenter.safetensors"
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

    def __init__(self) -> None:
        super().__init__()
        try:
            from transformers import Sam2Model
        except ImportError:
            raise ModelError("the segmenter needs transformers: pip install 'getok_ros[training]'") from None
        self.sam = Sam2Model(nano_config())
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD).view(1, 3, 1, 1), persistent=False)

    def look(self, image: Tensor) -> list[Tensor]:
        """(B, 3, SIZE, SIZE) 0..255 -> features of strides 4, 8 and 16."""
        return list(self.sam.get_image_embeddings((image - self.mean) / self.spread))

    def decide(self, features: list[Tensor], points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """points (B, K, P, 2) in pixels, labels (B, K, P) -> logits (B, K, SIZE / 4, SIZE / 4), quality (B, K)."""
        out = self.sam(image_embeddings=features, input_points=points, input_labels=labels, multimask_output=False)
        return out.pred_masks[:, :, 0], out.iou_scores[:, :, 0]

    def forward(self, image: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.decide(self.look(image), points, labels)


def mask_losses(logits: Tensor, quality: Tensor, masks: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K, H, W), truth (B, K, H, W) 0..1 -> the loss, and the mean IoU of what is asked (B, K)."""
    logits = logits.float()
    said = logits.sigmoid()
    right = said * masks + (1 - said) * (1 - masks)
    cross = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    focal = (cross * (1 - right) ** 2).mean((-1, -2))
    dice = 1 - (2 * (said * masks).sum((-1, -2)) + 1) / (said.sum((-1, -2)) + masks.sum((-1, -2)) + 1)
    drawn, truth = logits > 0, masks > 0.5
    iou = (drawn & truth).sum((-1, -2)) / (drawn | truth).sum((-1, -2)).clamp(min=1)
    loss = FOCAL * focal + DICE * dice + (quality.float() - iou) ** 2
    total = asked.sum().clamp(min=1)
    return (loss * asked).sum() / total, (iou * asked).sum() / total


def train(args: argparse.Namespace) -> dict[str, float]:
    """Runs until the minutes are spent; returns the last mean loss and IoU."""
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    model = Segmenter().to(device)
    learn = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.03)
    ema, spent, samples, drawn = Ema(model, args.ema), 0.0, 0, 0
    if (args.out / WEIGHTS).is_file():
        state = json.loads((args.out / "state.json").read_text())
        spent, samples, ema.updates = state["seconds"], state["samples"], state["updates"]
        model.load_state_dict(load_file(str(args.out / WEIGHTS)))
        ema.weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    feed = PromptFeed(args.first_seed + samples, backgrounds=not args.no_photos)
    loader = DataLoader(feed, None, num_workers=args.workers, multiprocessing_context="spawn" if args.workers else None)
    shelf: Shelf[Prompted] = Shelf(args.pool, device, args.seed)
    filler = Filler(iter(loader), pin=device.type == "cuda")
    filler.start()
    while len(shelf) < min(args.first, args.pool):
        filler.fill(shelf, wait=True)
    began = shown = time.monotonic()
    mean: Tensor | None = None
    while (seconds := spent + time.monotonic() - began) < 60 * args.minutes:
        filler.fill(shelf, wait=drawn >= args.reuse * shelf.added)
        for group in learn.param_groups:
            group["lr"] = args.rate * schedule(seconds / (60 * args.minutes))
        measured = _step(model, learn, ema, shelf.at(shelf.slots(args.batch)))
        samples, drawn = samples + args.batch, drawn + args.batch
        mean = measured if mean is None else torch.lerp(mean, measured, 0.02)
        if time.monotonic() - shown > args.show_s:
            shown = time.monotonic()
            _show(args.out, samples, seconds, mean)
    filler.stop()
    _show(args.out, samples, seconds, mean if mean is not None else torch.zeros(2))
    _save(args.out, ema, {"samples": samples, "seconds": seconds, "updates": ema.updates}, model)
    return {"samples": samples, "iou": float(mean[1]) if mean is not None else 0.0}


def _step(model: Segmenter, learn: torch.optim.Optimizer, ema: Ema, batch: Prompted) -> Tensor:
    image = relit(batch.image)
    with torch.autocast(image.device.type, dtype=torch.bfloat16):
        logits, quality = model(image, batch.points, batch.labels)
    loss, iou = mask_losses(logits, quality, batch.masks.float() / 255, batch.asked)
    learn.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    learn.step()
    ema.update(model)
    return torch.stack([loss.detach(), iou])


def _show(out: Path, samples: int, seconds: float, mean: Tensor) -> None:
    loss, iou = mean.tolist()
    record = {"samples": samples, "seconds": round(seconds, 1), "loss": round(loss, 4), "iou": round(iou, 4)}
    print(json.dumps(record), flush=True)
    with (out / "curve.jsonl").open("a") as curve:
        curve.write(json.dumps(record) + "\n")


def _save(out: Path, ema: Ema, state: dict[str, float], model: Segmenter) -> None:
    weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    weights.update({name: tensor.contiguous() for name, tensor in ema.weights.items()})
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise GetokError(f"weights are not finite after {state['samples']} samples: the last checkpoint is in {out}")
    replaced(out / WEIGHTS, lambda path: save_file(weights, path))
    replaced(out / "state.json", lambda path: Path(path).write_text(json.dumps(state)))


def load_segmenter(out: Path) -> Segmenter:
    """The averaged weights of a run, ready to use. Raises ModelError."""
    path = out / WEIGHTS
    if not path.is_file():
        raise ModelError(f"no segmenter at {path}: train one with python -m training.segmenter --out {out}")
    model = Segmenter()
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
    add("--device", default="cuda" if cuda else "cpu")
    add("--seed", type=int, default=0)
    add("--first-seed", type=int, default=12_000_000, help="seed of the first scene")
    add("--no-photos", action="store_true", help="no photographs behind scenes, no GETOK_DATA needed")
    add("--show-s", type=float, default=10.0, help="seconds between progress lines")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(train(args)))
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")


if __name__ == "__main__":
    main()
