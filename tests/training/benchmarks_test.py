"""The benchmarks agree with plain second versions of the official rules; every suite runs on samples of its kind."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import permutations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.engines.noise_engine import NoiseEngine
from getok_core.errors import DataError
from getok_core.geometry import Box, Mask
from getok_core.labels.segmentation import coded
from getok_core.metrics.tally import SEEDS, Tally
from getok_core.perceiver import Perceiver
from getok_core.queries import TASKS, SceneQuery
from training.benchmarks import __main__ as command
from training.benchmarks import captions, run
from training.benchmarks.asking import Asker
from training.benchmarks.captions import CIDER, METEOR, caption_scores
from training.benchmarks.masks import CIOU, GIOU, NO_TARGET, TARGET, gres_parts, lisa_parts
from training.benchmarks.points import F1, PRECISION, RECALL, SILENT, pointing_parts
from training.benchmarks.run import measure
from training.benchmarks.suites import SEVEN, SUITES, attribute_parts, reasoned_parts, rec_parts
from training.datasets.sample import Labelled, Sample, parse, write
from training.datasets.skipped import Skipped
from training.formats import Said, Thing
from training.formats.grid import Grid
from training.formats.known import FORMATS

SIZE = (64, 48)


def ratios(rows: list[dict]) -> dict[str, float]:
    tally = Tally()
    for image, parts in enumerate(rows):
        tally.add(image, parts)
    return {row: interval.value for row, interval in tally.intervals().items()}


# -- masks: the official rules once more, as plainly as can be -----------------------------------------------------


def masks(rng: np.random.Generator, empty: float) -> list[tuple[np.ndarray, np.ndarray, bool]]:
    """Truth, drawn, and whether the model said none."""
    out = []
    for _ in range(int(rng.integers(3, 9))):
        truth, drawn = (
            rng.random((9, 11)) < rng.random() if rng.random() > empty else np.zeros((9, 11), bool) for _ in "ab"
        )
        out.append((truth, drawn, bool(not drawn.any() or rng.random() < 0.2)))
    return out


def lisa(samples, ignored=()) -> dict[str, float]:
    """validate(): per sample I / (U + 1e-5), 1 more where U is 0; sums of I and of U with 1e-10 below.

    Where the truth is 255, "ignore", the output is made 255 too, and neither histogram counts it.
    """
    inter = union = total = 0.0
    for at, (meant, said, _) in enumerate(samples):
        truth = np.where(ignored[at], 255, meant) if len(ignored) else meant.astype(int)
        drawn = np.where(truth == 255, 255, said)
        i = sum(1 for t, d in zip(truth.ravel(), drawn.ravel(), strict=True) if t == d == 1)
        u = (truth == 1).sum() + (drawn == 1).sum() - i
        inter, union, total = inter + i, union + u, total + i / (u + 1e-5) + (1.0 if u == 0 else 0.0)
    return {GIOU: total / len(samples), CIOU: inter / (union + 1e-10)}


def rela(samples) -> dict[str, float]:
    """ReferEvaluator.evaluate()."""
    inter = union = total = tp = tn = fp = fn = 0.0
    above = dict.fromkeys((0.7, 0.8, 0.9), 0)
    for truth, drawn, none in samples:
        i, u = float((truth & drawn).sum()), float((truth | drawn).sum())
        if not truth.any():
            tp, fn, total, union = tp + none, fn + (not none), total + none, union + (0 if none else u)
            continue
        if none:
            fp, i = fp + 1, 0.0
        else:
            tn += 1
        inter, union, total = inter + i, union + u, total + i / u
        for at in above:
            above[at] += i / u >= at
    found = {GIOU: total / len(samples), CIOU: inter / union if union else np.nan}
    found |= {NO_TARGET: tp / (tp + fn)} if tp + fn else {}
    meant = tn + fp
    return found | ({TARGET: tn / meant, **{f"Pr@{at}": n / meant for at, n in above.items()}} if meant else {})


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_masks_are_scored_as_lisa_and_grefcoco_score_them(seed) -> None:
    some = masks(np.random.default_rng(seed), 0.3)
    ignored = [np.random.default_rng(seed).random(truth.shape) < 0.3 for truth, _, _ in some]
    left_out = ratios([lisa_parts(truth, drawn, out) for (truth, drawn, _), out in zip(some, ignored, strict=True)])
    whole = ratios([lisa_parts(truth, drawn) for truth, drawn, _ in some])
    for ours, wanted in ((whole, lisa(some)), (left_out, lisa(some, ignored))):
        assert all(abs(ours[row] - wanted[row]) < 1e-6 for row in wanted if wanted[CIOU] or row == GIOU)
    ours, wanted = ratios([gres_parts(*one) for one in some]), rela(some)
    assert ours.keys() == wanted.keys()
    assert all(abs(ours[row] - wanted[row]) < 1e-6 for row in wanted if wanted[row] == wanted[row])


def test_the_two_means_and_the_two_rules_are_not_the_same() -> None:
    small, large = np.zeros((40, 40), bool), np.ones((40, 40), bool)
    small[:2, :2] = True
    ours = ratios([lisa_parts(small, small), lisa_parts(large, ~large)])
    assert abs(ours[GIOU] - 0.5) < 1e-5 and ours[CIOU] < 0.01
    said_but_empty = np.zeros((4, 4), bool)
    assert lisa_parts(said_but_empty, said_but_empty)[GIOU] == (1.0, 1.0)
    assert gres_parts(said_but_empty, said_but_empty, none=False)[GIOU] == (0.0, 1.0)


def test_what_a_sample_ignores_counts_neither_way() -> None:
    truth, drawn, ignored = (np.zeros(SIZE[::-1], bool) for _ in "abc")
    truth[10:20, 10:20], drawn[10:30, 10:20], ignored[20:40] = True, True, True
    said = {"image": "a.png", "size": list(SIZE), "query": {"text": "Segment it"}, "kind": "seg",
            "answer": [{"mask": coded(truth)}]}  # fmt: skip
    plain, spared = parse(said), parse(said | {"ignore": coded(ignored)})
    values = [reasoned_parts(sample, Said(area=drawn))[CIOU] for sample in (plain, spared)]
    assert values == [(100.0, 200.0), (100.0, 100.0)]
    with pytest.raises(ValueError, match="kind pt has no pixels to ignore"):
        parse(said | {"kind": "pt", "answer": [], "ignore": coded(ignored)})


# -- points, boxes, words ------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_points_are_paired_so_that_most_are_hit(seed) -> None:
    rng = np.random.default_rng(seed)
    areas = [rng.random((6, 6)) < 0.4 for _ in range(int(rng.integers(1, 4)))]
    points = [rng.uniform(-1, 7, (1, 2)) for _ in range(int(rng.integers(0, 4)))]

    def hit(area, point) -> bool:
        x, y = (int(v) for v in np.floor(point[0]))
        return 0 <= x < 6 and 0 <= y < 6 and bool(area[y, x])

    longer = max(len(areas), len(points))
    best = max(
        sum(hit(areas[a], points[p]) for a, p in enumerate(order) if a < len(areas) and p < len(points))
        for order in permutations(range(longer))
    )
    parts = pointing_parts(areas, points)
    assert parts[F1] == (2 * best, len(areas) + len(points)) and parts[RECALL] == (best / len(areas), 1.0)
    assert parts[PRECISION][0] == (best / len(points) if points else 0.0)


def test_pointing_at_nothing_is_right_only_without_a_point() -> None:
    assert pointing_parts([], [])[SILENT] == (1.0, 1.0)
    assert pointing_parts([], [np.zeros((1, 2))]) == {SILENT: (0.0, 1.0), F1: (0.0, 1.0)}


@pytest.mark.parametrize(("right", "expected"), [(20.0, (1, 1)), (16.0, (1, 1)), (10.0, (1, 0)), (9.9, (0, 0))])
def test_rec_takes_the_surest_box_and_counts_the_threshold_itself(right, expected) -> None:
    sample = Sample("a.png", SIZE, SceneQuery("", "Box it"), "box", (Labelled("", Box.of([0, 0, 20, 10])),))
    drawn = Thing("box", np.array([[0.0, 0.0], [right, 10.0]]), score=0.9)
    unsure = Thing("box", np.array([[0.0, 0.0], [20.0, 10.0]]), score=0.2)
    parts = rec_parts(sample, Said((unsure, drawn)))
    assert (parts["REC: Acc@0.5"][0], parts["REC: Acc@0.8"][0]) == expected
    assert rec_parts(sample, Said())["REC: Acc@0.5"] == (0.0, 1.0)


def test_an_attribute_is_the_very_word() -> None:
    sample = Sample("", SIZE, SceneQuery("sign colour", TASKS["sign colour"].prompt), "text", "red")
    values = [
        attribute_parts(sample, Said(text=text))[SEVEN["sign colour"]][0] for text in ("red", "Red.", "dark red", "")
    ]
    assert values == [1.0, 1.0, 0.0, 0.0] and SUITES["driving"].asks(sample) is sample


@pytest.mark.skipif(shutil.which("java") is None, reason="java is missing: METEOR and the tokenizer run on it")
def test_captions_are_scored_and_one_image_has_no_cider() -> None:
    pytest.importorskip("pycocoevalcap", reason="pycocoevalcap is missing: pip install 'getok_ros[captions]'")
    from pycocoevalcap.cider.cider import Cider

    people = {"a": ["a red car on the left", "the red car"], "b": ["two dogs in the grass"], "c": ["A man, walking."]}
    scores = caption_scores(people, {"a": "red car on the left", "b": "two dogs in the grass", "c": " "})
    assert 0.3 < scores[METEOR] < 0.9 and 1 < scores[CIDER] < 10
    assert Cider().compute_score({"b": people["b"]}, {"b": people["b"]})[0] == 0.0


def test_captions_of_one_region_are_its_references(samples, monkeypatch) -> None:
    folder, _ = samples
    heard = []
    monkeypatch.setattr(run, "caption_scores", lambda *given: heard.append(given) or {METEOR: 0.25, CIDER: 1.105})
    query = {"text": "Describe the region", "region": {"box": [1, 1, 20, 20]}}
    made = [
        parse({"image": "a.png", "size": list(SIZE), "query": query, "kind": "text", "answer": text})
        for text in ("a", "b")
    ]
    (block,) = measure(["caption"], made, [Asker(Perceiver(NoiseEngine(60), 0), Grid())], folder, Skipped())
    references, said = heard[0]
    assert list(references.values()) == [["a", "b"]] and references.keys() == said.keys()
    assert (
        "110.5" in block.text()
        and "nan" not in block.text()
        and block.to_json()["columns"]["grid 32"][CIDER] == [1.105, None, None]
    )


def test_captions_without_references_or_vendors_are_one_line(monkeypatch) -> None:
    monkeypatch.setattr(captions, "VENDORS", ("no_such_package",))
    with pytest.raises(DataError, match=r"pip install 'getok_ros\[captions\]'"):
        caption_scores({"a": ["x"]}, {"a": "x"})
    with pytest.raises(DataError, match="2 captions for 1 regions"):
        caption_scores({"a": ["x"]}, {"a": "x", "b": "y"})


# -- everything together -------------------------------------------------------------------------------------------


class Discs:
    """A segmenter whose mask is a disc around each prompt's middle."""

    def masks(self, image, prompts):
        y, x = np.indices(image.shape[:2]) + 0.5
        return [Mask(np.hypot(x - prompt.xy[:, 0].mean(), y - prompt.xy[:, 1].mean()) < 9) for prompt in prompts]


