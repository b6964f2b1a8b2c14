"""perception.launch.py, run by the real launch packages where they are installed: arguments, failures, scenes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from launching import RUN
from live import Client, Process

from getok_ros.share import default_model, share

if find_spec("launch_ros") is None:
    pytest.skip("launch and launch_ros are not installed: they come with a ROS 2 install", allow_module_level=True)


from launch.actions import DeclareLaunchArgument
from launch.launch_description_sources import get_launch_description_from_python_launch_file

FILE = share() / "launch" / "perception.launch.py"


class Launched(Process):
    """`ros2 launch getok_ros perception.launch.py` without ros2cli."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._output = folder / "launch.txt"
        self.popen = subprocess.Popen(
            [sys.executable, "-u", "-c", RUN, str(FILE), *arguments],
            env={**os.environ, "ROS_LOG_DIR": str(folder)},
            stdout=self._output.open("wb"),
            stderr=subprocess.STDOUT,
        )


def test_the_launch_file_declares_the_arguments_of_getok_node() -> None:
    description = get_launch_description_from_python_launch_file(str(FILE))
    arguments = [one for one in description.entities if isinstance(one, DeclareLaunchArgument)]
    assert {one.name for one in arguments} == {
        *("image", "model", "device", "params_file", "namespace", "autostart", "respawn")
    }
    assert all(one.description for one in arguments)


def test_a_missing_model_ends_the_node_with_one_line_and_code_2(tmp_path: Path) -> None:
    process = Launched(tmp_path, "model:=/no/such/model", "namespace:=broken")
    process.code()
    said = [line for line in process.output.splitlines() if "] getok-node: " in line]
    assert len(said) == 1
    assert "/no/such/model" in said[0]
    assert "exit code 2" in process.output


def test_a_missing_params_file_is_named(tmp_path: Path) -> None:
    process = Launched(tmp_path, "params_file:=/nope.yaml")
    assert process.code() == 1
    assert "no params file at /nope.yaml" in process.output


@pytest.mark.skipif(not (default_model() / "manifest.json").is_file(), reason=f"no model at {default_model()}")
def test_a_launched_node_turns_frames_into_scenes_and_ends_on_sigint(tmp_path: Path) -> None:
    process = Launched(tmp_path, "namespace:=launched", "image:=image", "device:=cpu")
    client = Client("launched")
    try:
        process.wait_for("is ready on cpu")
        client.meet()
        scene = client.show((90, 90, 90), (320, 240))
        assert (scene.width, scene.height, scene.header.frame_id) == (320, 240, "camera")
    finally:
        client.close()
        code = process.stop(signal.SIGINT)
    assert code == 0
    assert "process has finished cleanly" in process.output


@pytest.mark.skipif(not (default_model() / "manifest.json").is_file(), reason=f"no model at {default_model()}")
def test_a_killed_node_is_started_anew_where_respawn_is_true(tmp_path: Path) -> None:
    process = Launched(tmp_path, "namespace:=respawned", "respawn:=true", "autostart:=false")
    try:
        started = "process started with pid ["
        process.wait_for(started)
        os.kill(int(process.output.rpartition(started)[2].partition("]")[0]), signal.SIGKILL)
        end = time.monotonic() + 30.0
        while process.output.count(started) < 2:
            assert time.monotonic() < end, process.output
            time.sleep(0.05)
    finally:
        process.stop(signal.SIGINT)
    assert "is ready" not in process.output


def test_a_truth_that_is_none_is_named(tmp_path: Path) -> None:
    process = Launched(tmp_path, "respawn:=maybe")
    assert process.code() == 1
    assert "respawn is 'maybe': give true or false" in process.output
