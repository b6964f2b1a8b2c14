"""config/perception.yaml says what the tables say, the node declares it, and a bad value is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.node import Node

from getok_ros.parameters import declare, declare_cameras, descriptor
from getok_ros.setting_checks import ParameterError, changed, check
from getok_ros.settings import CAMERA_TABLE, TABLE, CameraSettings, Settings, default_of
from getok_ros.share import share

FILE = share() / "config" / "perception.yaml"
ROWS = {**TABLE, **{f"front.{name}": row for name, row in CAMERA_TABLE.items()}}


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


def declared(context: Context, *arguments: str) -> tuple[Node, Settings]:
    node = Node("perception", context=context, cli_args=["--ros-args", *arguments])
    return node, declare(node)


def test_the_file_repeats_the_table() -> None:
    ((name, space),) = yaml.safe_load(FILE.read_text()).items()
    assert name == "/**"
    assert space["ros__parameters"] == {name: default_of(row) for name, row in TABLE.items()}


def test_what_the_file_comments_out_repeats_the_table_of_a_camera() -> None:
    lines = [line.strip("# ") for line in FILE.read_text().splitlines() if line.startswith("    # front.")]
    assert yaml.safe_load("\n".join(lines)) == {f"front.{name}": default_of(row) for name, row in CAMERA_TABLE.items()}


def test_every_line_of_the_file_tells_unit_bounds_and_what_is_live() -> None:
    told = set()
    for line in FILE.read_text().splitlines():
        name, _, comment = line.strip("# ").partition(":")
        if name in ROWS and "#" in comment:
            about = ROWS[name].metadata
            assert ("live" in comment) == about["live"], line
            if about["low"] is not None:
                assert f"{about['low']:g}..{about['high']:g}" in comment
                assert about["unit"] in comment
            told.add(name)
    assert told == set(ROWS)


def test_the_file_and_no_file_give_the_same_settings(context: Context) -> None:
    node, settings = declared(context, "--params-file", str(FILE))
    assert settings == Settings()
    assert declare_cameras(node, settings) == (CameraSettings(),)
    node.destroy_node()


def test_ros_describes_every_parameter(context: Context) -> None:
    node, settings = declared(context, "-p", "cameras:=[front]")
    declare_cameras(node, settings)
    for name, row in ROWS.items():
        told = node.describe_parameter(name)
        assert row.metadata["description"] in told.description
        assert f"[{row.metadata['unit']}]" in told.description or not row.metadata["unit"]
        assert ("fixed while" in told.additional_constraints) != row.metadata["live"]
        ranges = [*told.integer_range, *told.floating_point_range]
        bounds = [(r.from_value, r.to_value) for r in ranges]
        assert bounds == ([(row.metadata["low"], row.metadata["high"])] if row.metadata["low"] is not None else [])
    node.destroy_node()


def test_an_integer_is_taken_where_a_float_is_due(context: Context) -> None:
    node, settings = declared(context, "-p", "deadline_s:=2", "-p", "queries:=['a', '']")
    assert settings.deadline_s == 2.0
    assert isinstance(settings.deadline_s, float)
    assert settings.standing_texts == ("a",)
    node.destroy_node()


def test_every_camera_has_parameters_of_its_own(context: Context) -> None:
    node, settings = declared(
        context, *("-p", "cameras:=[front, left]", "-p", "left.weight:=2", "-p", "left.topic:=/cams/left")
    )
    assert declare_cameras(node, settings) == (
        CameraSettings("front"),
        CameraSettings("left", topic="/cams/left", weight=2.0),
    )
    assert declare_cameras(node, replace(settings, cameras=["back", "left"]))[0] == CameraSettings("back")
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("refinements", 5, "parameter refinements is 5: give -1 to 4 rounds"),
        ("refinements", True, "parameter refinements is True: give a int, such as -1"),
        ("deadline_s", -0.5, "parameter deadline_s is -0.5: give 0.0 to 60.0 s"),
        ("deadline_s", "fast", "parameter deadline_s is 'fast': give a float, such as 0.0"),
        ("image_reliability", "sure", "parameter image_reliability is 'sure': give one of best_effort, reliable"),
        ("queries", "one", "parameter queries is 'one': give a list of texts, such as ['']"),
        ("queries", ["a" * 600], "parameter queries: the question has 600 characters: at most 500 are taken"),
        ("queries", [""] * 65, "parameter queries has 65 texts: give at most 64"),
        ("track_lists", ["lanes"] * 100_000, "parameter track_lists has 100000 texts: give at most 64"),
        ("overlay", None, "parameter overlay is None: give a bool, such as True"),
        ("max_age_s", float("nan"), "parameter max_age_s is nan: give 0.0 to 3600.0 s"),
        ("cameras", ["a b"], "parameter cameras names 'a b': give letters, digits and single _ only"),
        ("cameras", ["a", "a"], "parameter cameras has 2 names: give at most 32 different ones"),
        ("front.weight", 0.0, "parameter front.weight is 0.0: give 0.01 to 100.0"),
        ("front.topic", "a b", "parameter front.topic is 'a b': give the name of a topic, such as /front/image_raw"),
        ("front.topic", "a//b", "parameter front.topic is 'a//b': give the name of a topic, such as /front/image_raw"),
        ("front.transport", "h264", "parameter front.transport is 'h264': give one of '', raw, compressed"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(name: str, value: Any, line: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check(name, value)
    assert str(caught.value) == line


@pytest.mark.parametrize("topic", ["", "image", "/cam/front_2/image_raw", "~/own", "_x"])
def test_names_of_topics_are_taken(topic: str) -> None:
    assert check("front.topic", topic) == topic


def test_defaults_pass_their_own_check() -> None:
    for name, row in ROWS.items():
        assert check(name, default_of(row)) == default_of(row)
        assert descriptor(row).name == row.name


def test_what_is_live_changes_at_work_and_the_rest_only_while_unconfigured() -> None:
    cameras = (CameraSettings("front"), CameraSettings("left"))
    settings, cameras = changed(Settings(), cameras, {"max_age_s": 3, "left.weight": 2.0}, configured=True)
    assert settings == Settings(max_age_s=3.0)
    assert [camera.weight for camera in cameras] == [1.0, 2.0]
    with pytest.raises(ParameterError, match="model is fixed while the node is configured: clean up first"):
        changed(settings, cameras, {"max_age_s": 4.0, "model": "/x"}, configured=True)
    settings, cameras = changed(settings, cameras, {"model": "/x", "front.topic": "/y"}, configured=False)
    assert (settings.model, cameras[0].topic) == ("/x", "/y")