def objects(kind: str) -> list[dict]:
    disc = np.hypot(*(np.indices(SIZE[::-1]) - np.array([20, 20])[:, None, None])) < 9
    return {
        "box": [{"label": "car", "box": [4, 4, 30, 24]}], "seg": [{"label": "car", "mask": coded(disc)}],
        "pt": [{"point": [20.5, 20.5]}], "pl": [{"label": "curb", "polyline": [[5, 47], [30, 5]]}],
        "poly": [{"label": "drivable", "polygon": [[0, 47], [30, 5], [60, 47]]}],
    }[kind]  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> tuple:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8))
    asked = [
        ({"text": "Box the car"}, "box", objects("box")), ({"text": "Segment the car"}, "seg", objects("seg")),
        ({"text": "Segment the unicorn"}, "seg", []), ({"text": "Point at the car"}, "pt", objects("pt")),
        ({"task": "lanes"}, "pl", objects("pl")), ({"task": "drivable area"}, "poly", objects("poly")),
        ({"task": "sign colour", "region": {"box": [3, 3, 20, 30]}}, "text", "red"),
    ]  # fmt: skip
    made = [
        parse({"image": image, "size": list(SIZE), "query": query, "kind": kind, "answer": answer})
        for image in ("a.png", "b.png") for query, kind, answer in asked
    ]  # fmt: skip
    return folder, made


