"""Pixels, cells and offsets: the stated bound, idempotence, borders and ties, for any image size and lattice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.lattice import STEPS, Lattice, nearest_offset, steps_of
from tests.core.strategies import fractions_anywhere, fractions_inside, lattices, rounds, sizes

NOISE = 1 + 1e-9
"""room for the rounding of float64"""


@given(lattices, sizes, fractions_inside, rounds)
def test_error_stays_within_the_stated_bound(lattice, size, fractions, r):
    xy = fractions * size
    code = lattice.encode(xy, size, r)
    error = np.abs(lattice.decode(code.ij, size, code.offsets) - xy)
    assert (error <= np.array(lattice.error_px(size, r)) * NOISE).all()
    assert not code.clamped.any()


def test_the_bound_is_half_a_cell_and_halves_each_round():
    lattice = Lattice(32)
    assert lattice.error_px((640, 320)) == (10.0, 5.0)
    assert lattice.error_px((640, 320), 1) == (5.0, 2.5)
    assert lattice.error_px((640, 320), 3) == (1.25, 0.625)


@given(lattices, sizes, fractions_anywhere, rounds)
def test_decode_after_encode_is_idempotent_on_points(lattice, size, fractions, r):
    code = lattice.encode(fractions * size, size, r)
    once = lattice.decode(code.ij, size, code.offsets)
    again = lattice.encode(once, size, r)
    np.testing.assert_array_equal(lattice.decode(again.ij, size, again.offsets), once)
    assert not again.clamped.any()


@given(lattices, sizes, fractions_anywhere, rounds)
def test_points_outside_are_clamped_and_reported(lattice, size, fractions, r):
    xy = fractions * size
    code = lattice.encode(xy, size, r)
    outside = ((xy < 0) | (xy > size)).any(axis=1)
    np.testing.assert_array_equal(code.clamped, outside)
    assert ((code.ij >= 0) & (code.ij < lattice.n)).all()
    border = lattice.encode(np.clip(xy, 0, size), size, r)
    np.testing.assert_array_equal(code.ij, border.ij)
    np.testing.assert_array_equal(code.offsets, border.offsets)


@given(lattices, sizes, fractions_anywhere, st.sampled_from([0, 1]), st.floats(1e-6, 1e6))
def test_a_point_pushed_out_on_one_axis_keeps_its_place_on_the_other(lattice, size, fractions, axis, far):
    inside = np.clip(fractions, 0, 1) * size
    for pushed_to, cell in ((-far, 0), (size[axis] + far, lattice.n - 1)):
        xy = inside.copy()
        xy[:, axis] = pushed_to
        ij = lattice.encode(xy, size).ij
        assert (ij[:, axis] == cell).all()
        np.testing.assert_array_equal(ij[:, 1 - axis], lattice.encode(inside, size).ij[:, 1 - axis])


@given(lattices, sizes, fractions_inside, rounds)
def test_rows_come_from_y_alone_and_columns_from_x_alone(lattice, size, fractions, r):
    xy = fractions * size
    code, turned = lattice.encode(xy, size, r), lattice.encode(xy[:, ::-1], size[::-1], r)
    np.testing.assert_array_equal(code.ij, turned.ij[:, ::-1])
    np.testing.assert_array_equal(code.offsets, turned.offsets[..., ::-1])


def test_ties_go_to_zero():
    for k in STEPS:
        half = 0.5 * 2.0**-k
        assert nearest_offset(np.array([[half, -half]]), k).tolist() == [[0, 0]]
        assert nearest_offset(np.array([[half * 1.001, -half * 1.001]]), k).tolist() == [[1, -1]]
    code = Lattice(32).encode([[10.25, 10.75]], (32, 32), 1)  # a quarter of a cell either side of the centre (10.5)
    assert code.offsets.tolist() == [[[0, 0]]]


def test_a_border_between_cells_belongs_to_the_right_and_lower_cell():
    assert Lattice(32).encode([[5.0, 7.0], [0.0, 0.0], [32.0, 32.0]], (32, 32)).ij.tolist() == [
        [5, 7],
        [0, 0],
        [31, 31],
    ]


@given(sizes, fractions_inside, st.sampled_from([(-1,), (0,), (-1, 0), (0, 1), (5, 3)]))
def test_decode_takes_any_steps_and_clamps_to_the_image(size, fractions, steps):
    lattice = Lattice(32)
    ij = lattice.encode(fractions * size, size).ij
    ones = np.ones((len(ij), len(steps), 2), np.int64)
    moved = lattice.decode(ij, size, ones, steps)
    expected = np.minimum(ij + 0.5 + sum(2.0**-k for k in steps), 32) * np.array(size) / 32
    np.testing.assert_allclose(moved, expected, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        Lattice().encode([[1.0, bad]], (10, 10))


def test_wrong_sizes_and_rounds_are_refused():
    with pytest.raises(ValueError, match="16, 32 or 64, got 30"):
        Lattice(30)
    for r in (-1, 6):
        with pytest.raises(ValueError, match=r"rounds must lie in 0..5"):
            steps_of(r)


def test_no_points_is_no_error():
    code = Lattice().encode([], (10, 10), 2)
    assert code.ij.shape == (0, 2)
    assert code.offsets.shape == (0, 2, 2)
    assert Lattice().decode(code.ij, (10, 10), code.offsets).shape == (0, 2)
