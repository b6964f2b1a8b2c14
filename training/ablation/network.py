"""The nano of an arm, and what it sees of an arm's images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from getok_core.engines.nano_network import Eye, Nano, NanoConfig, per_cell, plane_waves
from getok_core.engines.nano_torch import read_nano, write_nano
from getok_core.errors import DataError, ModelError
from training.imagenet import load_imagenet

from .arms import Arm
from .spelling import BINS, Bins
from .views import mark, pixels


class AnySizeEye(Eye):
    """The eye for inputs whose sides are any multiples of 32: features are stretched to the lattice, as images are."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image (B, 3, h, w) -> visual tokens (B, h w / 1024, dim), cells (B, n * n, dim)."""
        n, rows, columns = self.config.n, image.shape[2] // 32, image.shape[3] // 32
        c4, c8, c16, c32 = self.backbone(image)
        p32 = self.lateral[2](c32)
        p16 = self.smooth16(self.lateral[1](c16) + F.interpolate(p32, scale_factor=2.0, mode="nearest"))
        p8 = self.smooth8(self.lateral[0](c8) + F.interpolate(p16, scale_factor=2.0, mode="nearest"))
        seen = self.tokens(torch.cat([p32, F.avg_pool2d(p16, 2)], dim=1).flatten(2).transpose(1, 2))
        waves = plane_waves(columns, rows, self.config.dim).to(image.device)
        coarse = F.interpolate(p8, (n * self.tall, n * self.wide), mode="bilinear")
        fine = F.interpolate(self.fine(c4), (n * self.tall4, n * self.wide4), mode="bilinear")
        under = [per_cell(coarse, self.tall, self.wide), per_cell(fine, self.tall4, self.wide4)]
        return seen + waves, self.cells(torch.cat(under, dim=-1))


def network(arm: Arm, seed: int, imagenet: Path | None = None, **sizes: Any) -> Nano:
    """A fresh network, the same for the same seed but for what the arm changes. imagenet: as sft's option."""
    torch.manual_seed(seed)
    config = NanoConfig(arm.spelling.tokens, n=arm.spelling.n, width=arm.input[0], height=arm.input[1],
                        bound=arm.bound, **sizes)  # fmt: skip
    model = Nano(config)
    if arm.view == "dynamic":
        eye = AnySizeEye(config)
        eye.load_state_dict(model.eye.state_dict())
        model.eye = eye
    if isinstance(arm.spelling, Bins):
        # As grid rows do, bins begin as waves: neighbours begin alike.
        with torch.no_grad():
            model.embedding.weight[-BINS:] = 0.05 * plane_waves(BINS, 1, config.dim)
    load_imagenet(model.eye.backbone, imagenet)
    return model


def save(model: Nano, arm: Arm, folder: Path) -> None:
    """Writes an arm's network for load. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_nano(model, folder / f"{arm.name}.safetensors")
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error.strerror or error}; name a folder that can be written"
        ) from None


def load(arm: Arm, folder: Path) -> Nano:
    """A saved arm. Raises ModelError when it was not trained into that folder, or is of other sizes."""
    path = folder / f"{arm.name}.safetensors"
    if not path.is_file():
        raise ModelError(
            f"no arm at {path}: train it with python -m training.ablation --arms {arm.name} --out {folder}"
        )
    model = read_nano(path)
    size = model.config.width, model.config.height
    if (model.config.vocabulary_size, model.config.n, size) != (arm.spelling.tokens, arm.spelling.n, arm.input):
        raise ModelError(f"{path} was trained with another vocabulary or input than arm {arm.name} has: train it anew")
    return model


def shown(images: Tensor, arm: Arm, marker: Tensor) -> Tensor:
    """Images of one shape (B, 3, H, W), 0..255 -> the network's input (B, 3, h, w), markers (B, 4) drawn."""
    image = pixels(images, arm.view, arm.input)
    image = mark(image, marker) if arm.region == "marker" else image
    return image.contiguous(memory_format=torch.channels_last)
