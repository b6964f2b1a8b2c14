"""Pairings, borders, outlines, calibration and paired differences, worked by hand or by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from getok_core.metrics.areas import union
from getok_core.metrics.assignment import best_pairs
from getok_core.metrics.boundaries import border, boundary_part
from getok_core.metrics.calibration import reliability
from getok_core.metrics.intervals import difference_interval, ratio_interval
from getok_core.metrics.outlines import outlined

areas = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))

# -- pairings ------------------------------------------------------------------------------------------------------

merits = arrays.arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(0, 5)), elements=st.integers(-3, 9))


@given(merits)
def test_the_best_pairing_is_the_best_of_all(merit: np.ndarray) -> None:
    pairs = best_pairs(merit)
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    assert len(pairs) == len(rows) == len(columns) == min(merit.shape) and pairs == sorted(pairs)
    wide = merit if merit.shape[0] <= merit.shape[1] else merit.T
    every = itertools.permutations(range(wide.shape[1]), wide.shape[0])
    assert sum(merit[pair] for pair in pairs) == max(sum(wide[i, j] for i, j in enumerate(one)) for one in every)


# -- outlines ------------------------------------------------------------------------------------------------------


@given(areas)
def test_outlines_of_an_area_enclose_exactly_it(area: np.ndarray) -> None:
    assert (union(outlined(area), (area.shape[1], area.shape[0])) == area).all()


def test_parts_that_touch_at_a_corner_are_two_and_a_hole_has_a_bridge() -> None:
    assert len(outlined(np.eye(3, dtype=bool))) == 3
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    (outline,) = outlined(ring)
    corners = {tuple(corner) for corner in outline.tolist()}
    assert {(0, 0), (3, 0), (3, 3), (0, 3), (1, 1), (2, 1), (2, 2), (1, 2)} <= corners
    assert outlined(np.zeros((2, 2), bool)) == []


# -- borders -------------------------------------------------------------------------------------------------------


def left_of(column: int) -> np.ndarray:
    area = np.zeros((6, 20), bool)
    area[:, :column] = True
    return area


@pytest.mark.parametrize("apart", [0, 1, 5])
def test_straight_borders_are_as_far_apart_as_they_are(apart: int) -> None:
    above, below = boundary_part(left_of(8), left_of(8 + apart))
    assert (above, below) == (12 * apart, 12)


def test_the_edge_of_the_image_is_no_border() -> None:
    assert border(left_of(8)).sum() == 6 and border(left_of(8))[:, 7].all()
    assert not border(np.ones((4, 4), bool)).any()
    assert boundary_part(np.ones((4, 4), bool), left_of(2)[:4, :4]) == (0, 0)
    assert boundary_part(np.zeros((6, 20), bool), left_of(8)) == (0, 0)
    with pytest.raises(ValueError, match=r"got \(6, 20\) and \(4, 4\): use one image size"):
        boundary_part(left_of(8), np.ones((4, 4), bool))


@given(areas)
def test_an_area_has_the_border_of_itself_and_distances_go_both_ways(area: np.ndarray) -> None:
    other = np.roll(area, 1, axis=1)
    assert boundary_part(area, area)[0] == 0
    assert boundary_part(area, other) == pytest.approx(boundary_part(other, area))
    assert not (border(area) & ~area).any()


# -- calibration ---------------------------------------------------------------------------------------------------


def test_the_error_is_how_far_scores_are_from_what_is_so() -> None:
    sure = reliability([0.9] * 10, [True] * 9 + [False])
    assert sure.ece == pytest.approx(0) and sure.count == 10
    # 4 things at 0.9 of which 1 is right, 6 at 0.2 of which 3 are
    found = reliability([0.9] * 4 + [0.2] * 6, [1, 0, 0, 0, 1, 1, 1, 0, 0, 0])
    assert found.ece == pytest.approx(0.4 * 0.65 + 0.6 * 0.3)
    told = {(one.low, one.high): one for one in found.bins if one.count}
    assert [(one.count, one.score, one.right) for one in told.values()] == [
        (6, pytest.approx(0.2), 0.5), (4, pytest.approx(0.9), 0.25),
    ]  # fmt: skip


def test_every_score_has_one_bin_and_nothing_is_no_number() -> None:
    found = reliability([0.0, 0.1, 0.5, 1.0], [0, 0, 1, 1], bins=2)
    assert [one.count for one in found.bins] == [3, 1]
    nothing = reliability([], [])
    assert math.isnan(nothing.ece)
    assert nothing.to_json()["ece"] is None and nothing.to_json()["bins"][0]["right"] is None
    assert found.to_json()["bins"][1] == {"low": 0.5, "high": 1.0, "count": 1, "score": 1.0, "right": 1.0}
    with pytest.raises(ValueError, match="got 2 for 1 scores"):
        reliability([0.5], [0, 1])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_calibration_does_not_depend_on_the_order(marks: list, random) -> None:
    mixed = random.sample(marks, len(marks))
    one, other = (reliability(*zip(*some, strict=True)) for some in (marks, mixed))
    assert one.ece == pytest.approx(other.ece) and 0 <= one.ece <= 1 and one.count == len(marks)


# -- paired differences --------------------------------------------------------------------------------------------


def test_a_model_beside_itself_differs_by_nothing() -> None:
    hits, asked = [3, 0, 5, 1], [5, 1, 6, 4]
    assert difference_interval(hits, asked, hits, asked) == (0, 0, 0)


def test_what_makes_a_frame_hard_for_both_does_not_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(200)
    one, other = hard, hard + 0.01 + 0.002 * rng.standard_normal(200)
    ones = np.ones(200)
    paired = difference_interval(one, ones, other, ones)
    assert 0 < paired.low < paired.value == pytest.approx(0.01, abs=1e-3) and paired.high < 0.012
    alone = ratio_interval(one, ones)
    assert alone.high - alone.low > 10 * (paired.high - paired.low)
    back = difference_interval(other, ones, one, ones)
    assert back == pytest.approx((-paired.value, -paired.high, -paired.low))


def test_rows_of_one_frame_are_drawn_together_and_nothing_is_no_number() -> None:
    names = ["a"] * 10 + ["b"] * 10
    worse, better = [0] * 20, [1] * 10 + [0] * 10
    grouped = difference_interval(worse, [1] * 20, better, [1] * 20, names)
    assert grouped == (0.5, 0.0, 1.0)
    assert difference_interval(worse, [1] * 20, better, [1] * 20).low > 0.2
    assert all(math.isnan(value) for value in difference_interval([1], [1], [0], [0]))
    with pytest.raises(ValueError, match="got 2, 2, 1, 2 and 2"):
        difference_interval([1, 0], [1, 1], [1], [1, 1])
