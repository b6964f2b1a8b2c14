"""Products in 8 bits are nearly those in full precision, row by row."""

import pytest
import torch
from torch.nn import functional as F

from getok_core.engines.eight_bit import EightBit, eight_bit, product


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_is_off_by_a_few_percent(shape, dtype):
    torch.manual_seed(0)
    weight, bias = torch.randn(48, 64, dtype=dtype), torch.randn(48, dtype=dtype)
    x = torch.randn(*shape, 64, dtype=dtype) * torch.tensor([1e-3, 1.0, 1e3])[torch.randint(3, shape)][..., None].to(
        dtype
    )
    exact, found = F.linear(x, weight, bias), product(x, eight_bit(weight), bias)
    assert found.dtype == dtype and found.shape == exact.shape
    error = (found - exact).float().norm(dim=-1) / (exact - bias).float().norm(dim=-1).clamp(min=1)
    assert 0 < error.max() < 0.08, "every row by its own scale"


def test_rows_of_zeros_stay_zeros_and_full_weights_stay_exact():
    weight = torch.randn(16, 32)
    assert not product(torch.zeros(2, 32), eight_bit(weight)).any()
    x = torch.randn(3, 32)
    assert torch.equal(product(x, weight), F.linear(x, weight))


def test_a_weight_is_rounded_once_and_takes_a_byte():
    small = eight_bit(torch.randn(16, 32))
    assert isinstance(small, EightBit) and eight_bit(small) is small
    assert small.values.element_size() == 1