@pytest.mark.parametrize("name", FORMATS)
def test_every_suite_is_asked_in_every_format(name, samples) -> None:
    folder, made = samples
    skipped = Skipped()
    asker = Asker(Perceiver(NoiseEngine(60), 0), FORMATS[name], Discs())
    blocks = measure(list(SUITES), made, [asker], folder, skipped)
    assert [block.details["suite"] for block in blocks] == list(SUITES) and not skipped.lines
    for block in blocks:
        cells = block.columns[FORMATS[name].name]
        assert len(cells) >= 2 and all(
            0 <= cell.value <= 1 or cell.value != cell.value for row, cell in cells.items() if row != SEEDS
        ), block.text()
    assert {b.details["suite"]: b.details["samples"] for b in blocks} == {
        "rec": 2, "res": 2, "reason": 4, "gres": 4, "point": 8, "lane": 2, "driving": 2, "area": 2, "boxes": 2,
    }  # fmt: skip


class Oracle(Asker):
    """Says the truth as a format writes it."""

    def said(self, samples, image):
        view = self._view(image)
        out = []
        for sample in samples:
            if isinstance(sample.answer, str):
                out.append(Said(text=sample.answer))
                continue
            things = [self.thing(one, sample.kind) for one in sample.answer]
            out.append(self._masked(sample, self.form.parse(self.form.write(things, view), view), image))
        return out

    def thing(self, one, kind) -> Thing:
        if kind == "seg":
            return Thing("seg", np.array([[20.5, 20.5]]), one.label, box=np.array([11.0, 11, 29, 29]))
        xy = np.array([[20.5, 20.5]]) if kind == "pt" else one.shape.xy
        return Thing(kind, xy, one.label)


