"""Lane metrics and intervals on cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from getok_core.metrics.intervals import ratio_interval
from getok_core.metrics.lanes import (
    Counts,
    culane_counts,
    culane_ious,
    distances,
    lane_counts,
    line_found,
    row_distances,
    total,
)

UPRIGHT = np.array([[500.0, 500.0], [500.0, 100.0]])
"""400 px long, in an image 1000 px wide: 4 % are 40 px"""


def moved(line: np.ndarray, dx: float, dy: float) -> np.ndarray:
    return line + np.array([dx, dy])


def shifted(dx: float) -> np.ndarray:
    return moved(UPRIGHT, dx, 0.0)


def test_distance_is_to_the_nearest_point_of_the_line_not_to_its_vertices() -> None:
    line = [[0, 0], [10, 0], [10, 10]]
    assert distances([[5, 3], [13, 14], [10, 5], [-3, -4]], line) == pytest.approx([3, 5, 0, 5])
    assert distances([[3, 4]], [[0, 0]]) == pytest.approx([5])
    assert distances([[3, 4]], [[0, 0], [0, 0]]) == pytest.approx([5])


def test_row_distance_runs_along_the_image_row_to_the_nearest_crossing() -> None:
    zigzag = [[0, 0], [10, 10], [0, 20]]
    assert row_distances([[9, 5], [0, 15], [10, 10], [3, 21]], zigzag) == pytest.approx([4, 5, 0, np.inf])
    assert row_distances([[7, 4], [2, 4], [2, 5]], [[0, 4], [5, 4]]) == pytest.approx([2, 0, np.inf])
    assert row_distances([[0, 0]], [[0, 0]]) == pytest.approx([np.inf])


def test_along_the_row_a_leaning_line_is_further_away() -> None:
    # at 45 degrees 50 px along the row are 35 px across
    lean = np.array([[0.0, 400.0], [400.0, 0.0]])
    assert line_found(lean, moved(lean, 50, 0), 1000, 0.04)
    assert not line_found(lean, moved(lean, 50, 0), 1000, 0.04, measure="row")
    assert line_found(lean, moved(lean, 39, 0), 1000, 0.04, measure="row")
    assert lane_counts([lean], [moved(lean, 50, 0)], (1000, 600), 0.04, measure="row") == Counts(0, 1, 1)


@pytest.mark.parametrize(("dx", "found"), [(0, True), (39.9, True), (-39.9, True), (40.1, False), (200, False)])
def test_the_tolerance_is_a_part_of_the_width(dx: float, found: bool) -> None:
    assert line_found(UPRIGHT, shifted(dx), 1000, 0.04) is found


def test_three_quarters_of_the_length_suffice_and_less_does_not() -> None:
    def bottom(y: float) -> list[list[float]]:
        return [[500.0, 500.0], [500.0, y]]

    # the end of the drawn line reaches its tolerance further: 300 px of 400 need a line of 260 px with 40 px tolerance
    assert line_found(UPRIGHT, bottom(239), 1000, 0.04)
    assert not line_found(UPRIGHT, bottom(245), 1000, 0.04)
    assert line_found(UPRIGHT, bottom(245), 1000, 0.04, share=0.7)


def test_a_near_horizontal_line_is_measured_across_itself() -> None:
    flat = np.array([[0.0, 300.0], [800.0, 310.0]])
    assert line_found(flat, moved(flat, 0, 9), 1000, 0.01)
    assert not line_found(flat, moved(flat, 0, 11), 1000, 0.01)


def test_direction_vertices_and_overlong_ends_do_not_matter() -> None:
    many = np.stack([np.full(50, 510.0), np.linspace(90, 700, 50)], axis=1)
    assert line_found(UPRIGHT, many, 1000, 0.011) and line_found(UPRIGHT, many[::-1], 1000, 0.011)
    assert not line_found(UPRIGHT, many[:1], 1000, 1.0)
    assert not line_found(UPRIGHT, np.zeros((0, 2)), 1000, 1.0)


def test_each_drawn_line_finds_one_label_and_doubles_are_not_found_twice() -> None:
    pair = [UPRIGHT, shifted(30)]
    assert lane_counts(pair, [shifted(15)], (1000, 600), 0.04) == Counts(1, 2, 1)
    assert lane_counts([UPRIGHT], [shifted(1), shifted(2), shifted(300)], (1000, 600), 0.04) == Counts(1, 1, 3)


def test_the_pairing_is_the_best_one_not_the_first_that_fits() -> None:
    # the first drawn line fits both labels, the second only the first label
    assert lane_counts([UPRIGHT, shifted(60)], [shifted(30), shifted(-30)], (1000, 600), 0.04).hits == 2


def test_precision_recall_and_f1() -> None:
    counts = Counts(2, 3, 4)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((1 / 2, 2 / 3, 4 / 7))
    assert Counts(0, 0, 0).f1 == Counts(0, 0, 0).precision == Counts(0, 0, 0).recall == 1
    assert Counts(0, 0, 2).precision == Counts(0, 0, 2).recall == Counts(0, 2, 0).f1 == Counts(0, 2, 0).precision == 0
    assert total([counts, Counts(1, 1, 1)]) == Counts(3, 4, 5) and total([]) == Counts(0, 0, 0)
    assert lane_counts([], [UPRIGHT], (1000, 600), 0.04) == Counts(0, 0, 1)


def test_culane_paints_thirty_pixels_in_its_own_frame() -> None:
    upright = np.array([[800.0, 590.0], [800.0, 0.0]])
    half = upright / [2.0, 1.0]
    # shifted by 10 of 30 px: 20 shared of 40; by 30: none
    assert culane_ious(
        [upright], [upright, moved(upright, 10, 0), moved(upright, 30, 0)], (1640, 590)
    ) == pytest.approx(np.array([[1.0, 0.5, 0.0]]), abs=1e-6)
    # the same lines in an image half as wide: 5 px there are 10 of CULane's
    assert culane_ious([half], [moved(half, 5, 0)], (820, 590)) == pytest.approx(np.array([[0.5]]), abs=1e-6)


def test_culane_ends_are_round_and_lines_outside_paint_nothing() -> None:
    dot = np.array([[400.0, 300.0], [400.0, 300.0]])
    stub = np.array([[400.0, 300.0], [500.0, 300.0]])
    disc, bar = math.pi * 15**2, 100 * 30
    assert culane_ious([dot], [stub], (1640, 590))[0, 0] == pytest.approx(disc / (disc + bar), rel=0.02)
    assert culane_ious([stub], [moved(stub, 0, 2000)], (1640, 590))[0, 0] == 0
    assert culane_ious([], [stub], (1640, 590)).shape == (0, 1)


def test_culane_counts_pair_by_the_largest_sum_of_ious() -> None:
    ious = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert culane_counts(ious, 0.5) == Counts(2, 2, 2)
    assert culane_counts(ious, 0.82) == Counts(1, 2, 2)
    assert culane_counts(np.zeros((0, 3))) == Counts(0, 0, 3)


def test_an_interval_holds_its_value_and_narrows_with_more_groups() -> None:
    few, many = (ratio_interval([1, 0] * n, [1, 1] * n) for n in (10, 1000))
    assert few.value == many.value == 0.5
    assert few.low < 0.35 and few.high > 0.65 and many.high - many.low < 0.05
    assert ratio_interval([1, 0] * 10, [1, 1] * 10) == few
    assert ratio_interval([2, 2], [2, 2]) == (1.0, 1.0, 1.0)
    assert few.percent().startswith("50.0 (")


def test_rows_of_one_group_are_drawn_together() -> None:
    # two frames, one all right, one all wrong: ten rows each carry no more than one
    hits, names = [1] * 10 + [0] * 10, ["a"] * 10 + ["b"] * 10
    assert ratio_interval(hits, [1] * 20, names) == (0.5, 0.0, 1.0)
    assert ratio_interval(hits, [1] * 20).low > 0.2


def test_an_interval_of_nothing_is_nan_and_lengths_must_agree() -> None:
    assert all(math.isnan(v) for v in ratio_interval([], []))
    with pytest.raises(ValueError, match="2, 1 and 2"):
        ratio_interval([1, 0], [1])
