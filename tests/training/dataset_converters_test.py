"""Every public set in its own format: what becomes of it, what is skipped with its place, and that nothing is fatal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from getok_core.errors import DataError
from getok_core.labels.segmentation import area_of
from tests.core.label_formats_test import bent
from tests.training.public_sets import SETS, SQUARE, Set
from training.datasets.categories import nearest_first
from training.datasets.registry import CONVERTERS, converter
from training.datasets.sample import Sample, parse, record
from training.datasets.source import Source


def converted(name: str, one: Set) -> tuple[list[Sample], list[str]]:
    source = Source(one.source, one.images)
    return list(converter(SETS[name][0])(source)), source.skipped.lines


def made(name: str, folder: Path) -> tuple[Set, list[Sample], list[str]]:
    one = SETS[name][1](folder / name)
    return one, *converted(name, one)


@pytest.mark.parametrize("name", SETS)
def test_what_a_set_says_becomes_samples_and_what_is_malformed_is_named(name: str, tmp_path: Path) -> None:
    one, samples, skipped = made(name, tmp_path)
    assert [sample.query.text for sample in samples] == one.texts
    assert len(skipped) == len(one.reasons), skipped
    for line, reason in zip(skipped, one.reasons, strict=True):
        assert reason in line and line.startswith(str(tmp_path)), line
    for sample in samples:
        assert record(parse(record(sample))) == record(sample) and sample.source


def test_every_converter_of_a_public_set_is_tested_here() -> None:
    assert {entry.module for entry in CONVERTERS.values()} - {"", "driving"} == {one for one, _ in SETS.values()}


# -- what the samples hold -----------------------------------------------------------------------------------------


def test_a_ref_is_its_mask_its_box_and_the_words_for_it(tmp_path: Path) -> None:
    _, (segment, box, words), _ = made("refcoco", tmp_path)
    assert (segment.kind, box.kind, words.kind) == ("seg", "box", "text")
    assert segment.image == "COCO_train2014_000000000001.jpg" and segment.size == (64, 48)
    found = segment.answer[0]
    assert found.label == "person" and found.shape.xyxy.tolist() == [20, 10, 50, 30]
    assert (found.area(segment.size) == SQUARE).all()
    assert words.answer == "lady with blue shirt" and words.query.region == box.answer[0].shape
    assert segment.source == "refcoco:0:0"


def test_a_pickle_of_refs_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pickle, which is never opened"):
        list(converter("refcoco")(Source(tmp_path / "refs(unc).p")))


def test_another_split_is_taken_when_asked_for(tmp_path: Path) -> None:
    one = SETS["refcoco"][1](tmp_path / "refcoco+")
    source = Source(one.source, split="val")
    assert [sample.source for sample in converter("refcoco")(source)] == ["refcoco+:1:1"] * 3


def test_several_objects_are_one_answer_and_no_target_is_none(tmp_path: Path) -> None:
    _, samples, _ = made("grefcoco", tmp_path)
    assert [len(sample.answer) for sample in samples] == [2, 2, 0, 0]
    assert [found.label for found in samples[0].answer] == ["person", "dog"]
    assert (samples[0].answer[1].area((64, 48)) == SQUARE).all()


@pytest.mark.parametrize("name", ["stuffthingmaps", "ade20k"])
def test_the_pixels_of_a_map_are_the_mask(name: str, tmp_path: Path) -> None:
    _, samples, _ = made(name, tmp_path)
    assert samples[0].size == (64, 48) and (samples[1].answer[0].area((64, 48)) == SQUARE).all()
    folder = "train2017" if name == "stuffthingmaps" else "images/training"
    assert samples[0].image == f"{folder}/000000000009.jpg"
    assert samples[1].answer[0].shape.xyxy.tolist() == [20, 10, 50, 30]


def test_parts_are_asked_for_by_their_kind(tmp_path: Path) -> None:
    _, (_, wheels), _ = made("paco_lvis", tmp_path)
    assert [found.label for found in wheels.answer] == ["car wheel"] * 2
    _, (car, wheels, plate, boat), _ = made("pascal_part", tmp_path)
    assert [len(one.answer) for one in (car, wheels, plate, boat)] == [1, 2, 1, 1]
    assert (wheels.answer[1].area((64, 48)) == SQUARE).all() and wheels.image == "JPEGImages/2008_000001.jpg"


@pytest.mark.parametrize(
    ("short", "name"),
    [("lfleg", "left front leg"), ("rbho", "right back hoof"), ("luarm", "left upper arm"), ("llarm", "left lower arm"),
     ("fwheel", "front wheel"), ("wheel_3", "wheel"), ("fliplate", "front license plate"),
     ("leftmirror", "left mirror"), ("lebrow", "left eyebrow"), ("cfrontside_2", "front side"),
     ("hroofside", "roof side"), ("hair", "hair"),
     ("handlebar", "handlebar"), ("lhand", "left hand"), ("rfpa", "right front paw"), ("lblleg", "left back lower leg"),
     ("beak", "beak"), ("lleg", "left leg"), ("rlleg", "right lower leg"), ("beyond", "beyond")],
)  # fmt: skip
def test_short_names_of_pascals_parts_are_spelled_out(short: str, name: str) -> None:
    from training.datasets.pascal_part import part_name

    assert part_name(short) == name


def test_a_region_of_visual_genome_is_asked_about_and_its_photograph_named(tmp_path: Path) -> None:
    _, (first, _), _ = made("visual_genome", tmp_path)
    assert first.answer == "a red bus" and first.image == "VG_100K_2/1.jpg"
    assert first.query.region.xyxy.tolist() == [20, 10, 50, 30] and "000000000007" in first.source


def test_points_are_per_cent_of_the_image(tmp_path: Path) -> None:
    _, (one, none), _ = made("pixmo_points", tmp_path)
    assert one.answer[0].shape.xy.tolist() == [[16, 24]] and none.answer == () and one.image == "ab12.png"


def test_conversations_keep_their_rounds_and_boxes_in_text_become_ours(tmp_path: Path) -> None:
    _, (talk, poem, box, words), _ = made("llava", tmp_path)
    assert talk.history == (("What is it?", "A bus."),) and talk.answer == "Red."
    assert poem.image == "" and poem.answer == "No.\n\nWell <b>."
    # Of 64 x 48 padded to 64 x 64, a quarter to a half is 16 to 32, 8 rows of it padding.
    assert box.answer[0].shape.xyxy.tolist() == words.query.region.xyxy.tolist() == [16, 8, 32, 24]
    assert words.answer == "A red bus."


def test_without_a_folder_of_images_boxes_in_text_say_what_is_needed(tmp_path: Path) -> None:
    source = Source(SETS["llava"][1](tmp_path).source)
    assert len(list(converter("llava")(source))) == 2
    assert any("give --images" in line for line in source.skipped.lines)


def test_the_stages_before_a_conclusion_are_the_thought(tmp_path: Path) -> None:
    _, (one,), _ = made("llava_cot", tmp_path)
    assert (one.think, one.answer) == ("I look.\nA bus.\nRed.", "B")


def test_what_reasonseg_ignores_is_cut_out_of_the_mask_and_of_its_score(tmp_path: Path) -> None:
    _, (holed, whole), _ = made("reason_seg", tmp_path)
    hole = np.zeros_like(SQUARE)
    hole[15:20, 30:40] = True
    assert (holed.answer[0].area((64, 48)) == SQUARE & ~hole).all() and whole.ignore is None
    assert (whole.answer[0].area((64, 48)) == SQUARE).all() and (area_of(holed.ignore, (64, 48)) == hole).all()
    assert (area_of(parse(record(holed)).ignore, (64, 48)) == hole).all()


def test_a_rejected_expression_is_answered_none(tmp_path: Path) -> None:
    _, (one, none), _ = made("humanref", tmp_path)
    assert one.answer[0].label == "person" and none.answer == ()


def test_a_list_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    one = SETS["llava_cot"][1](tmp_path)
    record = one.source.read_text().splitlines()[0]
    for text, count in ((f" [{record},\n {record}]", 2), (f"[{record}, {record[:50]}", 1), ("[", 0), ("[]", 0)):
        one.source.write_text(text)
        samples, skipped = converted("llava_cot", one)
        assert len(samples) == count and len(skipped) == (text[-1] != "]")
        assert all(f"[{count}]: the list breaks off" in line for line in skipped)


def test_objects_stand_in_the_order_of_their_lower_edges() -> None:
    boxes = [{"box": [5, 0, 9, 20]}, {"box": [1, 0, 4, 30]}, {"box": [2, 10, 9, 20]}]
    assert nearest_first(boxes) == [boxes[1], boxes[2], boxes[0]]
    assert nearest_first([{"point": [1, 2]}, {"point": [0, 7]}])[0] == {"point": [0, 7]}


# -- nothing is fatal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SETS if name not in ("stuffthingmaps", "ade20k", "pascal_part")])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_read_skipped_or_refused_in_one_line(name: str, data: Any, tmp_path: Path) -> None:
    one = SETS[name][1](tmp_path / name)
    file = data.draw(
        st.sampled_from(sorted([*one.source.parent.glob("*.json"), one.source, *one.source.glob("*.json")]))
    )
    if file.is_dir():
        return
    if file.suffix == ".jsonl":
        lines = file.read_text().splitlines()
        file.write_text("\n".join([json.dumps(data.draw(bent(json.loads(lines[0])))), *lines[1:]]))
    else:
        text = file.read_text()
        file.write_text(json.dumps(data.draw(bent(json.loads(text)))) if text != "{" else "[]")
    try:
        samples, skipped = converted(name, one)
    except DataError as error:
        assert str(error) and "\n" not in str(error)
        return
    assert all("\n" not in line for line in skipped)
    for sample in samples:
        assert parse(json.loads(json.dumps(record(sample)))).query.text == sample.query.text
