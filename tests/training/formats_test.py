"""Every way to write geometry says what it was given, to within its step, and reads any text without an error."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from getok_core.errors import QueryError
from getok_core.geometry import KINDS, Box, Point, Polygon
from getok_core.labels.segmentation import coded
from getok_core.lattice import Lattice
from getok_core.queries import TASKS, SceneQuery
from getok_core.view import View
from training.datasets.sample import read
from training.formats import Format, Thing
from training.formats import __main__ as command
from training.formats.bins import Bins
from training.formats.grid import Grid
from training.formats.json_text import JsonText
from training.formats.known import FORMATS, format_named
from training.formats.marker import Marker, marked
from training.formats.vision_reasoner import VisionReasoner

VIEW = View((1640, 590), (840, 840))
GRIDS = [Grid(16), Grid(), Grid(rounds=1), Grid(64, rounds=3)]
WHOLE = [*GRIDS, JsonText(), Bins(), Marker()]
"""formats that can say every kind"""
ALL = [*WHOLE, VisionReasoner()]
IMAGE = np.full((590, 1640, 3), 90, np.uint8)
PIECES = [
    "<box>", "</box>", "<grid_3_4>", "</answer>", "<offset>", "<step_1>", "<off_1_0>", "<answer>", "<think>", "{",
    "}", "[", '"bbox_2d": [1, 2, 3, 4]', '{"bbox_2d": [9, 9, 3, 4]}', '{"point_2d": "a"}', "{'point_2d': [1e999, 2]}",
    '{"points_2d": [[1, 2]], "bbox_2d": 3, "label": 4}', "box bin_001 bin_002", " bin_999 bin_999", "; ", "pt bin_5",
    "none", "null", "\n",
]  # fmt: skip
labels = st.sampled_from(["", "car", "solid white", "the red one"])


@st.composite
def things(draw: st.DrawFn, kind: str) -> Thing:
    """Vertices far enough apart for the coarsest lattice to tell them apart."""
    cells = st.tuples(st.integers(0, 15), st.integers(0, 15))
    least, most = KINDS[kind].least, KINDS[kind].least if kind in ("pt", "box") else 6
    ij = np.asarray(draw(st.lists(cells, min_size=least, max_size=most, unique=True)), np.float64)
    inside = np.asarray(draw(st.lists(st.floats(0.02, 0.98), min_size=2 * len(ij), max_size=2 * len(ij)))).reshape(
        -1, 2
    )
    xy = (ij + inside) / 16 * VIEW.size
    corner = np.asarray(draw(cells), np.float64)
    box = np.concatenate([corner + 0.1, np.minimum(corner + 3.4, 15.9)]) / 16 * np.tile(VIEW.size, 2)
    if kind == "box":
        return Thing(kind, box.reshape(2, 2), draw(labels))
    return Thing(kind, xy, draw(labels), box=box if kind == "seg" and draw(st.booleans()) else None)


def close(one: np.ndarray, other: np.ndarray, form: Format) -> bool:
    return one.shape == other.shape and bool((np.abs(one - other) <= np.asarray(form.step(VIEW)) + 1e-6).all())


@pytest.mark.parametrize("form", WHOLE, ids=lambda form: form.name)
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_written_is_read_back_within_a_step(form, kind) -> None:
    @settings(max_examples=10)
    @given(said=st.lists(things(kind), max_size=3))
    def check(said: list[Thing]) -> None:
        begin = np.array([one.xy[0] if one.box is None else one.box[:2] for one in said]).reshape(-1, 2)
        assume(len(np.unique(Lattice(16).encode(begin, VIEW.size).ij, axis=0)) == len(said))
        read = form.parse(form.write(said, VIEW), VIEW)
        assert read.faults == 0 and len(read.things) == len(said)
        for was, now in zip(said, read.things, strict=True):
            assert (now.kind, now.label) == (was.kind, was.label) and close(was.xy, now.xy, form)
            assert (now.box is None) == (was.box is None) and (was.box is None or close(was.box[:2], now.box[:2], form))

    check()


@given(said=st.lists(things("box"), max_size=3))
def test_vision_reasoner_says_boxes_with_a_point_inside(said) -> None:
    form = VisionReasoner()
    read = form.parse(form.write(said, VIEW), VIEW)
    assert read.faults == 0 and [one.kind for one in read.things] == ["seg"] * len(said)
    for was, now in zip(said, read.things, strict=True):
        assert (
            close(was.xy.reshape(4)[:2], now.box[:2], form)
            and (now.xy[0] > now.box[:2]).all()
            and (now.xy[0] < now.box[2:]).all()
        )


@pytest.mark.parametrize("form", ALL, ids=lambda form: form.name)
@settings(max_examples=25)
@given(text=st.text(max_size=80) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_read(form, text) -> None:
    said = form.parse(text, VIEW)
    assert said.faults >= 0
    for thing in said.things:
        assert np.isfinite(thing.xy).all() and (thing.xy >= 0).all() and (thing.xy <= VIEW.size).all()
        assert len(thing.xy) >= KINDS[thing.kind].least
        assert thing.kind != "box" or (thing.xy[1] > thing.xy[0]).all()


@pytest.mark.parametrize("form", ALL, ids=lambda form: form.name)
def test_nothing_is_said_as_nothing(form) -> None:
    read = form.parse(form.write([], VIEW), VIEW)
    assert read.things == () and read.faults == 0 and read.text == "none"


@pytest.mark.parametrize("form", [JsonText(), Bins(), VisionReasoner()], ids=lambda form: form.name)
@pytest.mark.parametrize("text", ["", "car", "I see a car.", "{}", "<answer></answer>"])
def test_an_answer_without_an_object_that_is_not_none_is_unreadable(form, text) -> None:
    said = form.parse(text, VIEW)
    assert said.faults > 0 and said.things == ()


def test_json_is_in_pixels_of_the_resized_image_and_may_be_fenced() -> None:
    form, box = JsonText(), Thing("box", np.array([[164.0, 59.0], [820.0, 295.0]]), "car")
    assert json.loads(form.write([box], VIEW)) == [{"bbox_2d": [84, 84, 420, 420], "label": "car"}]
    fenced = 'Sure:\n```json\n[\n\t{"bbox_2d": [84, 84, 420, 420], "label": "car"},\n\t{"bbox_2d": [1, 2'
    read = form.parse(fenced, VIEW)
    assert np.allclose(read.things[0].xy, box.xy) and read.faults == 1


def test_a_deleted_vertex_and_a_second_round_are_read() -> None:
    form = Grid(rounds=2)
    text = ("curb<pl><grid_0_0><grid_8_8><grid_31_31></pl></answer><offset><step_1><pl><off_1_1><delete><off_0_0></pl>"
            "</offset><offset><step_2><pl><off_-1_0><off_0_1></pl></offset>")  # fmt: skip
    read = form.parse(text, View((32, 32), (32, 32)))
    assert read.faults == 0 and read.things[0].xy.tolist() == [[0.75, 1.0], [31.5, 31.75]]
    assert form.parse(text + "<offset>", VIEW).faults == 1 and form.parse(text[:-9], VIEW).faults == 1


@pytest.mark.parametrize("form", [JsonText(), Bins(), Marker(), VisionReasoner()], ids=lambda form: form.name)
@pytest.mark.parametrize(
    "region", [Box.of([164, 59, 820, 295]), Point([[20.0, 30.0]]), Polygon([[1, 1], [90, 9], [9, 90]])]
)
def test_a_baseline_asks_without_a_token_of_the_language(form, region) -> None:
    colour = SceneQuery("sign colour", TASKS["sign colour"].prompt, region)
    shown, asked = form.ask(colour, "text", IMAGE, VIEW)
    assert asked.region is None and "<" not in asked.text and asked.options == TASKS["sign colour"].form.labels
    assert (shown is IMAGE) == (not isinstance(form, Marker))
    _, found = form.ask(SceneQuery("referred boxes", "the red car"), "box", IMAGE, VIEW)
    assert found.text.startswith("Box the red car. ") and len(found.text) > 30 and "<" not in found.text
    assert form.ask(SceneQuery("", "Describe it.", region), "text", IMAGE, VIEW)[1].text.startswith("Describe it.")


def test_json_names_a_region_in_the_same_pixels_as_its_answers() -> None:
    query = SceneQuery("", "What is it?", Box.of([164, 59, 820, 295]))
    assert JsonText().ask(query, "text", IMAGE, VIEW)[1].text == 'What is it? At {"bbox_2d": [84, 84, 420, 420]}.'


def test_the_marker_is_drawn_where_the_region_lies() -> None:
    shown, _ = Marker().ask(SceneQuery("", "What?", Box.of([164, 59, 820, 295])), "text", IMAGE, VIEW)
    assert shown.shape == (840, 840, 3)
    red = (shown == (255, 0, 0)).all(-1)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    assert np.abs(np.array([columns[0], rows[0], columns[-1], rows[-1]]) - [84, 84, 420, 420]).max() <= 2
    assert not red[90:410, 90:410].any() and (IMAGE == 90).all()
    ring = (marked(IMAGE, Point([[100.5, 200.5]])) == (255, 0, 0)).all(-1)
    assert not ring[200, 100] and ring[200 - 15 : 216, 85:116].sum() == ring.sum() > 20


def test_formats_have_names() -> None:
    assert isinstance(format_named("bins"), Bins) and len({form.name for form in FORMATS.values()}) == len(FORMATS)
    with pytest.raises(QueryError, match="'moon': use one of grid"):
        format_named("moon")


# -- samples for a baseline --------------------------------------------------------------------------------------


def sample_lines() -> list[dict]:
    disc = np.hypot(*(np.indices(VIEW.size[::-1]) - np.array([300, 800])[:, None, None])) < 90
    about = {"image": "a.png", "size": list(VIEW.size)}
    red = {"task": "sign colour", "region": {"box": [164, 59, 820, 295]}}
    car = {"label": "car", "box": [100, 50, 400, 300]}
    return [
        about | {"query": {"text": "Box the car"}, "kind": "box", "answer": [car]},
        about | {"query": {"text": "Segment it"}, "kind": "seg",
                 "ignore": coded(disc), "answer": [{"label": "disc", "mask": coded(disc)}]},
        about | {"query": {"task": "lanes"}, "answer": [{"label": "curb", "polyline": [[50, 580], [300, 50]]}]},
        about | {"query": {"text": "Box the moon"}, "kind": "box", "answer": []},
        about | {"query": red, "answer": "red"},
        {"image": "", "query": {"text": "Hello"}, "kind": "text", "answer": "Hello."},
    ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.spoken])
def test_samples_become_text_that_says_the_same(name, tmp_path, capsys) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, sample_lines())) + "\nno json\n")
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    given = ["--images", str(tmp_path), "--marked", str(tmp_path / "marked"), "--out", str(tmp_path / "out.jsonl")]
    assert command.main([str(tmp_path / "in.jsonl"), "--format", name, *given]) == 0
    made, form = list(read(tmp_path / "out.jsonl")), FORMATS[name]
    lost = name == "vision-reasoner"  # it cannot say a line
    assert len(made) == 6 - lost and all(one.kind == "text" and one.query.region is None for one in made)
    assert capsys.readouterr().err.count("left out") == 1 + lost
    (box,) = form.parse(str(made[0].answer), VIEW).things
    assert np.abs((box.xy.reshape(4) if box.box is None else box.box) - [100, 50, 400, 300]).max() < 2
    (disc,) = form.parse(str(made[1].answer), VIEW).things
    assert disc.kind == "seg" and np.abs(disc.box - [710, 210, 891, 391]).max() < 3
    assert np.abs(disc.xy - [800, 300]).max() < 60 and "<" not in str(made[1].answer)
    assert form.parse(str(made[3 - lost].answer), VIEW).text == "none"
    assert made[-1].answer == "Hello." and made[-2].answer == "red" and made[-2].query.options
    assert (made[-2].image == "a.png") == (name != "marker")
    if name == "marker":
        assert (cv2.imread(str(tmp_path / "marked" / made[-2].image))[:, :, 2] > 200).any()


def test_what_cannot_be_rewritten_is_one_line(tmp_path, capsys) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, sample_lines())))
    out = ["--out", str(tmp_path / "out.jsonl")]
    for wrong, line in ((["--format", "grid"], "learned in already"), (["--format", "marker"], "give --images"),
                        (["--format", "moon"], "no format is called 'moon'")):  # fmt: skip
        assert command.main([str(tmp_path / "in.jsonl"), *wrong, *out]) == 2
        error = capsys.readouterr().err
        assert line in error and error.count("\n") == 1
