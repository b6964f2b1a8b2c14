"""Average precision: worked by hand, and the same as COCO's own tool on random boxes."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.metrics.average_precision import ALL, SIZES, BoxFrame, Ranking, precision_rows

BOX, NEXT = [0.0, 0, 10, 10], [20.0, 0, 30, 10]


def frame(truths: list, drawn: list, scores: list, width: float = 640.0) -> BoxFrame:
    """Boxes of one class."""
    return BoxFrame(np.array(truths), ["car"] * len(truths), np.array(drawn), ["car"] * len(drawn), scores, width)


def ap(*frames: BoxFrame, areas: tuple[float, float] = ALL) -> float:
    """At IoU 0.5."""
    return float(Ranking.of([one.of("car") for one in frames], areas).score().precision[0])


def test_a_sure_mistake_costs_more_than_an_unsure_one() -> None:
    wrong = [100.0, 0, 110, 10]
    assert ap(frame([BOX, NEXT], [BOX, NEXT], [0.9, 0.8])) == 1
    # hit, miss, hit: precision 1 up to recall 1/2, then 2/3 to the end
    assert ap(frame([BOX, NEXT], [BOX, wrong, NEXT], [0.9, 0.8, 0.7])) == pytest.approx((51 + 50 * 2 / 3) / 101)
    # miss, hit, hit: precision 2/3 at every recall
    assert ap(frame([BOX, NEXT], [BOX, wrong, NEXT], [0.8, 0.9, 0.7])) == pytest.approx(2 / 3)
    assert ap(frame([BOX, NEXT], [BOX], [0.9])) == pytest.approx(51 / 101)
    assert ap(frame([BOX], [], [])) == 0 and np.isnan(ap(frame([], [BOX], [0.9])))


def test_scores_are_ranked_over_all_images() -> None:
    right, wrong = frame([BOX], [BOX], [0.5]), frame([], [BOX], [0.9])
    assert ap(right, wrong) == ap(wrong, right) == 0.5
    assert ap(right, frame([], [BOX], [0.1])) == 1


def test_a_box_drawn_twice_is_one_mistake() -> None:
    assert ap(frame([BOX, NEXT], [BOX, BOX, NEXT], [0.9, 0.8, 0.7])) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_sizes_are_those_of_an_image_640_px_wide() -> None:
    square = [0.0, 0, 60, 60]  # medium at 640 px, small at 1280
    for width, size in ((640, "medium"), (1280, "small"), (320, "large")):
        for name, areas in SIZES.items():
            found = ap(frame([square], [square], [0.9], width), areas=areas)
            assert found == 1 if name == size else np.isnan(found)


def test_boxes_of_another_size_neither_help_nor_harm() -> None:
    small, large = [0.0, 0, 20, 20], [100.0, 100, 300, 300]
    only = frame([small, large], [small, large], [0.5, 0.9])
    assert ap(only, areas=SIZES["small"]) == 1
    stray = frame([small], [small, large], [0.5, 0.9])
    assert ap(stray, areas=SIZES["small"]) == 1 and ap(stray) == 0.5


def test_rows_say_class_and_size_with_intervals() -> None:
    frames = [frame([BOX], [BOX], [0.9]) for _ in range(4)] + [frame([BOX], [], []) for _ in range(4)]
    frames.append(BoxFrame(np.array([NEXT]), ["bus"], np.array([NEXT]), ["car"], [0.1], 640))
    rows = precision_rows("obstacles", frames, draws=50)
    assert rows["obstacles: AP of bus"].value == 0 and rows["obstacles: AP of car"].value == pytest.approx(51 / 101)
    assert rows["obstacles: AP"].value == pytest.approx(51 / 202)
    assert rows["obstacles: AP"].low < rows["obstacles: AP"].value < rows["obstacles: AP"].high
    assert rows["obstacles: AR"].value == 0.25 and np.isnan(rows["obstacles: AP, large"].value)
    assert precision_rows("obstacles", frames, draws=50)["obstacles: AP"] == rows["obstacles: AP"]
    assert all(np.isnan(value) for value in precision_rows("signs", [], draws=5)["signs: AP"])


# -- beside COCO's tool --------------------------------------------------------------------------------------------

side = st.integers(0, 30)
grown = st.tuples(side, side, st.integers(1, 60), st.integers(1, 60))
boxes = st.lists(st.tuples(grown, st.sampled_from(["car", "bus"]), st.floats(0, 1)), max_size=6)


def cornered(some: list) -> np.ndarray:
    return np.array([[x, y, x + w, y + h] for (x, y, w, h), _, _ in some], float).reshape(-1, 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(boxes, boxes), min_size=1, max_size=4))
def test_it_is_cocos_number(images: list) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is missing: install the test extra")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    names = ["bus", "car"]
    held = {
        "images": [{"id": number} for number in range(len(images))],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": 100 * image + at + 1, "image_id": image, "category_id": names.index(label), "bbox": list(box),
             "area": box[2] * box[3], "iscrowd": 0}
            for image, (truths, _) in enumerate(images) for at, (box, label, _) in enumerate(truths)
        ],
    }  # fmt: skip
    said = [
        {"image_id": image, "category_id": names.index(label), "bbox": list(box), "score": score}
        for image, (_, drawn) in enumerate(images) for box, label, score in drawn
    ]  # fmt: skip
    if not said or not held["annotations"]:
        return
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = held
        truth.createIndex()
        tool = evaluation.COCOeval(truth, truth.loadRes(said), "bbox")
        tool.evaluate()
        tool.accumulate()
        tool.summarize()
    frames = [
        BoxFrame(cornered(truths), [label for _, label, _ in truths], cornered(drawn),
                 [label for _, label, _ in drawn], [score for _, _, score in drawn], 640)
        for truths, drawn in images
    ]  # fmt: skip
    rows = precision_rows("", frames, draws=1)
    keys = [": AP", ": AP at IoU 0.5", ": AP at IoU 0.75", ": AP, small", ": AP, medium", ": AP, large"]
    ours = np.nan_to_num([rows[key].value for key in keys] + [rows[": AR"].value], nan=-1)
    assert ours == pytest.approx([*tool.stats[:6], tool.stats[8]], abs=1e-9)
