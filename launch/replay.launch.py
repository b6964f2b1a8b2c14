"""Replays a recording through a node of its own: `ros2 launch getok_ros replay.launch.py bag:=drive.mcap`."""

from __future__ import annotations

import sys

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration

ARGUMENTS = {
    "bag": (None, "recording to replay: rosbag2, rosbag1, folder or video"),
    "topic": ("", "image topic of the bag, where it has several"),
    "labels": ("", "label file or folder, or a topic of Scenes inside the bag"),
    "model": ("", "folder of the model; empty: the nano that comes with the package"),
    "device": ("cpu", "where the model runs, cpu or cuda"),
    "pace": ("keep", "keep: wait for scenes; real: never, as on a vehicle"),
    "out": ("replay_out", "where numbers, page, film and recording go"),
}
"""name -> default (None: must be given), description"""


def generate_launch_description() -> LaunchDescription:
    """The arguments, then `getok replay --live` made of them."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_replay)])


def _replay(context: LaunchContext) -> list[ExecuteProcess]:
    """An argument left empty is not passed on."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    options = [part for name, value in given.items() if name != "bag" and value for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "getok_ros.cli", "replay", given["bag"], "--live", *options]
    return [ExecuteProcess(cmd=command, name="getok-replay", output="screen")]
