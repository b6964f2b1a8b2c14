"""Other light and another lens for a sample drawn again: what changes the picture and not its truth, on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def relit(image: Tensor, random: torch.Generator | None = None) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float 0..255, channels last; gain, gamma, tint, blur and noise, each mild.

    Colours keep their names: tint moves a channel by at most 5 %.
    """
    count = len(image)

    def drawn(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1, device=image.device).uniform_(low, high, generator=random)

    x = image.permute(0, 3, 1, 2).float().div(255.0)
    x = x.clamp(min=1e-3).pow(drawn(0.8, 1.25)) * drawn(0.85, 1.15) * drawn(0.95, 1.05, 3) + drawn(-0.03, 0.03)
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.lerp(x, soft, drawn(-0.6, 0.6) * (drawn(0.0, 1.0) < 0.4))
    x = x + torch.randn(x.shape, device=x.device, generator=random) * drawn(0.0, 0.02)
    return x.clamp(0.0, 1.0).mul(255.0).contiguous(memory_format=torch.channels_last)
