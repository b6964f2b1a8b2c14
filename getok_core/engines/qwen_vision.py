"""Qwen2.5-VL's vision tower with all windows of a layer in one attention call.

The library calls attention window by window. Windows are rows of one batch here; where the view does not divide into
equal ones (840 pixels do not, 896 do) the short ones are padded and what pads them is masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..lattice import Size
from .qwen_pixels import Pixels


class _Block(NamedTuple):
    norm1: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    out_bias: Tensor
    norm2: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor
    down: Tensor
    down_bias: Tensor


@dataclass(frozen=True, eq=False)
class Windows:
    """How patches lie in windows: N patches in window order, W windows of at most `longest` patches."""

    order: Tensor
    """(N / 4,) merged tokens, four patches each, in window order"""
    back: Tensor
    """(N / 4,) the inverse of order"""
    place: Tensor | None
    """(W * longest,) index of a patch, 0 where padded; None when windows are equal"""
    held: Tensor | None
    """(N,) where each patch stands in `place`"""
    seen: Tensor | None
    """(W, 1, 1, longest) True for what is no padding"""
    count: int
    longest: int


def windows_of(columns: int, rows: int, side: int, device: torch.device) -> Windows:
    """A grid of merged tokens and the side of a window in them -> how its patches lie in windows."""
    index = torch.arange(rows * columns).view(rows, columns)
    corners = [(top, left) for top in range(0, rows, side) for left in range(0, columns, side)]
    parts = [index[top : top + side, left : left + side].reshape(-1) for top, left in corners]
    order, longest = torch.cat(parts), 4 * max(map(len, parts))
    back = torch.argsort(order).to(device)
    if all(4 * len(part) == longest for part in parts):
        return Windows(order.to(device), back, None, None, None, len(parts), longest)
    place = torch.zeros(len(parts), longest, dtype=torch.int64)
    seen = torch.zeros(len(parts), longest, dtype=torch.bool)
    start = 0
    for row, part in enumerate(parts):
        size = 4 * len(part)
        place[row, :size], seen[row, :size] = torch.arange(start, start + size), True
        start += size
    held = torch.nonzero(seen.view(-1))[:, 0]
    return Windows(order.to(device), back, place.view(-1).to(device), held.to(device),
                   seen[:, None, None].to(device), len(parts), longest)  # fmt: skip


class QwenVision:
    """Images of one size -> visual tokens. Weights are those of the library's module, not copies of them."""

    def __init__(self, tower: nn.Module, view: Size, pixels: Pixels):
        """tower: the library's vision model; view: width and height in pixels. Raises ModelError as Pixels.grid."""
        source: Any = tower
        c = source.config
        self.patch, self.merge, self.heads, self.eps = pixels.patch, pixels.merge, c.num_heads, 1e-6
        self.full = frozenset(c.fullatt_block_indexes)
        self.view = view
        stem = source.patch_embed.proj.weight
        self.device, self.dtype = stem.device, stem.dtype
        # Both frames of a still image are the same, so their kernels add up.
        self.stem = stem.detach().float().sum(2).flatten(1).to(self.dtype)
        self.blocks = [_block(block) for block in source.blocks]
        self._through = self._one
        self.merger = source.merger
        _, rows, columns = pixels.grid(view)
        self.columns, self.rows = columns // self.merge, rows // self.merge
        """merged tokens across and down"""
        self.windows = windows_of(self.columns, self.rows, c.window_size // self.merge // self.patch, self.device)
        self.cos, self.sin = self._turns(source)
        self._mean, self._spread = (
            (255 * torch.tensor(values, device=self.device)).view(3, 1, 1) for values in (pixels.mean, pixels.std)
        )

    @property
    def tokens(self) -> int:
        """visual tokens of one image"""
        return self.columns * self.rows

    def _turns(self, source: Any) -> tuple[Tensor, Tensor]:
        """Rotary cosines and sines of the patches in window order, (N, 1, d)."""
        m = self.merge
        y, x = torch.meshgrid(torch.arange(self.rows * m), torch.arange(self.columns * m), indexing="ij")
        at = torch.stack([self._by_token(y), self._by_token(x)], dim=-1).to(self.device)
        at = at[self.windows.order].reshape(-1, 2)
        cos, sin = source.rotary_pos_emb(torch.zeros(1, device=self.device), at)
        return cos[:, None].float(), sin[:, None].float()

    def _by_token(self, grid: Tensor) -> Tensor:
        """(rows m, columns m, ...) -> (rows * columns, m * m, ...): patches of one merged token side by side."""
        m = self.merge
        parts = grid.reshape(self.rows, m, self.columns, m, *grid.shape[2:])
        return parts.transpose(1, 2).reshape(self.rows * self.columns, m * m, *grid.shape[2:])

    @torch.no_grad()
    def look(self, image: Tensor) -> Tensor:
        """(H, W, 3) uint8 of the view -> (tokens, width of the language model), row by row."""
        pixels = ((image.permute(2, 0, 1).float() - self._mean) / self._spread).to(self.dtype)
        p, m = self.patch, self.merge
        grid = pixels.reshape(3, self.rows * m, p, self.columns * m, p).permute(1, 3, 0, 2, 4).flatten(2)
        x = (self._by_token(grid)[self.windows.order].flatten(0, 1)) @ self.stem.T
        for index, block in enumerate(self.blocks):
            x = self._through(x, block, index in self.full)
        return self.merger(x)[self.windows.back]

    def compile(self) -> None:
        """Lets torch fuse what lies between a block's products; the first call then takes long."""
        self._through = torch.compile(self._one)

    def _one(self, x: Tensor, block: _Block, whole: bool) -> Tensor:
        """(N, D) -> (N, D): one block."""
        x = x + self._attend(F.rms_norm(x, x.shape[-1:], block.norm1, self.eps), block, whole)
        hidden = F.linear(F.rms_norm(x, x.shape[-1:], block.norm2, self.eps), block.gate_up, block.gate_up_bias)
        gate, up = hidden.chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, block.down, block.down_bias)

    def _attend(self, x: Tensor, block: _Block, whole: bool) -> Tensor:
        """(N, D) -> (N, D): every patch sees its window, in a few layers the whole image."""
        qkv = F.linear(x, block.qkv, block.qkv_bias).view(len(x), 3, self.heads, -1)
        turned = _turned(qkv[:, :2].float(), self.cos[:, None], self.sin[:, None]).to(x.dtype)
        q, k, v = turned[:, 0], turned[:, 1], qkv[:, 2]
        w = self.windows
        if whole:
            mixed = _attention(q[None], k[None], v[None], None)[0]
        elif w.place is None or w.held is None:
            q, k, v = (part.reshape(w.count, w.longest, self.heads, -1) for part in (q, k, v))
            mixed = _attention(q, k, v, None).flatten(0, 1)
        else:
            q, k, v = (part[w.place].view(w.count, w.longest, self.heads, -1) for part in (q, k, v))
            mixed = _attention(q, k, v, w.seen).flatten(0, 1)[w.held]
        return F.linear(mixed.flatten(1), block.out, block.out_bias)


