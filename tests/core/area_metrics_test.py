"""Areas as pixels, worked by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from getok_core.metrics.areas import Overlap, filled, overlap, union


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, bottom], [left, top], [right, top], [right, bottom]], float)


def test_a_pixel_belongs_to_an_outline_when_its_centre_does() -> None:
    area = filled(rectangle(1, 1, 3, 2), (5, 4))
    assert area.sum() == 2 and area[1, 1:3].all()
    assert filled(rectangle(1.4, 1, 3.4, 2), (5, 4)).tolist() == area.tolist()
    assert filled(rectangle(1.6, 1, 3.6, 2), (5, 4))[1].tolist() == [False, False, True, True, False]


def test_the_way_round_does_not_matter() -> None:
    triangle = np.array([[0, 8], [4, 0], [8, 8]], float)
    area = filled(triangle, (8, 8))
    assert area.sum(1).tolist() == [0, 2, 2, 4, 4, 6, 6, 8]
    assert (filled(triangle[::-1], (8, 8)) == area).all()


def test_what_lies_beyond_the_image_is_cut_off() -> None:
    assert filled(rectangle(-5, -5, 50, 50), (6, 4)).all()
    assert filled(rectangle(-5, 2, 3, 50), (6, 4)).sum() == 3 * 2
    assert not filled(rectangle(10, 0, 20, 4), (6, 4)).any()


def test_an_outline_that_overlaps_itself_has_no_holes() -> None:
    twice = np.array([[0, 0], [6, 0], [6, 4], [2, 4], [2, 2], [8, 2], [8, 6], [0, 6]], float)
    assert filled(twice, (8, 6))[2:4, 2:6].all()


def test_fewer_than_three_vertices_hold_nothing() -> None:
    assert not filled(np.array([[0.0, 0.0], [5.0, 5.0]]), (6, 6)).any()
    assert not filled(np.zeros((0, 2)), (6, 6)).any()


def test_random_outlines_agree_with_opencv_but_for_their_border() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.uniform(10, 90, (3, 2))
        drawn = np.zeros((100, 100), np.uint8)
        cv2.fillPoly(drawn, [np.round(corners * 16 - 8).astype(np.int32)], 1, shift=4)
        perimeter = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T).sum()
        assert (filled(corners, (100, 100)) != drawn.astype(bool)).sum() <= 1.5 * perimeter


def test_outlines_join_into_one_area() -> None:
    assert union([rectangle(0, 0, 4, 4), rectangle(2, 0, 6, 4)], (8, 4)).sum() == 6 * 4
    assert not union([], (8, 4)).any()


def test_overlap_counts_shared_and_covered_pixels() -> None:
    left, right = filled(rectangle(0, 0, 4, 4), (8, 4)), filled(rectangle(2, 0, 6, 4), (8, 4))
    assert overlap(left, right) == Overlap(8, 24)
    assert overlap(left, right).iou == pytest.approx(1 / 3)
    assert overlap(left & ~left, left & ~left).iou == 1.0
    with pytest.raises(ValueError, match=r"\(4, 8\) and \(2, 2\)"):
        overlap(left, np.ones((2, 2), bool))
