"""The nano network: an image and a sequence of language tokens -> the next token, read against the picture.

A convolutional backbone gives a few visual tokens, which open the sequence, and one feature for each cell. A grid token
is bound to the picture through that feature: as input it carries the feature of its cell, as output its logit adds the
match between the hidden state and the feature of its cell. All else is a small decoder of Qwen2.5's kind.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..vocabulary import GRID_START
from .nano_backbone import CHANNELS, Conv, Lite0

DENSE = ("lane", "drivable", "obstacle", "sign", "light")
"""what the training-only dense head says of every cell"""


@dataclass(frozen=True)
class NanoConfig:
    """Sizes of the network; travels in checkpoints."""

    vocabulary_size: int
    n: int = 32
    width: int = 512
    height: int = 256
    dim: int = 256
    layers: int = 5
    heads: int = 4
    hidden: int = 640
    neck: int = 96
    fine: int = 16
    """channels of stride 4 that a cell sees"""
    frozen_blocks: int = 3
    frozen_kernels: bool = True
    """depthwise kernels keep their ImageNet weights: their gradients take half of a step on a CPU"""
    bound: bool = True
    """grid tokens are bound to the picture; False leaves them ordinary embeddings (ablation)"""

    def to_json(self) -> dict[str, int | bool]:
        return asdict(self)


class Picture(NamedTuple):
    """An image, encoded: all that reading tokens over it needs."""

    prefix: list[tuple[Tensor, Tensor]]
    """keys and values of the visual tokens in each layer, (B, heads, P, d)"""
    cells: Tensor
    """(B, n * n, dim) what each cell looks like, row by row"""
    carried: Tensor
    """(B, n * n, dim) what a grid token brings into the sequence"""
    matched: Tensor
    """(B, n * n, dim) what a state is compared with to name a cell"""


class RMSNorm(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight).to(x.dtype)


def rotate(x: Tensor, position: Tensor) -> Tensor:
    """Rotary positions: x (B, heads, T, d), position (B, T) -> x turned by its position."""
    half = x.shape[-1] // 2
    frequency = torch.exp(torch.arange(half, device=x.device) * (-math.log(10000.0) / half))
    angle = position[:, None, :, None].float() * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Layer(nn.Module):
    """Self-attention over a shared prefix and the sequence so far, then SwiGLU."""

    def __init__(self, config: NanoConfig):
        super().__init__()
        self.heads = config.heads
        self.norm1, self.norm2 = RMSNorm(config.dim), RMSNorm(config.dim)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim, bias=False)
        self.gate_up = nn.Linear(config.dim, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.dim, bias=False)
        for into in (self.out, self.down):
            nn.init.normal_(into.weight, std=0.02 / math.sqrt(2 * config.layers))

    def forward(self, x: Tensor, position: Tensor, prefix: tuple[Tensor, Tensor] | None,
                past: tuple[Tensor, Tensor] | None, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """x (B, T, dim); prefix k, v (1 or B, heads, P, d); past k, v (B, heads, S, d); mask (B, T, S + T), True: seen.

        Returns x and the keys and values of past and x together. The prefix is seen whole and never copied per row.
        """
        batch, length, dim = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, position) / math.sqrt(dim // self.heads), rotate(k, position)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        scores = q @ k.transpose(-1, -2)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -1e9)
        if prefix is None:
            mixed = scores.softmax(-1) @ v
        else:
            size = prefix[0].shape[2]
            weights = torch.cat([q @ prefix[0].transpose(-1, -2), scores], dim=-1).softmax(-1)
            mixed = weights[..., :size] @ prefix[1] + weights[..., size:] @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, dim))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up), k, v


def plane_waves(columns: int, rows: int, dim: int) -> Tensor:
    """2-D sinusoids over a lattice: (rows * columns, dim), row by row; half the channels for x, half for y."""
    quarter, device = dim // 4, torch.get_default_device()  # named: transformers changes what linspace defaults to
    frequency = math.pi * torch.exp(torch.linspace(0.0, math.log(max(columns, rows)), quarter, device=device))
    x = (torch.arange(columns) + 0.5)[None, :, None] / columns * frequency
    y = (torch.arange(rows) + 0.5)[:, None, None] / rows * frequency
    x, y = x.expand(rows, columns, quarter), y.expand(rows, columns, quarter)
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=-1).reshape(rows * columns, -1)


class Eye(nn.Module):
    """image -> visual tokens (B, P, dim), and what each cell looks like (B, n * n, 3 neck), row by row."""

    def __init__(self, config: NanoConfig):
        super().__init__()
        self.config, c = config, config.neck
        self.backbone = Lite0(config.frozen_blocks, config.frozen_kernels)
        self.lateral = nn.ModuleList([Conv(inputs, c, 1, relu=False) for inputs in CHANNELS[1:]])
        self.smooth16 = Conv(c, c, 3)
        self.smooth8 = nn.Sequential(Conv(c, c, 3), Conv(c, c, 3))
        self.fine = Conv(CHANNELS[0], config.fine, 1)
        n = config.n
        if any(side % (4 * n) or side % 32 for side in (config.height, config.width)):
            raise ValueError(f"input {config.width} x {config.height}: give multiples of 32 and of 4 n = {4 * n}")
        self.finer = 2 if config.height % (8 * n) or config.width % (8 * n) else 1
        self.tall, self.wide = config.height * self.finer // 8 // n, config.width * self.finer // 8 // n
        self.tall4, self.wide4 = config.height // 4 // n, config.width // 4 // n
        seen = c * self.tall * self.wide + config.fine * self.tall4 * self.wide4
        self.cells = nn.Linear(seen, config.dim)
        self.tokens = nn.Linear(2 * c, config.dim)
        columns, rows = config.width // 32, config.height // 32
        self.register_buffer("waves", plane_waves(columns, rows, config.dim), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image (B, 3, H, W) 0..255 -> visual tokens (B, P, dim), cells (B, n * n, dim)."""
        c4, c8, c16, c32 = self.backbone(image)
        p32 = self.lateral[2](c32)
        p16 = self.smooth16(self.lateral[1](c16) + F.interpolate(p32, scale_factor=2.0, mode="nearest"))
        p8 = self.smooth8(self.lateral[0](c8) + F.interpolate(p16, scale_factor=2.0, mode="nearest"))
        tokens = self.tokens(torch.cat([p32, F.avg_pool2d(p16, 2)], dim=1).flatten(2).transpose(1, 2)) + self.waves
        if self.finer > 1:
            p8 = F.interpolate(p8, scale_factor=float(self.finer), mode="nearest")
        fine = per_cell(self.fine(c4), self.tall4, self.wide4)
        cells = self.cells(torch.cat([per_cell(p8, self.tall, self.wide), fine], dim=-1))
        return tokens, cells


