"""config/perception.yaml says what the table says, the node declares it, and a bad value is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.node import Node

from getok_ros.parameters import ParameterError, Settings, check, declare, default_of, descriptor
from getok_ros.share import share

TABLE = {row.name: row for row in fields(Settings)}
FILE = share() / "config" / "perception.yaml"


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


def test_every_line_of_the_file_tells_unit_and_bounds() -> None:
    for line in FILE.read_text().splitlines():
        name, _, comment = line.strip().partition(":")
        if name in TABLE and TABLE[name].metadata["low"] is not None:
            about = TABLE[name].metadata
            assert f"{about['low']:g}..{about['high']:g}" in comment
            assert about["unit"] in comment


def test_the_file_and_no_file_give_the_same_settings(context: Context) -> None:
    node, settings = declared(context, "--params-file", str(FILE))
    assert settings == Settings()
    node.destroy_node()


def test_ros_describes_every_parameter(context: Context) -> None:
    node, _ = declared(context)
    for name, row in TABLE.items():
        told = node.describe_parameter(name)
        assert row.metadata["description"] in told.description
        assert f"[{row.metadata['unit']}]" in told.description or not row.metadata["unit"]
        assert told.read_only
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


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("refinements", 5, "parameter refinements is 5: give -1 to 4 rounds"),
        ("refinements", True, "parameter refinements is True: give a int, such as -1"),
        ("deadline_s", -0.5, "parameter deadline_s is -0.5: give 0.0 to 60.0 s"),
        ("deadline_s", "fast", "parameter deadline_s is 'fast': give a float, such as 0.0"),
        ("image_reliability", "sure", "parameter image_reliability is 'sure': give one of best_effort, reliable"),
        ("queries", "one", "parameter queries is 'one': give a list of texts, such as ['']"),
        ("overlay", None, "parameter overlay is None: give a bool, such as True"),
        ("max_age_s", float("nan"), "parameter max_age_s is nan: give 0.0 to 3600.0 s"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(name: str, value: Any, line: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check(TABLE[name], value)
    assert str(caught.value) == line


def test_defaults_pass_their_own_check() -> None:
    for row in TABLE.values():
        assert check(row, default_of(row)) == default_of(row)
        assert descriptor(row).name == row.name
