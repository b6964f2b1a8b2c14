"""Qwen2.5-VL's language model over a shared prefix: one image's keys and values serve every sequence about it.

Sequences are rows of a cache of fixed size beside the prefix. Attention reads the prefix once for all rows, and keys
and values of a group of heads once for the group: neither is ever repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .eight_bit import Weight, eight_bit, product
from .qwen_vision import fuse


class LayerWeights(NamedTuple):
    norm1: Tensor
    qkv: Weight
    qkv_bias: Tensor
    out: Weight
    norm2: Tensor
    gate_up: Weight
    down: Weight


@dataclass(frozen=True, eq=False)
class Cache:
    """Keys and values of every layer: (layers, rows, groups, places, d) each."""

    keys: Tensor
    values: Tensor

    def part(self, rows: int, places: int) -> Cache:
        """The first rows and places, the same memory."""
        return Cache(self.keys[:, :rows, :, :places], self.values[:, :rows, :, :places])


class Write(NamedTuple):
    """Where keys and values of tokens (B, T) go."""

    cache: Cache
    rows: Tensor
    """(B, T)"""
    places: Tensor
    """(B, T)"""
    read_back: bool
    """tokens of batch row b then see what row b of the cache holds, else each other"""


class QwenLanguage:
    """The decoder. Weights are those of the library's module, not copies of them."""

    def __init__(self, model: nn.Module, head: Tensor, most_positions: int):
        """model: the library's text model; head (rows, D); most_positions: how many rotary positions are prepared."""
        source: Any = model
        c = source.config
        self.heads, self.groups, self.eps = c.num_attention_heads, c.num_key_value_heads, c.rms_norm_eps
        self.width, self.d = c.hidden_size, c.hidden_size // c.num_attention_heads
        self.embedding: Tensor = source.embed_tokens.weight.detach()
        self.device, self.dtype = self.embedding.device, self.embedding.dtype
        self.head, self.norm = head.detach(), source.norm.weight.detach()
        self.tied = head is source.embed_tokens.weight
        """head and embedding are one"""
        self.layers: list[LayerWeights] = [_layer(layer) for layer in source.layers]
        self._rotary = source.rotary_emb
        self._into, self._attend, self._out_of = self._heads, attend, self._rest
        every = torch.arange(most_positions, device=self.device)
        self.cos, self.sin = self.turns(every.expand(3, -1))
        """of text, whose three positions are equal: (most_positions, d)"""

    def turns(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Positions in time, height and width (3, N) -> rotary cosines and sines (N, d)."""
        cos, sin = self._rotary(torch.zeros(1, device=self.device, dtype=self.dtype), position[:, None])
        return cos[0], sin[0]

    def compile(self) -> None:
        """Lets torch fuse what lies between the products; the first calls of every shape then take long."""
        self._into, self._out_of = torch.compile(self._heads), torch.compile(self._rest)
        self._attend = torch.compile(attend)

    def shrink(self) -> None:
        """Rounds the weights of all layers to 8 bits; embedding and head stay. Graphs have to be made anew.

        A layer's larger weights are freed before the next is rounded, unless the library's model is held elsewhere.
        """
        for index, layer in enumerate(self.layers):
            small = {name: eight_bit(getattr(layer, name)) for name in ("qkv", "out", "gate_up", "down")}
            self.layers[index] = layer._replace(**small)

    def cache(self, rows: int, places: int) -> Cache:
        """An empty cache."""
        shape = len(self.layers), rows, self.groups, places, self.d
        return Cache(*(torch.zeros(shape, device=self.device, dtype=self.dtype) for _ in range(2)))

    @torch.no_grad()
    def open(self, x: Tensor, cos: Tensor, sin: Tensor, prefix: Cache) -> None:
        """Embeddings (P, D) with their turns (P, d), each seeing those before it -> fills the prefix, of one row."""
        x = x[None]
        for index, layer in enumerate(self.layers):
            q, k, v = self._into(x, layer, cos, sin)
            prefix.keys[index], prefix.values[index] = k, v
            if layer is self.layers[-1]:
                break  # later tokens see keys and values; nobody reads what the last layer makes of them
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads > self.groups)
            x = self._out_of(x, mixed, layer)

    @torch.no_grad()
    def read(self, ids: Tensor, position: Tensor, prefix: Cache, seen: Tensor, write: Write | None = None) -> Tensor:
        """Tokens over the prefix -> states (B, T, D), normed.

        ids, position (B, T) base ids and rotary positions. Keys and values go where `write` says. seen is (B, T, T)
        where tokens see each other, or (B, T, places) where they see what the cache holds of their row.
        """
        x = F.embedding(ids, self.embedding)
        cos, sin = self.cos[position], self.sin[position]
        for index, layer in enumerate(self.layers):
            q, k, v = self._into(x, layer, cos, sin)
            if write is not None:
                keys, values = write.cache.keys[index], write.cache.values[index]
                keys[write.rows, :, write.places] = k.transpose(1, 2)
                values[write.rows, :, write.places] = v.transpose(1, 2)
                if write.read_back:
                    k, v = keys[: len(ids)], values[: len(ids)]
            mixed = self._attend(q, prefix.keys[index, 0], prefix.values[index, 0], k, v, seen)
            x = self._out_of(x, mixed, layer)
        return F.rms_norm(x, (self.width,), self.norm, self.eps)

    def _heads(self, x: Tensor, layer: LayerWeights, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, T, D) -> queries (B, heads, T, d), keys and values (B, groups, T, d); cos, sin (.., T, d)."""
        batch, length, _ = x.shape
        qkv = product(F.rms_norm(x, (self.width,), layer.norm1, self.eps), layer.qkv, layer.qkv_bias)
        every = qkv.view(batch, length, -1, self.d).transpose(1, 2)
        both = self.heads + self.groups
        turned, v = every[:, :both], every[:, both:]
        cos, sin = cos.unsqueeze(-3), sin.unsqueeze(-3)
        half = self.d // 2
        turned = turned * cos + torch.cat([-turned[..., half:], turned[..., :half]], dim=-1) * sin
        return turned[:, : self.heads], turned[:, self.heads :], v

    def _rest(self, x: Tensor, mixed: Tensor, layer: LayerWeights) -> Tensor:
        """Adds attention's output (B, heads, T, d) and the gated layers to states (B, T, D)."""
        x = x + product(mixed.transpose(1, 2).flatten(2), layer.out)
        gate, up = product(F.rms_norm(x, (self.width,), layer.norm2, self.eps), layer.gate_up).chunk(2, dim=-1)
        return x + product(F.silu(gate) * up, layer.down)


def attend(q: Tensor, prefix_k: Tensor, prefix_v: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """q (B, heads, T, d) over a prefix (groups, P, d) seen whole and own k, v (B, groups, S, d) -> (B, heads, T, d).

    seen (B, T, S). Rows and the heads of a group are queries of one product with the prefix, which is read once.
    """
    batch, heads, length, d = q.shape
    groups, size = prefix_k.shape[0], prefix_k.shape[1]
    q = q.reshape(batch, groups, (heads // groups) * length, d) / math.sqrt(d)
    rows = q.transpose(0, 1).reshape(groups, -1, d)
    far = (rows @ prefix_k.transpose(1, 2)).view(groups, batch, -1, size).transpose(0, 1)
    near = (q @ k.transpose(2, 3)).view(batch, groups, heads // groups, length, -1)
    near = near.masked_fill(~seen[:, None, None], -math.inf).flatten(2, 3)
    weights = torch.cat([far, near], dim=-1).softmax(-1, dtype=torch.float32).to(q.dtype)
    far, near = weights[..., :size], weights[..., size:]
    mixed = (far.transpose(0, 1).reshape(groups, -1, size) @ prefix_v).view(groups, batch, -1, d).transpose(0, 1)
    return (mixed + near @ v).reshape(batch, heads, length, d)


def _layer(source: Any) -> LayerWeights:
    attention, mlp = source.self_attn, source.mlp
    qkv, bias = fuse([attention.q_proj, attention.k_proj, attention.v_proj])
    gate_up, _ = fuse([mlp.gate_proj, mlp.up_proj])
    rest = source.input_layernorm.weight, attention.o_proj.weight, source.post_attention_layernorm.weight
    norm1, out, norm2 = (weight.detach() for weight in rest)
    return LayerWeights(norm1, qkv, bias, out, norm2, gate_up, mlp.down_proj.weight.detach())
