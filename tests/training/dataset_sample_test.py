"""The format of samples: what is written is read back, what is malformed is named by line, masks are COCO's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.errors import DataError
from getok_core.labels.segmentation import area_of, coded, packed, unpacked
from training.datasets.sample import SHAPES, parse, read, record, write
from training.datasets.skipped import Skipped

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools before NumPy 2's rules
SIZE = (64, 48)
MASK = [[1.0, 2.0, 9.0, 2.0, 9.0, 8.0]]
LINE = {"image": "a.jpg", "size": [64, 48], "query": {"text": "Segment the bus"}, "kind": "seg",
        "answer": [{"label": "bus", "box": [1.0, 2.0, 9.0, 8.0], "mask": MASK}]}  # fmt: skip
QUESTION = {"image": "a.jpg", "size": [64, 48], "query": {"task": "sign colour", "region": {"point": [8.0, 9.0]}},
            "kind": "text", "answer": "red", "think": "It is round.", "source": "x:1",
            "history": [["What is it?", "A sign."]]}  # fmt: skip


def but(line: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**line, **changed}


# -- lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [LINE, QUESTION, but(LINE, answer=[]), but(LINE, size=[0, 0], kind="text", answer="No")]
)
def test_a_line_is_read_and_written_the_same(line: dict[str, Any]) -> None:
    assert record(parse(line)) == line


def test_a_task_brings_its_prompt_and_its_form() -> None:
    sample = parse({"image": "a", "size": list(SIZE), "query": {"task": "lanes"}, "answer": []})
    assert sample.kind == "pl" and "lane line" in sample.query.text and "solid white" in sample.form.labels
    assert parse(LINE).form.kind == "seg"


numbers = st.tuples(st.floats(0, 64), st.floats(0, 48)).map(list)


@given(st.data())
def test_every_shape_survives_to_a_hundredth_of_a_pixel(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name in SHAPES if name != "seeds"]))
    if name == "box":
        x, y = data.draw(st.floats(0, 30)), data.draw(st.floats(0, 20))
        drawn: Any = [x, y, x + data.draw(st.floats(0.1, 30)), y + data.draw(st.floats(0.1, 20))]
    else:
        drawn = data.draw(st.lists(numbers, min_size=SHAPES[name].least, max_size=9))
        drawn = drawn[0] if name == "point" else drawn
    kind = SHAPES[name].kind
    line = {
        "image": "a",
        "size": list(SIZE),
        "query": {"text": "q"},
        "kind": kind,
        "answer": [{"label": "x", name: drawn}],
    }
    once = parse(line)
    again = parse(json.loads(json.dumps(record(once))))
    assert np.abs(again.answer[0].shape.xy - np.reshape(drawn, (-1, 2))).max() <= 0.00501


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("7", "a sample must be an object, got 7"),
        (but(LINE, query={}), "a query has a text or a task"),
        (but(LINE, query={"task": "walls"}), "query of task 'walls'"),
        (but(LINE, kind="mask"), "kind 'mask' is none of pt, box"),
        (but(LINE, kind="text"), "the answer of kind text must be a string"),
        (but(LINE, kind="text", answer=" "), "the answer is empty"),
        (but(LINE, size=[0, 0]), "an answer with geometry needs the image's size"),
        (but(LINE, size=[64]), "size is width and height, got [64]"),
        (but(LINE, answer=[{"label": "<b>", "box": [1, 2, 3, 4]}]), "a label holds no '<'"),
        (but(LINE, answer=[{"box": [1, 2, 3, 4]}]), "an object of an answer of kind seg has box"),
        (but(LINE, kind="box", answer=[{"label": "x"}]), "has no geometry"),
        (but(LINE, kind="box", answer=[{"box": [3, 2, 1, 4]}]), "a box is top-left then bottom-right"),
        (but(LINE, kind="box", answer=[{"box": [70, 2, 90, 4]}]), "lies outside the image of 64 x 48"),
        (but(LINE, kind="pl", answer=[{"polyline": [[1, 2]]}]), "at least 2 vertices"),
        (but(LINE, kind="pt", answer=[{"point": [1, 2], "box": [1, 2, 3, 4]}]), "a shape is one of"),
        (but(LINE, answer=[{"mask": [[1, 2, 3, 4]]}]), "a polygon of 4 numbers"),
        (but(LINE, answer=[{"mask": {"size": [48, 64], "counts": [5]}}]), "5 pixels in an image of 64 x 48"),
        (but(LINE, answer=[{"mask": {"size": [64, 48], "counts": [3072]}}]), "a mask of size [64, 48]"),
        (but(LINE, answer=[{"mask": {"size": [48, 64], "counts": "~"}}]), "run lengths packed into text hold '~'"),
        (but(QUESTION, query={"text": "q", "region": {"circle": [1, 2]}}), "a shape is one of point, box"),
        (but(QUESTION, history=[["alone"]]), "not enough values"),
    ],
)
def test_a_malformed_line_is_named_and_the_others_are_read(line: Any, reason: str, tmp_path: Path) -> None:
    file, skipped = tmp_path / "samples.jsonl", Skipped()
    text = line if isinstance(line, str) else json.dumps(line)
    file.write_text(f"{json.dumps(LINE)}\n\n{text}\n{json.dumps(QUESTION)}\n")
    assert [sample.kind for sample in read(file, skipped)] == ["seg", "text"]
    (fault,) = skipped.lines
    assert fault.startswith(f"{file}:3: ") and reason in fault


def test_what_is_written_is_read_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    assert write(file, map(parse, (LINE, QUESTION))) == 2
    assert [record(sample) for sample in read(file)] == [LINE, QUESTION]
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(read(tmp_path / "none.jsonl"))


def test_reasons_are_counted_without_their_numbers() -> None:
    skipped = Skipped()
    for number in range(3):
        skipped.note("f", number, f"{number} boxes of 'a{number}': an answer holds at most 16")
    skipped.note("f", 9, "other")
    assert skipped.reasons() == [(".. boxes of ..: an answer holds at most ..", 3), ("other", 1)]


# -- masks ---------------------------------------------------------------------------------------------------------

areas = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < drawn[3]
)


@settings(max_examples=60)
@given(areas)
def test_masks_are_coded_as_pycocotools_codes_them(area: np.ndarray) -> None:
    from pycocotools import mask

    said, theirs = coded(area), mask.encode(np.asfortranarray(area.astype(np.uint8)))
    assert said["size"] == theirs["size"] and said["counts"].encode() == theirs["counts"]
    assert (area_of(said, area.shape[::-1]) == area).all()
    plain = {"size": said["size"], "counts": unpacked(said["counts"])}
    assert (area_of(plain, area.shape[::-1]) == area).all()


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_run_lengths_are_unpacked_as_they_were_packed(runs: list[int]) -> None:
    assert unpacked(packed(runs)) == runs


around = st.floats(-20, 80) | st.integers(-2, 66).map(float)


@settings(max_examples=150)
@given(st.lists(st.tuples(around, around), min_size=3, max_size=8))
def test_polygons_are_filled_as_pycocotools_fills_them(points: list[tuple[float, float]]) -> None:
    from pycocotools import mask

    flat = [value for point in points for value in point]
    theirs = mask.decode(mask.frPyObjects([flat], 48, 64))[..., 0] > 0
    assert (area_of([flat], SIZE) == theirs).all()


def test_several_polygons_are_one_mask_and_none_reaches_beyond_all_images() -> None:
    ring = [1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 9.0]
    two = area_of([ring, [value + 4 for value in ring]], SIZE)
    assert (two == area_of([ring], SIZE) | area_of([[value + 4 for value in ring]], SIZE)).all() and two[6, 6]
    with pytest.raises(ValueError, match=r"a polygon reaches -1e\+11"):
        area_of([[0, 0, -1e11, 0, 0, 1]], SIZE)
