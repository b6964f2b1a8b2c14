"""Scenes and answers survive the way into a message, over the wire, and back; messages say what the JSON says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from getok_core import scene as core
from getok_core.errors import QueryError
from getok_core.geometry import Box, Point, Polygon, Polyline, Seeds, Shape
from getok_ros import msg
from getok_ros.messages import (
    ARRAYS,
    MAX_NAME,
    MAX_TEXT,
    Quality,
    answer_from_message,
    answer_to_message,
    array_to_message,
    query_from_message,
    region_from_shape,
    scene_from_message,
    scene_to_message,
    shape_from_region,
)
from getok_ros.share import share

numbers = st.floats(0, 4000, width=32)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
scores = st.floats(0, 1)
ids = st.integers(0, 2**32 - 1)


def points(least: int, most: int = 6) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.tuples(numbers, numbers), min_size=least, max_size=most).map(
        lambda rows: np.array(rows, np.float64).reshape(-1, 2)
    )


boxes = st.tuples(numbers, numbers, numbers, numbers).map(lambda box: np.array(box, np.float64))
faults = st.builds(core.Fault, words, words, words)
scenes = st.builds(
    core.Scene,
    width=st.integers(0, 2**32 - 1),
    height=st.integers(0, 2**32 - 1),
    lanes=st.lists(st.builds(core.Lane, words, scores, points(2), ids), max_size=2).map(tuple),
    drivable_areas=st.lists(st.builds(core.DrivableArea, words, scores, points(3), ids), max_size=2).map(tuple),
    obstacles=st.lists(st.builds(core.Obstacle, words, scores, boxes, ids), max_size=2).map(tuple),
    signs=st.lists(st.builds(core.Sign, words, words, words, scores, boxes, ids), max_size=2).map(tuple),
    lights=st.lists(st.builds(core.Light, words, scores, boxes, ids), max_size=2).map(tuple),
    faults=st.lists(faults, max_size=2).map(tuple),
    truncated=st.booleans(),
    seconds=st.fixed_dictionaries({stage: scores for stage in ("vision", "propose", "refine", "total")}),
    model=words,
    tracked=st.booleans(),
)
answers = st.builds(core.Answer, words, scores, st.lists(points(1), max_size=3).map(tuple), scenes)


def over_the_wire(message: Any) -> Any:
    return deserialize_message(serialize_message(message), type(message))


def exact(thing: Any) -> Any:
    """Nested dataclasses and arrays as comparable lists, nothing rounded."""
    if isinstance(thing, np.ndarray):
        return thing.tolist()
    if isinstance(thing, (tuple, list)):
        return [exact(one) for one in thing]
    return {name: exact(value) for name, value in vars(thing).items()} if hasattr(thing, "__dict__") else thing


@given(scenes, st.builds(Quality, st.lists(words, max_size=2).map(tuple), st.booleans()))
def test_a_scene_comes_back_exactly(scene: core.Scene, quality: Quality) -> None:
    message = over_the_wire(scene_to_message(scene, Header(frame_id="camera"), quality))
    assert exact(scene_from_message(message)) == exact(scene)
    assert (tuple(message.shed), message.late, message.tracked) == (quality.shed, quality.late, scene.tracked)
    assert message.degraded == bool(quality.shed)
    assert message.header.frame_id == "camera"


@given(answers)
def test_an_answer_comes_back_exactly(answer: core.Answer) -> None:
    message = over_the_wire(answer_to_message(answer, msg.Query(id="7", text="what?", camera="left"), Header()))
    assert exact(answer_from_message(message)) == exact(answer)
    assert (message.id, message.text, message.camera) == ("7", "what?", "left")


def test_a_query_that_is_too_long_is_not_sent_back_whole() -> None:
    query = msg.Query(id="z" * 2**20, text="x" * 2**20, camera="y" * 2**20)
    message = answer_to_message(core.Answer("", 0.0, (), core.Scene(0, 0)), query, Header())
    assert query.text.startswith(message.text) and query.camera.startswith(message.camera)
    assert query.id.startswith(message.id)
    assert (len(message.text), len(message.camera), len(message.id)) == (MAX_TEXT, MAX_NAME, MAX_NAME)
    standing = msg.Query(id="x" * 500, text="x" * 500)  # a standing query's text is its id
    assert answer_to_message(core.Answer("", 0.0, (), core.Scene(0, 0)), standing, Header()).id == standing.text
    assert query_from_message(standing).text == standing.text


@given(scenes)
def test_the_arrays_hold_what_the_scene_holds(scene: core.Scene) -> None:
    whole = scene_to_message(scene, Header())
    for name in ARRAYS:
        part = over_the_wire(array_to_message(name, scene, Header()))
        assert getattr(part, name) == getattr(whole, name)
        assert (part.width, part.height, part.seconds, part.model) == (
            (whole.width, whole.height, whole.seconds, whole.model)
        )


def test_faults_go_with_the_array_of_their_query() -> None:
    queries = ("lanes", "drivable area", "obstacles", "signs", "lights", "my question")
    scene = core.Scene(1, 1, faults=tuple(core.Fault("unclosed", "", query) for query in queries))
    assert [[f.query for f in array_to_message(name, scene, Header()).faults] for name in ARRAYS] == [
        [query] for query in queries[:5]
    ]


def test_message_fields_are_the_words_of_the_json() -> None:
    box, xy = np.array([0.0, 0, 1, 1]), np.zeros((3, 2))
    scene = core.Scene(
        2,
        2,
        (core.Lane("edge", 1.0, xy, 1),),
        (core.DrivableArea("drivable", 1.0, xy, 2),),
        (core.Obstacle("car", 1.0, box, 3),),
        (core.Sign("stop", "red", "clear", 1.0, box, 4),),
        (core.Light("red", 1.0, box, 5),),
        (core.Fault("unclosed"),),
        seconds=dict.fromkeys(("vision", "propose", "refine", "total"), 0.0),
        tracked=True,
    )
    said, message = json.loads(json.dumps(scene.to_json())), scene_to_message(scene, Header())
    image = said.pop("image")
    fields = set(message.get_fields_and_field_types())
    assert fields == {*said, *image, "header", "degraded", "shed", "late"}
    for name in (*ARRAYS, "faults"):
        assert set(getattr(message, name)[0].get_fields_and_field_types()) == set(said[name][0])
    assert set(message.seconds.get_fields_and_field_types()) == set(said["seconds"])


def test_every_field_of_every_message_is_commented() -> None:
    files = sorted((share() / "msg").glob("*.msg"))
    assert len(files) == 17
    for file in files:
        lines = file.read_text().splitlines()
        assert lines[0].startswith("# "), file.name
        fields = [line for line in lines if line and not line.startswith("#") and "=" not in line.split("#")[0]]
        bare = [line for line in fields if "#" not in line and not line.strip().startswith("Region")]
        bare = [line for line in bare if not line.startswith(("DrivableArea[]", "Obstacle[]", "Sign[]", "Light[]"))]
        assert not bare, f"{file.name}: {bare}"


@pytest.mark.parametrize(
    "shape",
    [
        Point([[1, 2]]),
        Box.of((1, 2, 3, 4)),
        Polyline([[1, 2], [3, 4]]),
        Polygon([[1, 2], [3, 4], [5, 0]]),
        Seeds([[1, 2], [3, 4]]),
    ],
)
def test_a_region_of_every_kind_comes_back(shape: Shape) -> None:
    assert shape_from_region(over_the_wire(region_from_shape(shape))) == shape


def test_a_query_takes_region_and_options_only_when_set() -> None:
    region = region_from_shape(Box.of((1, 2, 3, 4)))
    query = query_from_message(
        msg.Query(text="what colour is the sign?", has_region=True, region=region, options=["a"])
    )
    assert (query.region, query.options) == (Box.of((1, 2, 3, 4)), ("a",))
    assert query_from_message(msg.Query(text="what?", region=region)).region is None


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        (msg.Region(kind="circle"), "region kind 'circle' is unknown: use one of point, box"),
        (msg.Region(kind="polygon", points=[msg.Point2()] * 2), "at least 3"),
        (msg.Region(kind="box", points=[msg.Point2(x=5.0), msg.Point2()]), "top-left then bottom-right"),
        (msg.Region(kind="point", points=[msg.Point2(x=float("nan"))]), "not finite"),
    ],
)
def test_a_bad_region_is_refused_in_one_line(region: msg.Region, reason: str) -> None:
    with pytest.raises(QueryError, match=reason) as caught:
        query_from_message(msg.Query(text="what?", has_region=True, region=region))
    assert "\n" not in str(caught.value)
