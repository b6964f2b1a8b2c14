"""replay.launch.py, run by the real launch package where it is installed: its arguments, and what it passes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("launch.actions", reason="needs launch: it comes with a ROS 2 install")

from launch.actions import DeclareLaunchArgument
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launching import RUN

from getok_ros import cli
from getok_ros.share import share

FILE = share() / "launch" / "replay.launch.py"


def test_every_argument_is_one_of_getok_replay():
    description = get_launch_description_from_python_launch_file(str(FILE))
    arguments = [one for one in description.entities if isinstance(one, DeclareLaunchArgument)]
    names = {one.name for one in arguments}
    assert names >= {"bag", "labels", "out"} and all(one.description for one in arguments)
    given = [part for name in sorted(names - {"bag", "pace"}) for part in (f"--{name}", "x")]
    cli.parser().parse_args(["replay", "drive.mcap", "--live", "--pace", "keep", *given])


def test_a_recording_that_is_missing_ends_it_with_one_line(tmp_path):
    command = [sys.executable, "-c", RUN, str(FILE), "bag:=/no/such/bag", f"out:={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "getok: " in line]
    assert len(said) == 1 and "/no/such/bag does not exist" in said[0]
