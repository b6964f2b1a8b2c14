"""Questions: prompts tokenise, regions are read and checked, a user's words find their task."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.errors import QueryError
from getok_core.geometry import KINDS, Box, Point, Polygon, Polyline, Seeds
from getok_core.lattice import Lattice
from getok_core.queries import (
    ABSENT,
    ATTRIBUTE_TASKS,
    REFERRING_TASKS,
    SIGN_COLOURS,
    STANDING,
    STANDING_TASKS,
    TASKS,
    SceneQuery,
    anchored,
    check_region,
    parse_region,
    question,
    recognise,
)
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import ANSWER, CLOSE, OPEN
from tests.core.strategies import VOCABULARY, any_text

SIZE = (640, 320)
LATTICE = Lattice()


def prompt(query: SceneQuery) -> str:
    return VOCABULARY.spell(query.prompt(VOCABULARY, LATTICE, SIZE))


# -- prompts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*STANDING_TASKS, *ATTRIBUTE_TASKS])
def test_every_task_s_prompt_is_one_token_and_ends_where_the_answer_begins(name):
    ids = SceneQuery(name, "whatever a user said").prompt(VOCABULARY, LATTICE, SIZE)
    assert len(ids) == 2
    assert prompt(SceneQuery(name, "")) == TASKS[name].prompt + "<answer>"


@pytest.mark.parametrize("name", TASKS)
def test_every_label_can_be_written_and_is_short(name):
    for label in TASKS[name].form.labels:
        ids = VOCABULARY.encode_text(label)
        assert VOCABULARY.label_text[ids].all()
        assert VOCABULARY.decode_text(ids) == label == label.strip(" ")
        assert len(ids) <= 3, "labels are spelled in words, not in bytes"


@pytest.mark.parametrize(("text", "name", "expression"), [
    ("find the red truck left of the bus?", "referred boxes", "the red truck left of the bus"),
    ("point at every pedestrian", "referred points", "every pedestrian"),
    ("Segment the people on the left", "referred masks", "every pedestrian on the left"),
    ("show me the closest white car", "referred boxes", "the nearest white car"),
    ("where is the lorry behind the gray van", "", "where is the lorry behind the gray van"),
    ("find any red signs", "referred boxes", "every red sign"),
    ("find the cars", "obstacles", "find the cars"),
    ("is there a red light", "lights", "is there a red light"),
    ("what colour is the sign?", "sign colour", "what colour is the sign?"),
])  # fmt: skip
def test_a_referring_expression_is_recognised_and_made_canonical(text, name, expression):
    query = question(text)
    assert (query.name, query.text) == (name, expression)


def test_an_expression_is_one_token_a_word_or_phrase():
    ids = question("box every grey car right of the yellow bus").prompt(VOCABULARY, LATTICE, SIZE)
    assert [VOCABULARY.spell([token]) for token in ids] == [
        "Box", " every", " grey", " car", " right of", " the", " yellow", " bus", "<answer>"
    ]  # fmt: skip


def test_the_names_of_tasks_are_the_promised_ones():
    assert tuple(query.name for query in STANDING) == STANDING_TASKS
    assert set(STANDING_TASKS) | set(ATTRIBUTE_TASKS) | set(REFERRING_TASKS) == set(TASKS)
    for name in ATTRIBUTE_TASKS:
        assert set(ABSENT) <= set(TASKS[name].form.labels), "an absent thing can always be said to be absent"


@pytest.mark.parametrize("shape", [Point([[330, 40]]), Box.of((10, 20, 330, 40)), Polyline([[0, 0], [639, 319]]),
                                   Polygon([[0, 0], [600, 0], [0, 300]]), Seeds([[5, 5], [25, 5]])])  # fmt: skip
def test_a_region_of_any_kind_is_written_as_grid_tokens(shape):
    ids = question("What colour is the sign?", shape).prompt(VOCABULARY, LATTICE, SIZE)
    start, end = ids.index(OPEN[shape.kind]), ids.index(CLOSE[shape.kind])
    np.testing.assert_array_equal(VOCABULARY.cells(ids[start + 1 : end]), LATTICE.encode(shape.xy, SIZE).ij)
    assert ids[end + 1 :] == (ANSWER,)


def test_prompts_by_hand():
    box = Box.of((10, 20, 330, 40))
    assert prompt(question("what COLOR is this sign", box)) == (
        "What colour is the sign?At<box><grid_0_2><grid_16_4></box><answer>"
    )
    assert prompt(question("is it raining?", options=("yes", "no"))) == "is it raining?Options:yes,no<answer>"
    assert prompt(anchored(STANDING[0])) == "Mark where every lane line and road edge begins.<answer>"


@given(any_text.filter(lambda text: text.split()), st.lists(st.sampled_from(["yes", "no", "a b"]), unique=True))
def test_a_user_s_words_are_text_in_the_prompt(text, options):
    ids = question(text, options=tuple(options)).prompt(VOCABULARY, LATTICE, SIZE)
    assert ids[-1] == ANSWER
    assert all(VOCABULARY.is_text(t) for t in ids[:-1])


def test_forms():
    assert question("nonsense").form == AnswerForm("any")
    assert question("nonsense", options=("a", "b")).form == AnswerForm("text", ("a", "b"), 1, may_be_none=False)
    assert question("What colour is the sign?").form.labels == (*SIGN_COLOURS, *ABSENT)
    assert anchored(STANDING[0]).form == TASKS["lanes"].form.anchors()
    with pytest.raises(QueryError, match="'signs' has no anchors form"):
        anchored(STANDING[3])
    with pytest.raises(QueryError, match="no anchors form"):
        anchored(question("nonsense"))


# -- a user's words ------------------------------------------------------------------------------------------------

WORDINGS = """
lanes: draw the lanes / Where are the lane lines? / find the road edges / detect lane markings / lanes
drivable area: where can I drive? / show the drivable area / outline the driveable surface / free space
obstacles: Box every obstacle. / list all obstacles / where are the cars? / find vehicles / detect pedestrians
obstacles: mark all road users
signs: Box every traffic sign. / find all traffic signs / traffic signs / where are the signs? / detect the road signs
signs: where is the sign?
lights: Box every traffic light. / find the traffic lights / where is the traffic light? / locate all lights
lights: traffic lights
sign colour: what colour is the sign? / what color is this sign / Which colour does the traffic sign have? / sign color?
sign colour: is the sign red?
sign visible state: how visible is the sign? / is the sign legible? / is the sign occluded? / visibility of the sign
sign visible state: can the sign be read?
light state: what does the light show? / what does the traffic light show / is the light red? / is the light green
light state: what colour is the traffic light? / state of the traffic light / what colour is the light
obstacle class: what is the obstacle? / what kind of obstacle is this? / what type of vehicle is it
obstacle class: what is this object? / what is this?
obstacle visible state: how visible is the obstacle? / is the vehicle occluded? / visibility of the object
road blockage: is the road blocked? / Is the road ahead blocked / is my way blocked / road blockage?
road blockage: is the lane obstructed?
road surface: what is the road surface like? / is the road wet? / is there snow on the road? / is the road icy
road surface: surface condition
traffic density: how dense is the traffic? / how dense is traffic / how much traffic is there? / traffic density
traffic density: is there heavy traffic / is traffic light or heavy?
-: nonsense / what time is it? / is it raining? / who are you / is there a plane in the sky? / do you notice anything?
-: what colour is the car? / describe the highlights / assign a colour / how tall is the tree on the hill?
-: is the design red?
"""
CASES = [
    ("" if name == "-" else name, words)
    for name, _, line in (row.partition(": ") for row in WORDINGS.strip().splitlines())
    for words in line.split(" / ")
]


@pytest.mark.parametrize(("name", "words"), CASES)
def test_a_user_s_words_find_their_task(name, words):
    assert recognise(words) == name
    assert recognise(words.upper()) == name
    assert question(f"  {words}\n").name == name


@pytest.mark.parametrize("name", TASKS)
def test_every_task_s_own_prompt_finds_it(name):
    assert recognise(TASKS[name].prompt) == name


@given(any_text)
def test_any_words_find_a_task_or_none(text):
    assert recognise(text) in {"", *TASKS}


def test_no_words_find_no_task():
    assert recognise("") == ""


def test_options_turn_a_drawing_task_into_a_question_of_its_own():
    query = question("are there lanes?", options=("yes", "no"))
    assert (query.name, query.options) == ("", ("yes", "no"))
    assert question("what colour is the sign?", options=("red", "blue")).name == "sign colour"


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_question_is_refused(text):
    with pytest.raises(QueryError, match="the question is empty: give its text"):
        question(text)


def test_an_endless_question_is_refused():
    assert question("a" * 500).text == "a" * 500
    with pytest.raises(QueryError, match="has 501 characters"):
        question("a" * 501)


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (("", "a"), "option '' is empty"),
        (("  ",), "option '' is empty"),
        (("a<b",), "holds '<'"),
        (("a" * 61,), "60 characters"),
        (("a\x00b",), "option"),
        (("a", "a"), "different"),
        (("a b", "a  b"), "different"),
        (tuple(map(str, range(33))), "33 options"),
    ],
)
def test_bad_options_are_refused(options, fact):
    with pytest.raises(QueryError, match=fact):
        question("which?", options=options)


# -- regions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1,2,30,40", Box.of((1, 2, 30, 40))),
        ("box:1,2,30,40", Box.of((1, 2, 30, 40))),
        (" 1.5, 2 ,3e1,40 ", Box.of((1.5, 2, 30, 40))),
        ("point:5,6.5", Point([[5, 6.5]])),
        ("polyline:1,2,3,4", Polyline([[1, 2], [3, 4]])),
        ("polygon:0,0,5,0,0,5", Polygon([[0, 0], [5, 0], [0, 5]])),
    ],
)
def test_regions_are_read(text, shape):
    assert parse_region(text) == shape


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "no number"),
        ("point:", "no number"),
        ("a,b,c,d", "no number"),
        ("1,2,3", "3 numbers"),
        ("1,2", "at least 2 vertices"),
        ("1,2,3,4,5,6", "top-left then bottom-right"),
        ("30,40,1,2", "top-left then bottom-right"),
        ("1,2,1,9", "positive sides"),
        ("nan,2,3,4", "not finite"),
        ("inf,2,3,4", "not finite"),
        ("circle:1,2,3", "region kind 'circle' is unknown"),
        ("point:1,2,3,4", "one x, y pair"),
        ("polyline:1,2", "at least 2 vertices"),
        ("polygon:1,2,3,4", "at least 3 vertices"),
        ("point:1;2", "no number"),
    ],
)
def test_malformed_regions_are_one_clear_line(text, fact):
    with pytest.raises(QueryError, match=fact) as caught:
        parse_region(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=20) | st.text("0123456789,.:-+einfaptolygx", max_size=20))
def test_any_region_text_gives_a_shape_or_a_query_error(text):
    with contextlib.suppress(QueryError):
        assert type(parse_region(text)) in KINDS.values()


@pytest.mark.parametrize("text", ["1,2,30,40", "point:0,0", "point:640,320", "polyline:1,2,639,319"])
def test_a_region_inside_is_kept(text):
    assert check_region(parse_region(text), SIZE) == parse_region(text)


def test_a_region_that_sticks_out_is_clipped():
    assert check_region(Box.of((-5, 300, 30, 400)), SIZE) == Box.of((0, 300, 30, 320))
    assert check_region(Polygon([[-9, 5], [700, 5], [20, 400]]), SIZE) == Polygon([[0, 5], [640, 5], [20, 320]])


@pytest.mark.parametrize("text", ["-9,-9,-1,-1", "700,10,800,20", "10,400,20,500", "point:641,5", "point:5,-0.1",
                                  "polyline:-5,1,-1,300"])  # fmt: skip
def test_a_region_outside_is_refused_with_the_image_s_size(text):
    with pytest.raises(QueryError, match="lies outside the image of 640 x 320 pixels"):
        check_region(parse_region(text), SIZE)


def test_a_box_that_only_touches_the_border_is_refused():
    with pytest.raises(QueryError, match="only touches the image border"):
        check_region(Box.of((640, 10, 700, 20)), SIZE)
