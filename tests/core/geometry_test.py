"""Shapes: what each kind accepts, equality, immutability, resampling at equal arc length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.geometry import KINDS, Box, Mask, Point, Polygon, Polyline, Seeds, as_xy, resample

coordinates = st.floats(-1e4, 1e4)
lines = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=8).map(np.array)


def test_each_kind_has_its_tag():
    assert {"pt": Point, "box": Box, "pl": Polyline, "poly": Polygon, "seg": Seeds} == KINDS


@pytest.mark.parametrize(
    ("kind", "vertices"), [("pt", 0), ("pt", 2), ("box", 1), ("box", 3), ("pl", 1), ("poly", 2), ("seg", 0)]
)
def test_a_wrong_number_of_vertices_is_refused(kind, vertices):
    with pytest.raises(ValueError, match=f"got .*{vertices}|positive sides"):
        KINDS[kind](np.arange(2.0 * vertices).reshape(-1, 2))


@pytest.mark.parametrize("xyxy", [(5, 1, 5, 9), (5, 1, 9, 1), (9, 1, 5, 9)])
def test_a_box_without_area_is_refused(xyxy):
    with pytest.raises(ValueError, match="positive sides"):
        Box.of(xyxy)


def test_box_corners_by_hand():
    box = Box.of((1, 2, 3, 5))
    assert box.xy.tolist() == [[1, 2], [3, 5]]
    assert box.xyxy.tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize("bad", [[[1, 2, 3]], [1, 2], [[np.nan, 1]], [[1, np.inf]], [[[1, 2]]]])
def test_what_is_no_list_of_finite_pairs_is_refused(bad):
    with pytest.raises(ValueError, match="points"):
        as_xy(bad)


@given(lines)
def test_shapes_are_equal_when_kind_and_vertices_are(xy):
    assert Polyline(xy) == Polyline(xy.copy())
    assert hash(Polyline(xy)) == hash(Polyline(xy.copy()))
    assert Polyline(xy) != Seeds(xy)
    assert Polyline(xy) != Polyline(xy + 1)
    assert Polyline(xy).moved(xy + 1) == Polyline(xy + 1)


def test_equal_shapes_hash_alike_also_at_negative_zero():
    assert Point([[0.0, 1.0]]) == Point([[-0.0, 1.0]])
    assert hash(Point([[0.0, 1.0]])) == hash(Point([[-0.0, 1.0]]))


def test_a_shape_cannot_be_changed_and_does_not_follow_its_source():
    source = np.array([[1.0, 2.0], [3.0, 4.0]])
    line = Polyline(source)
    source[0, 0] = 99
    assert line.xy[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        line.xy[0, 0] = 5


@pytest.mark.parametrize("pixels", [np.zeros((2, 2, 1), bool), np.zeros((2, 2), np.uint8)])
def test_a_mask_is_two_dimensional_and_boolean(pixels):
    with pytest.raises(ValueError, match=r"a mask is \(H, W\) bool"):
        Mask(pixels)


@given(lines, st.integers(2, 30))
def test_resampling_keeps_both_ends_and_stays_on_the_line(xy, count):
    out = resample(xy, count)
    assert out.shape == (count, 2)
    np.testing.assert_allclose(out[[0, -1]], xy[[0, -1]], atol=1e-9)
    starts, ways = xy[:-1], np.diff(xy, axis=0)
    squared = np.maximum((ways**2).sum(axis=1), 1e-300)
    t = np.clip(((out[:, None] - starts) * ways).sum(axis=2) / squared, 0, 1)
    distance = np.linalg.norm(out[:, None] - (starts + t[..., None] * ways), axis=2).min(axis=1)
    assert (distance < 1e-6).all()


def test_resampling_is_equal_along_the_line_not_along_its_vertices():
    bend = [[0, 0], [1, 0], [10, 0], [10, 10]]
    assert resample(bend, 5).tolist() == [[0, 0], [5, 0], [10, 0], [10, 5], [10, 10]]


@pytest.mark.parametrize(("xy", "count"), [([[1, 1]], 4), ([[1, 1], [2, 2]], 1)])
def test_resampling_needs_two_vertices_on_both_sides(xy, count):
    with pytest.raises(ValueError, match="2 or more"):
        resample(xy, count)
