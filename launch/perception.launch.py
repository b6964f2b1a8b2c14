"""Starts the perception node: `ros2 launch getok_ros perception.launch.py image:=/camera/image_raw`."""

from __future__ import annotations

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from getok_ros.share import fastdds_profile, share

ARGUMENTS = {
    "image": ("image", "image topic; with image_transport compressed, its /compressed neighbour is read"),
    "model": ("", "folder of the model; empty: what the params file says, else the nano that comes with the package"),
    "device": ("", "where the model runs, cpu or cuda; empty: what the params file says, else cpu"),
    "params_file": (str(share() / "config" / "perception.yaml"), "YAML with the node's parameters"),
    "namespace": ("", "namespace of the node and its topics"),
    "autostart": ("", "false: a lifecycle manager starts it; empty: what the params file says, else true"),
    "respawn": ("false", "true: a node that ended by itself is started anew, such as after its engine hung"),
}
"""name -> default, description"""


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the node made of them."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_node)])


def _node(context: LaunchContext) -> list[Node]:
    """An argument left empty does not override the params file. A Fast DDS profile that is set already is kept."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if not os.path.isfile(given["params_file"]):
        raise RuntimeError(f"no params file at {given['params_file']}: give a YAML file such as config/perception.yaml")
    variable, profile = fastdds_profile()
    overrides: dict[str, object] = {name: given[name] for name in ("model", "device") if given[name]}
    if given["autostart"]:
        overrides["autostart"] = _truth("autostart", given["autostart"])
    node = Node(
        package="getok_ros",
        executable="getok-node",
        namespace=given["namespace"],
        parameters=[given["params_file"], overrides],
        remappings=[("image", given["image"])] if given["image"] != "image" else [],
        additional_env={} if variable in os.environ else {variable: profile},
        output="screen",
        respawn=_truth("respawn", given["respawn"]),
        respawn_delay=1.0,
    )
    return [node]


def _truth(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise RuntimeError(f"{name} is {text!r}: give true or false")
    return text == "true"