def per_cell(x: Tensor, tall: int, wide: int) -> Tensor:
    """(B, C, n * tall, n * wide) -> (B, n * n, C * tall * wide): all features that lie under a cell."""
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // tall, tall, width // wide, wide).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(batch, (height // tall) * (width // wide), channels * tall * wide)


class Nano(nn.Module):
    """The whole network. `look` encodes an image once; `read` runs tokens over it."""

    def __init__(self, config: NanoConfig):
        super().__init__()
        self.config = config
        self.eye = Eye(config)
        self.embedding = nn.Embedding(config.vocabulary_size, config.dim)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.norm = RMSNorm(config.dim)
        self.cell_norm = RMSNorm(config.dim)
        self.cell_in = nn.Linear(config.dim, config.dim, bias=False)
        self.cell_out = nn.Linear(config.dim, config.dim, bias=False)
        self.dense = nn.Linear(config.dim, len(DENSE))
        nn.init.normal_(self.embedding.weight, std=0.02)
        with torch.no_grad():
            waves = plane_waves(config.n, config.n, config.dim)
            self.embedding.weight[GRID_START : GRID_START + config.n**2] = 0.05 * waves

    def look(self, image: Tensor) -> Picture:
        """image (B, 3, H, W) 0..255 -> the picture that `hidden` and `logits` read over."""
        return self.understood(*self.eye(image))

    def understood(self, x: Tensor, cells: Tensor) -> Picture:
        """What the eye saw, visual tokens (B, P, dim) and cells (B, n * n, dim) -> the picture."""
        position = torch.arange(x.shape[1], device=x.device)[None].expand(x.shape[0], -1)
        prefix: list[tuple[Tensor, Tensor]] = []
        for layer in self.layers:
            x, k, v = layer(x, position, None, None, None)
            prefix.append((k, v))
        cells = self.cell_norm(cells)
        return Picture(prefix, cells, self.cell_in(cells), self.cell_out(cells) / math.sqrt(self.config.dim))

    def hidden(
        self,
        ids: Tensor,
        position: Tensor,
        picture: Picture,
        past: list[tuple[Tensor, Tensor]] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """ids, position (B, T); mask (B, T, S + T), True: seen -> states (B, T, dim), keys and values.

        Positions count from the first text token; the visual tokens stand before it. One image's picture serves any B.
        """
        x = self.embedding(ids).to(picture.carried.dtype)
        if self.config.bound:
            x = x + self._carried(ids, picture)
        position = position + picture.prefix[0][0].shape[2]
        present: list[tuple[Tensor, Tensor]] = []
        for index, layer in enumerate(self.layers):
            x, k, v = layer(x, position, picture.prefix[index], None if past is None else past[index], mask)
            present.append((k, v))
        return self.norm(x), present

    def _carried(self, ids: Tensor, picture: Picture) -> Tensor:
        """(B, T, dim) what each grid token brings from the picture, 0 for other tokens."""
        cell = ids.long() - GRID_START
        grid = (cell >= 0) & (cell < self.config.n**2)
        carried = picture.carried.expand(ids.shape[0], -1, -1)
        cell = cell.clamp(0, self.config.n**2 - 1)[..., None].expand(-1, -1, carried.shape[-1])
        return torch.gather(carried, 1, cell) * grid[..., None]

    def logits(self, hidden: Tensor, picture: Picture) -> Tensor:
        """States (B, T, dim) -> logits (B, T, V): the tied head, and for grid tokens the match with their cell."""
        logits = F.linear(hidden, self.embedding.weight.to(hidden.dtype))
        if not self.config.bound:
            return logits
        pointed = hidden @ picture.matched.transpose(-1, -2)
        start, end = GRID_START, GRID_START + self.config.n**2
        return torch.cat([logits[..., :start], logits[..., start:end] + pointed, logits[..., end:]], dim=-1)
