"""Arguments of `getok-node`: those of perception.launch.py, turned into ROS arguments; --ros-args passes through."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from getok_core.errors import GetokError


class ArgumentError(GetokError):
    """An argument that names something that is not there."""


def ros_arguments(argv: Sequence[str]) -> list[str]:
    """`--model DIR --params-file F ...` -> `--ros-args ...`. Raises ArgumentError when the params file is missing."""
    own, passed = list(argv), []
    if "--ros-args" in own:
        at = own.index("--ros-args")
        own, passed = own[:at], own[at + 1 :]
    given = _parser().parse_args(own)
    ros: list[str] = []
    if given.params_file:
        if not Path(given.params_file).is_file():
            raise ArgumentError(
                f"no params file at {given.params_file}: give a YAML file such as config/perception.yaml"
            )
        ros += ["--params-file", given.params_file]
    if given.namespace:
        ros += ["-r", f"__ns:=/{given.namespace.strip('/')}"]
    if given.image:
        ros += ["-r", f"image:={given.image}"]
    for name in ("model", "device"):
        if getattr(given, name):
            ros += ["-p", f"{name}:='{getattr(given, name)}'"]
    return ["--ros-args", *ros, *passed] if ros or passed else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="getok-node",
        description="Camera frames become lanes, drivable area, obstacles and answers.",
        epilog="Everything after --ros-args goes to ROS, such as: --ros-args -p refinements:=2 -r query:=/ask",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--image", metavar="TOPIC", help="image topic; with image_transport compressed, TOPIC/compressed"
    )
    parser.add_argument("--model", metavar="DIR", help="folder of the model (default: the nano of the package)")
    parser.add_argument("--device", metavar="NAME", help="where the model runs: cpu, cuda or http://HOST:PORT")
    parser.add_argument("--params-file", metavar="FILE", help="YAML with parameters, such as config/perception.yaml")
    parser.add_argument("--namespace", metavar="NS", help="namespace of the node and its topics")
    return parser
