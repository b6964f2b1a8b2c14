"""The tables of settings as ROS parameters: declared with descriptors, checked, and told apart from typing errors."""

from __future__ import annotations

import difflib
from dataclasses import Field
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from .setting_checks import check
from .settings import CAMERA_TABLE, TABLE, CameraSettings, Settings, default_of, row_of


def declare(node: Node) -> Settings:
    """Declares every parameter of the node and returns their values. Raises ParameterError on a bad one."""
    return Settings(**{name: _declared(node, name) for name in TABLE})


def declare_cameras(node: Node, settings: Settings) -> tuple[CameraSettings, ...]:
    """Declares the parameters of every camera that lacks them and returns all values. Raises ParameterError."""
    if settings.camera_names == ("",):
        return (CameraSettings(),)
    return tuple(
        CameraSettings(name, **{key: _declared(node, f"{name}.{key}") for key in CAMERA_TABLE})
        for name in settings.camera_names
    )


def warn_unknown(node: Node, settings: Settings) -> None:
    """Names parameters that were given and are none of the node's, with the nearest one that is."""
    known = [*TABLE, *(f"{camera}.{key}" for camera in settings.camera_names if camera for key in CAMERA_TABLE)]
    for name in getattr(node, "_parameter_overrides", {}):
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
            node.get_logger().warning(f"parameter {name} is unknown and ignored{hint}")


def _declared(node: Node, name: str) -> Any:
    """The checked value of one parameter, declared with its descriptor unless it is already.

    ROS refuses an integer for a float, with a traceback: so the value is read untyped, checked, and declared for good.
    """
    if node.has_parameter(name):
        return check(name, node.get_parameter(name).value)
    row = row_of(name)
    value = node.declare_parameter(name, default_of(row), ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    value = check(name, value)
    node.declare_parameter(name, value, descriptor(row), ignore_override=True)
    return value


def descriptor(row: Field[Any]) -> ParameterDescriptor:
    """What `ros2 param describe` shows."""
    about, default = row.metadata, default_of(row)
    unit = f" [{about['unit']}]" if about["unit"] else ""
    constraints = [] if about["live"] else ["fixed while the node is configured"]
    if about["choices"]:
        constraints.append(f"one of: {', '.join(choice or repr(choice) for choice in about['choices'])}")
    described = ParameterDescriptor(
        name=row.name, description=about["description"] + unit, additional_constraints="; ".join(constraints)
    )
    if about["low"] is not None and isinstance(default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=float(about["low"]), to_value=float(about["high"]))
        ]
    elif about["low"] is not None:
        described.integer_range = [IntegerRange(from_value=int(about["low"]), to_value=int(about["high"]), step=1)]
    return described
