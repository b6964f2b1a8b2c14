"""Box metrics, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from getok_core.metrics.boxes import Match, box_counts, box_ious, match_boxes
from getok_core.metrics.lanes import Counts


def test_iou_is_the_shared_part_of_both_boxes() -> None:
    truths = [[0, 0, 10, 10], [20, 0, 30, 10]]
    drawn = [[0, 0, 10, 10], [5, 0, 15, 10], [40, 40, 50, 50]]
    assert box_ious(truths, drawn) == pytest.approx(np.array([[1, 50 / 150, 0], [0, 0, 0]]))


def test_boxes_that_only_touch_or_have_no_area_share_nothing() -> None:
    assert box_ious([[0, 0, 10, 10]], [[10, 0, 20, 10], [3, 3, 3, 3], [8, 8, 2, 2]]).tolist() == [[0, 0, 0]]
    assert box_ious([[3, 3, 3, 3]], [[3, 3, 3, 3]]).tolist() == [[0]]


def test_nothing_labelled_or_drawn_gives_an_empty_matrix() -> None:
    assert box_ious([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_ious([[0, 0, 1, 1]], []).shape == (1, 0)
    assert box_counts(box_ious([], []), []) == Counts(0, 0, 0)
    assert box_counts(box_ious([], [[0, 0, 1, 1]]), [1.0]) == Counts(0, 0, 1)
    assert box_counts(box_ious([[0, 0, 1, 1]], []), []) == Counts(0, 1, 0)


def test_the_surest_box_chooses_first_and_takes_the_best_label_left() -> None:
    ious = np.array([[0.6, 0.9], [0.7, 0.8]])
    assert match_boxes(ious, [0.2, 0.9], 0.5) == [Match(0, 1), Match(1, 0)]
    assert match_boxes(ious, [0.9, 0.2], 0.5) == [Match(1, 0), Match(0, 1)]


def test_a_box_drawn_twice_counts_once() -> None:
    ious = box_ious([[0, 0, 10, 10]], [[0, 0, 10, 10], [0, 0, 10, 10]])
    counts = box_counts(ious, [0.5, 0.5])
    assert counts == Counts(1, 1, 2) and (counts.precision, counts.recall) == (0.5, 1.0)


def test_the_threshold_itself_is_a_match() -> None:
    ious = box_ious([[0, 0, 10, 10]], [[0, 0, 10, 5]])
    assert ious[0, 0] == 0.5
    assert match_boxes(ious, [1.0], 0.5) == [Match(0, 0)] and match_boxes(ious, [1.0], 0.51) == []


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(N, 4\), got \(4,\)"):
        box_ious([0, 0, 1, 1], [[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="got 2 scores for 1 boxes"):
        match_boxes(np.ones((1, 1)), [0.5, 0.5], 0.5)