@pytest.mark.parametrize("name", ["grid", "grid+offset", "text", "bins"])
def test_the_truth_in_a_format_scores_high(name, samples) -> None:
    folder, made = samples
    oracle = Oracle(Perceiver(NoiseEngine(60), 0), FORMATS[name], Discs())
    blocks = {
        b.details["suite"]: b.columns[FORMATS[name].name]
        for b in measure(list(SUITES), made, [oracle], folder, Skipped())
    }
    assert blocks["rec"]["REC: Acc@0.5"].value == 1 and blocks["driving"][SEVEN["sign colour"]].value == 1
    assert min(blocks["reason"][GIOU].value, blocks["gres"][CIOU].value, blocks["area"]["areas: cIoU"].value) > 0.85
    assert blocks["res"][SEEDS].value == 1
    assert blocks["gres"][NO_TARGET].value == 1 and blocks["point"][F1].value == 1
    assert blocks["lane"]["lanes within 2 %: F1"].value == 1 and blocks["boxes"]["boxes at IoU 0.5: F1"].value == 1


def test_images_that_cannot_be_read_and_questions_that_cannot_be_asked_are_no_errors(samples) -> None:
    folder, made = samples
    skipped, asker = Skipped(), Asker(Perceiver(NoiseEngine(60), 0), Grid())
    long = replace(made[0], query=SceneQuery("", "x" * 700))
    answers = list(
        asker.answers([long, made[0], replace(made[0], image="no.png"), replace(made[0], size=(9, 9))], folder, skipped)
    )
    assert [said.faults for sample, said in answers if sample is long] == [1] and len(answers) == 2
    assert len(skipped.lines) == 2 and "no.png" in skipped.lines[1] and "the sample says (9, 9)" in skipped.lines[0]


def test_the_command_prints_tables_and_one_line_for_what_is_wrong(samples, tmp_path, monkeypatch, capsys) -> None:
    folder, made = samples
    write(tmp_path / "all.jsonl", made)
    monkeypatch.setattr(command, "load_engine", lambda *_: NoiseEngine(60))
    given = ["--samples", str(tmp_path / "all.jsonl"), "--images", str(folder), "--model", "noise"]
    done = command.main([*given, "--suite", "rec,lane", "--format", "grid,text", "--json", str(tmp_path / "out.json")])
    printed = capsys.readouterr().out
    assert done == 0 and "REC: Acc@0.8" in printed and "text coordinates (Qwen JSON)" in printed
    assert len(json.loads((tmp_path / "out.json").read_text())) == 2
    for wrong, line in ((["--suite", "res"], "--segmenter"), (["--suite", "caption"], "no sample fits suite caption")):
        assert command.main([*given, *wrong]) == 2
        error = capsys.readouterr().err
        assert line in error and error.count("\n") == 1
