"""TuSimple's numbers, lateral errors and the jitter of lanes, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.ground import Ground, Pose
from getok_core.lens import Lens
from getok_core.metrics.lanes import lane_pairs, row_offsets
from getok_core.metrics.lateral import lateral_offsets, lateral_parts
from getok_core.metrics.stability import COME_OR_GONE, JITTER, stability_parts
from getok_core.metrics.tusimple import ABSENT, ROWS, at_rows, tusimple, tusimple_parts
from getok_core.scene import Lane, Scene

SIZE = (1280, 720)
TOP, BOTTOM = ROWS[0], ROWS[-1]


def upright(x: float, top: float = TOP, bottom: float = BOTTOM) -> np.ndarray:
    """A line along a column, near to far."""
    return np.array([[x, bottom], [x, top]])


def leaning(x: float) -> np.ndarray:
    """At 45 degrees."""
    return np.array([[x, BOTTOM], [x + BOTTOM - TOP, TOP]])


def moved(line: np.ndarray, dx: float) -> np.ndarray:
    return line + np.array([dx, 0.0])


# -- TuSimple ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truths", "drawns", "scores"),
    [
        ([upright(640)], [upright(640)], (1, 0, 0)),
        ([upright(640)], [upright(659.9)], (1, 0, 0)),
        ([upright(640)], [upright(660.1)], (0, 1, 1)),
        # 20 px across a line at 45 degrees are 28.3 px along the row
        ([leaning(300)], [leaning(328.2)], (1, 0, 0)),
        ([leaning(300)], [leaning(328.4)], (0, 1, 1)),
        # of 56 rows 48 are more than 85 %, 47 are less
        ([upright(640)], [upright(640, top=ROWS[8])], (48 / 56, 0, 0)),
        ([upright(640)], [upright(640, top=ROWS[9])], (47 / 56, 1, 1)),
        # where neither is, both are right
        ([upright(640, top=ROWS[28])], [upright(900, top=ROWS[28])], (0.5, 1, 1)),
        ([], [], (0, 0, 0)),
        ([upright(640)], [], (0, 0, 1)),
        ([], [upright(640)], (0, 1, 0)),
        # two lanes too many are counted, three spoil the image
        ([upright(640)], [upright(640), upright(100), upright(900)], (1, 2 / 3, 0)),
        ([upright(640)], [upright(640), upright(100), upright(900), upright(1200)], (0, 0, 1)),
        # the worst of five labels is let off, but not two of them
        ([upright(x) for x in range(100, 600, 100)], [upright(x) for x in range(100, 500, 100)], (1, 0, 0)),
        ([upright(x) for x in range(100, 600, 100)], [upright(x) for x in range(100, 400, 100)], (0.75, 0, 0.25)),
    ],
)
def test_tusimple_by_hand(truths: list, drawns: list, scores: tuple) -> None:
    assert tusimple(truths, drawns, SIZE) == pytest.approx(scores)
    assert tusimple(truths, drawns, SIZE, seconds=0.2) == pytest.approx(scores)
    assert tusimple(truths, drawns, SIZE, seconds=0.201) == (0, 0, 1)


def test_the_benchmark_is_the_same_in_an_image_of_another_size() -> None:
    half = [upright(640, ROWS[8]) / 2], [upright(640 + 19.9) / 2]
    assert tusimple(*half, (640, 360), [row / 2 for row in ROWS]) == tusimple(*half, (640, 360))
    assert tusimple(*half, (640, 360)).accuracy == pytest.approx(48 / 56)


def test_rows_are_those_at_which_labels_were_made() -> None:
    rows = [400.5, 500.5]
    assert tusimple([upright(640, 400.5)], [upright(640, 500.5)], SIZE, rows).accuracy == 0.5


def test_a_line_is_read_at_a_row_as_the_data_set_does() -> None:
    line = np.array([[0.5, 100.5], [10.5, 110.5], [0.5, 120.5], [-5, 125.5]])
    rows = np.array([100.0, 100.5, 105.5, 110.5, 115.5, 120.5, 123.5, 126.0])
    assert at_rows(line, rows) == pytest.approx([ABSENT, 0, 5, 10, 5, 0, ABSENT, ABSENT])
    assert (at_rows(line[:1], rows) == ABSENT).all()


def test_parts_hold_the_clock_where_it_is_known() -> None:
    parts = tusimple_parts([upright(640)], [upright(640)], SIZE, seconds=1.0)
    assert parts["lanes, TuSimple: accuracy"] == (1, 1) and parts["lanes, TuSimple in 200 ms: accuracy"] == (0, 1)
    assert len(parts) == 6 and len(tusimple_parts([], [], SIZE)) == 3


lanes = st.lists(st.integers(0, 1279), max_size=4, unique=True).map(lambda xs: [upright(x) for x in xs])


@given(lanes, lanes, st.randoms(use_true_random=False))
def test_the_order_of_lanes_does_not_matter_and_the_truth_is_perfect(truths: list, drawns: list, random) -> None:
    score = tusimple(truths, drawns, SIZE)
    mixed = random.sample(truths, len(truths)), random.sample(drawns, len(drawns))
    assert tusimple(*mixed, SIZE) == pytest.approx(score)
    assert 0 <= score.accuracy <= 1 and 0 <= score.false_negatives <= 1
    if truths:
        assert tusimple(truths, truths, SIZE)[::2] == (1, 0)


@given(st.floats(0, 60), st.floats(0, 60))
def test_further_away_is_never_better(one: float, other: float) -> None:
    near, far = sorted([one, other])
    bent = np.array([[640.0, BOTTOM], [640, 400], [700, TOP]])
    scores = [tusimple([bent], [moved(bent, away)], SIZE).accuracy for away in (near, far)]
    assert scores[0] >= scores[1]


# -- lateral errors ------------------------------------------------------------------------------------------------


def test_offsets_are_signed_and_along_the_row() -> None:
    assert row_offsets([[9, 5], [0, 15], [3, 30]], [[0, 0], [10, 10], [0, 20]]) == pytest.approx([-4, 5, np.inf])
    truth = np.array([[400.0, 700], [600, 300]])
    offsets = lateral_offsets([truth], [moved(truth, 7)], 1280)
    assert len(offsets) == 201 and offsets[:, 2] == pytest.approx(7)


def test_the_error_of_a_shifted_lane_is_its_shift_in_every_band() -> None:
    truth, other = np.array([[400.0, 720], [600, 300]]), np.array([[900.0, 720], [700, 300]])
    parts = lateral_parts([truth, other], [moved(other, -3), moved(truth, 7)], SIZE)
    assert parts["lanes: lateral error, px"] == pytest.approx((201 * 10, 402))
    fifths = [parts[f"lanes: lateral error in the {name}, px"] for name in ("lowest fifth", "second fifth")]
    assert all(above / below == pytest.approx(5) for above, below in fifths)
    assert parts["lanes: lateral error in the upper two fifths, px"] == (0, 0)
    assert sum(below for row, (_, below) in parts.items() if "fifth" in row) == 402


def test_lanes_that_are_not_found_add_nothing() -> None:
    truth = np.array([[400.0, 720], [600, 300]])
    for drawns in ([], [moved(truth, 200)], [truth[:1]]):
        assert lateral_parts([truth], drawns, SIZE)["lanes: lateral error, px"] == (0, 0)


@pytest.mark.parametrize("pitch", [0.0, 0.05])
def test_on_the_ground_the_error_is_in_metres_at_every_distance(pitch: float) -> None:
    lens = Lens((1000.0, 1000.0), (639.5, 359.5), (0, 0, *SIZE))
    ground = Ground(lens, Pose.mounted((0, 0, 1.5), (0, pitch, 0)), far_m=200)
    ahead = np.array([8.0, 15, 30, 50, 70])
    truth, drawn = (ground.pixels(np.column_stack([ahead, np.full(5, y)]), SIZE) for y in (1.8, 1.6))
    parts = lateral_parts([truth], [drawn], SIZE, ground)
    bands = {row: part for row, part in parts.items() if row.endswith(", m")}
    assert list(bands) == [
        f"lanes: lateral error at {band}, m" for band in ("0-20 m", "20-40 m", "40-60 m", "60 m and more")
    ]
    assert [above / below for above, below in bands.values()] == pytest.approx([0.2] * 4)


def test_what_lies_above_the_horizon_has_no_metres() -> None:
    ground = Ground(Lens((1000.0, 1000.0), (639.5, 359.5), (0, 0, *SIZE)), Pose.mounted((0, 0, 1.5), (0, 0, 0)))
    parts = lateral_parts([upright(640, 0, 300)], [upright(641, 0, 300)], SIZE, ground)
    assert parts["lanes: lateral error, px"] == pytest.approx((201, 201))
    assert sum(below for row, (_, below) in parts.items() if row.endswith(", m")) == 0


def test_each_pixel_meets_the_ground_by_itself() -> None:
    ground = Ground(Lens((1000.0, 1000.0), (639.5, 359.5), (0, 0, *SIZE)), Pose.mounted((0, 0, 1.5), (0, 0, 0)))
    points = ground.points(np.array([[640.0, 510.0], [640.0, 100.0], [740.0, 510.0]]), SIZE)
    assert points[[0, 2]] == pytest.approx(np.array([[10.0, 0], [10, -1]])) and np.isnan(points[1]).all()


# -- pairs and stability -------------------------------------------------------------------------------------------


def test_lanes_are_paired_as_many_as_can_be_then_the_nearest() -> None:
    truths = [upright(600), upright(660)]
    assert lane_pairs(truths, [upright(630), upright(590)], 1280, 0.04) == [(0, 1), (1, 0)]
    assert lane_pairs(truths, [upright(655), upright(645)], 1280, 0.04) == [(0, 1), (1, 0)]
    assert lane_pairs(truths, [upright(659)], 1280, 0.05) == [(1, 0)]
    assert lane_pairs(truths, [], 1280, 0.04) == lane_pairs([], truths, 1280, 0.04) == []


def scene(*lines: np.ndarray) -> Scene:
    return Scene(1000, 720, tuple(Lane("unknown", 1.0, line) for line in lines))


def test_what_stands_still_does_not_jitter() -> None:
    still = scene(upright(300), upright(700))
    assert stability_parts(still, still) == {JITTER: (0, 2), COME_OR_GONE: (0, 4)}
    assert stability_parts(scene(), scene()) == {JITTER: (0, 0), COME_OR_GONE: (0, 0)}


def test_jitter_is_part_of_the_width_and_what_comes_or_goes_is_counted() -> None:
    parts = stability_parts(scene(upright(300), upright(700)), scene(upright(310), upright(880), upright(500)))
    assert parts[JITTER] == pytest.approx((0.01, 1)) and parts[COME_OR_GONE] == (3, 5)
    shorter = stability_parts(scene(upright(300)), scene(upright(304, top=300)))
    assert shorter[JITTER] == pytest.approx((0.004, 1))  # that the end moved is no jitter
