"""The node ends cleanly on SIGINT and SIGTERM, once and twice, at work and while loading; bad input ends it with 2."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from live import Process

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize("signals", [(INT,), (TERM,), (INT, INT), (TERM, TERM), (INT, TERM)])
def test_signals_end_a_working_node_with_code_0(tmp_path: Path, signals: tuple[int, ...]) -> None:
    process = Process(tmp_path)
    process.wait_for("is ready on")
    assert process.stop(*signals) == 0
    assert "Traceback" not in process.output


def test_a_node_that_is_still_loading_ends_too(tmp_path: Path) -> None:
    process = Process(tmp_path, GETOK_TEST_LOAD="60")
    process.wait_for("loading the default model")
    assert process.stop(INT, INT) == 0
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        ((), {"GETOK_TEST_LOAD": "no model at /x: give a folder"}, "getok-node: no model at /x: give a folder"),
        (("--params-file", "/nope.yaml"), {}, "getok-node: no params file at /nope.yaml: give a YAML file"),
        (("--ros-args", "-p", "refinements:=9"), {}, "getok-node: parameter refinements is 9: give -1 to 4 rounds"),
        (
            ("--ros-args", "-p", "use_sim_time:=maybe"),
            {},
            "getok-node: Trying to set parameter 'use_sim_time' to 'maybe'",
        ),
        (("--ros-args", "-p", "device:=3"), {}, "getok-node: parameter device is 3: give a str, such as 'cpu'"),
        (
            ("--ros-args", "-p", "image_transport:=h264"),
            {},
            "getok-node: parameter image_transport is 'h264': give one",
        ),
        (("--ros-args", "-p", "queries:=['<']", "-r", "nonsense"), {}, "getok-node: ROS refuses the arguments"),
    ],
)
def test_bad_input_ends_the_node_with_one_line_and_code_2(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], line: str
) -> None:
    process = Process(tmp_path, *arguments, **environment)
    assert process.code() == 2
    lines = [text for text in process.output.splitlines() if "getok-node:" in text]
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "Traceback" not in process.output


def test_an_unknown_parameter_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    process = Process(tmp_path, "--ros-args", "-p", "modle:=x")
    process.wait_for("parameter modle is unknown and ignored; did you mean model?")
    process.wait_for("is ready on")
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "topic"),
    [
        (("--image", "/cam/raw"), "/cam/raw (raw"),
        (("--image", "cam", "--ros-args", "-p", "image_transport:=compressed"), "/cam/compressed (compressed"),
        (
            ("--namespace", "left", "--ros-args", "-p", "image_transport:=compressed", "-r", "image/compressed:=jpeg"),
            "/left/jpeg (compressed",
        ),
    ],
)
def test_the_compressed_topic_follows_the_image_topic(tmp_path: Path, arguments: tuple[str, ...], topic: str) -> None:
    process = Process(tmp_path, *arguments)
    process.wait_for(f"reading {topic}")
    assert process.stop() == 0