def _attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
    """(B, T, heads, d) each -> the same; seen (B, 1, 1, T)."""
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, halves of the channels paired."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-b, a], dim=-1) * sin


def _block(source: Any) -> _Block:
    gate_up, gate_up_bias = fuse([source.mlp.gate_proj, source.mlp.up_proj])
    attention, down = source.attn, source.mlp.down_proj
    weights = (
        source.norm1.weight, attention.qkv.weight, attention.qkv.bias, attention.proj.weight, attention.proj.bias,
        source.norm2.weight, gate_up, gate_up_bias, down.weight, down.bias,
    )  # fmt: skip
    return _Block(*(weight.detach() for weight in weights))


def fuse(layers: list[Any]) -> tuple[Tensor, Tensor]:
    """Linear layers with one input -> their weights and biases, stacked; the layers then look into the stacks.

    Without biases the second tensor is empty.
    """
    stacks: list[Tensor] = []
    for name in ("weight", "bias"):
        parts = [getattr(layer, name) for layer in layers]
        if parts[0] is None:
            stacks.append(torch.empty(0))
            continue
        if (stacked := _stacked(parts)) is not None:
            stacks.append(stacked)
            continue
        stack, start = torch.cat([part.detach() for part in parts]), 0
        for part in parts:
            part.data = stack[start : start + len(part)]
            start += len(part)
        stacks.append(stack)
    return stacks[0], stacks[1]


def _stacked(parts: list[Tensor]) -> Tensor | None:
    """The stack that the parts already look into, or None where they lie apart."""
    storage, end = parts[0].untyped_storage().data_ptr(), parts[0].data_ptr()
    for part in parts:
        if not part.is_contiguous() or part.untyped_storage().data_ptr() != storage or part.data_ptr() != end:
            return None
        end += part.nbytes
    rows = sum(len(part) for part in parts)
    return parts[0].detach().as_strided((rows, *parts[0].shape[1:]), parts[0].stride())
