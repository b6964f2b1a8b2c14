"""A line's slope is found, its interval holds it as often as it says, and noise alone has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.metrics.slope import BLOCKS, slope


@given(rise=st.floats(-1e3, 1e3), start=st.floats(-1e3, 1e3), count=st.integers(BLOCKS, 200))
def test_a_straight_line_has_its_slope_and_no_doubt(rise, start, count):
    times = np.linspace(0, 3, count)
    found = slope(times, start + rise * times)
    assert found.value == pytest.approx(rise, abs=1e-6)
    assert found.high - found.low == pytest.approx(0, abs=1e-4)


def test_the_interval_holds_the_truth_nineteen_times_in_twenty():
    times, held = np.linspace(0, 1, 240), 0
    for seed in range(400):
        found = slope(times, 2 * times + np.random.default_rng(seed).normal(0, 1, 240))
        held += found.low <= 2 <= found.high
    assert 365 <= held <= 395


def test_order_does_not_matter_and_too_little_says_nothing():
    rng = np.random.default_rng(0)
    times, values = rng.random(60), rng.random(60)
    mixed = rng.permutation(60)
    assert slope(times, values) == pytest.approx(slope(times[mixed], values[mixed]))
    assert np.isnan(slope(times[: BLOCKS - 1], values[: BLOCKS - 1])).all()
    assert np.isnan(slope(np.ones(60), values)).all()
    with pytest.raises(ValueError, match="one value a time"):
        slope(times, values[1:])
