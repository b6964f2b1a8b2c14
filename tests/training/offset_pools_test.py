"""Bands, the ordered pool rule and what is drawn from it: worked by hand on small masks, and checked cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.core.strategies  # noqa: F401, the hypothesis profile
from training.offset_pools import FAR, HARD, INSIDE, MOST, RING, bands, centres, draw_cells, pools_of

N = 16


def blank(height: int = 64, width: int = 64) -> np.ndarray:
    """64 x 64 pixels under 16 x 16 cells: centres lie on pixels 2, 6, 10 .., a step is 2 pixels."""
    return np.zeros((height, width), bool)


def test_bands_by_hand():
    mask = blank()
    mask[16:32, 16:32] = True
    eroded, dilated, boundary = bands(mask, 2.0)
    assert np.flatnonzero(eroded[20]).tolist() == list(range(17, 31)), "k_e = 3 takes a pixel on either side"
    assert np.flatnonzero(dilated[20]).tolist() == list(range(14, 34)), "k_d = 5 adds two"
    assert np.flatnonzero(boundary[20]).tolist() == [15, 16, 31, 32], "the gradient, and b = 1"


def test_an_even_kernel_is_anchored_up_and_left():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    eroded, _, _ = bands(mask, 13.125)
    assert np.flatnonzero(eroded.any(axis=0)).tolist() == list(range(17, 44)), "k_e = 14: 7 pixels left, 6 right"


def test_an_object_cut_by_the_border_is_not_eroded_there():
    mask = blank()
    mask[:, :20] = True
    assert np.flatnonzero(bands(mask, 2.0).eroded[5]).tolist() == list(range(19))


def test_pools_by_hand():
    mask = blank()
    mask[16:32, 16:32] = True
    row = pools_of(mask, N)[5]
    assert row[4:8].tolist() == [INSIDE] * 4
    assert row[3] == RING, "its centre, pixel 14, lies two pixels from the mask"
    assert row[8] == FAR, "pixel 34 lies three pixels from it, more than the step"
    assert row[:3].tolist() == [FAR] * 3


def test_hard_delete_goes_before_ring_and_only_where_no_offset_lands():
    mask = blank()
    mask[8:56, 17] = True  # one pixel wide: centre 18 lies beside it, and 16 and 20, a step away, both miss it
    column = pools_of(mask, N)[:, 4]
    assert (column[3:13] == HARD).all()
    mask[8:56, 16] = True
    assert (pools_of(mask, N)[3:13, 4] == RING).all(), "now an offset to the left lands"


def test_the_trap_of_equation_5_a_cell_inside_but_not_deep_is_far():
    mask = blank()
    mask[8:56, 18:20] = True
    assert (pools_of(mask, N)[3:13, 4] == FAR).all()


def test_only_the_vertical_step_sets_the_bands():
    wide = np.zeros((64, 256), bool)
    wide[16:32, 64:128] = True
    pools = pools_of(wide, N)
    assert pools[5, 4:8].tolist() == [INSIDE] * 4
    assert pools[5, 3] == FAR, "8 pixels of horizontal step, but the halo is 2 wide: the centre at 56 lies outside it"


masks = st.tuples(st.integers(0, 2**31), st.integers(16, 90), st.integers(16, 90), st.floats(0, 1)).map(
    lambda s: np.kron(np.random.default_rng(s[0]).random((s[1] // 8 + 1, s[2] // 8 + 1)) < s[3], np.ones((8, 8)))[
        : s[1], : s[2]
    ].astype(bool)
)


@given(masks)
def test_every_cell_gets_the_first_rule_that_holds(mask):
    height, width = mask.shape
    step = np.array([width, height]) / (2 * N)
    eroded, dilated, boundary = bands(mask, height / (2 * N))
    pools = pools_of(mask, N).reshape(-1)
    for pool, (x, y) in zip(pools, centres(N, (width, height)), strict=True):
        at = int(y), int(x)
        nine = [np.array([x, y]) + step * (du, dv) for du in (-1, 0, 1) for dv in (-1, 0, 1)]
        hit = any(mask[int(b), int(a)] for a, b in nine if 0 <= a < width and 0 <= b < height)
        if boundary[at] and not mask[at] and not hit:
            assert pool == HARD
        elif eroded[at]:
            assert pool == INSIDE
        elif dilated[at] and not mask[at]:
            assert pool == RING
        else:
            assert pool == FAR
    assert (eroded <= mask).all() and (mask <= dilated).all(), "E within M within D"


@given(masks, st.integers(0, 2**31), st.integers(1, MOST))
def test_drawn_cells_differ_and_are_no_more_than_asked_or_one_more_than_lie_near(mask, seed, most):
    cells = draw_cells(mask, N, np.random.default_rng(seed), most)
    assert len({tuple(cell) for cell in cells.tolist()}) == len(cells)
    assert cells.min() >= 0 and cells.max() < N
    x, y = centres(N, (mask.shape[1], mask.shape[0])).astype(int).T
    near = ((pools_of(mask, N).reshape(-1) != FAR) | mask[y, x]).sum()
    assert 1 <= len(cells) <= min(most, 1 + near)


def test_inside_and_ring_are_preferred_and_every_pool_is_drawn_from():
    mask = blank()
    mask[16:40, 16:40], mask[8:56, 53] = True, True  # a block, and a line that every offset beside it misses
    rng, pools = np.random.default_rng(0), pools_of(mask, N)
    drawn = np.array([pools[tuple(draw_cells(mask, N, rng, 1)[0][::-1])] for _ in range(2000)])
    assert np.bincount(drawn, minlength=4) / len(drawn) == pytest.approx([0.10, 0.45, 0.35, 0.10], abs=0.04)


def test_the_thin_part_of_the_trap_is_drawn_as_inside():
    mask = blank()
    mask[8:56, 18:20] = True
    rng = np.random.default_rng(0)
    drawn = np.concatenate([draw_cells(mask, N, rng, 3) for _ in range(300)])
    assert (drawn[:, 0] == 4).mean() > 0.5
