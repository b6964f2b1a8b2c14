"""Products with weights in 8 bits (float8 e4m3): half the bytes, which is what a step of decoding waits for.

A weight has a scale for each output, an input one for each row, found when it comes. On a GPU that knows float8 (H100,
RTX 40 and later) one kernel multiplies; on a CPU torch does the same arithmetic slowly.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Union

import torch
from torch import Tensor
from torch.nn import functional as F

LARGEST = 448.0
"""of float8 e4m3"""


class EightBit(NamedTuple):
    """A weight matrix (outputs, inputs)."""

    values: Tensor
    """(outputs, inputs) float8"""
    scale: Tensor
    """(1, outputs) fp32"""


Weight = Union[Tensor, EightBit]


def eight_bit(weight: Weight) -> EightBit:
    """A weight (outputs, inputs), both multiples of 16, rounded to 8 bits."""
    if isinstance(weight, EightBit):
        return weight
    scale = _scale(weight)
    return EightBit((weight.float() / scale).to(torch.float8_e4m3fn), scale.T.contiguous())


def product(x: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
    """x (..., inputs) -> (..., outputs), as torch's linear; with a weight in 8 bits the input is rounded too."""
    if isinstance(weight, Tensor):
        return F.linear(x, weight, bias)
    rows = x.reshape(-1, x.shape[-1])
    scale = _scale(rows)
    rounded = (rows.float() / scale).to(torch.float8_e4m3fn)
    vendor: Any = torch
    # Sums of a few thousand products lose less in the GPU's fast registers than the inputs lost when they were rounded.
    out: Tensor = vendor._scaled_mm(rounded, weight.values.T, scale, weight.scale, out_dtype=torch.bfloat16,
                                    use_fast_accum=True)  # fmt: skip
    out = out.to(x.dtype).view(*x.shape[:-1], -1)
    return out if bias is None else out + bias


def _scale(rows: Tensor) -> Tensor:
    """(N, inputs) -> (N, 1) fp32 with which the largest of a row becomes the largest float8."""
    return (rows.abs().amax(1, keepdim=True).float() / LARGEST).clamp(min=1e-12)
