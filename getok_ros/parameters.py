"""Every parameter of the node, declared once: name, default, unit, bounds, description.

The fields of Settings are the table; config/perception.yaml repeats it. Values are fixed when the node starts.
"""

from __future__ import annotations

import difflib
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from getok_core.errors import GetokError


class ParameterError(GetokError):
    """A parameter of the wrong type or out of its bounds."""


def setting(
    default: Any,
    description: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """One parameter, low and high included. An empty list of texts is [""], since ROS cannot type an empty list."""
    about = {"description": description, "unit": unit, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Settings:
    """What the node was told, checked."""

    model: str = setting("", "folder of the model; empty: the nano that comes with the package")
    device: str = setting("cpu", "where the model runs: cpu or cuda")
    threads: int = setting(0, "CPU threads of the model; 0: one a core", "threads", 0, 256)
    image_transport: str = setting("raw", "which image topic is read", choices=("raw", "compressed"))
    image_reliability: str = setting(
        "best_effort",
        "reliability asked of the camera; best_effort accepts every publisher, reliable loses no frame on its way",
        choices=("best_effort", "reliable"),
    )
    refinements: int = setting(
        -1, "refinement rounds, each halving the step; -1: the model's own choice", "rounds", -1, 4
    )
    deadline_s: float = setting(
        0.0, "time one frame may take before its answers are cut off; 0: no limit", "s", 0.0, 60.0
    )
    max_age_s: float = setting(
        1.0, "a frame older than this when its scene is published is marked late; 0: never", "s", 0.0, 3600.0
    )
    image_timeout_s: float = setting(
        2.0, "diagnostics warn when no frame has come for so long; 0: never", "s", 0.0, 3600.0
    )
    overlay: bool = setting(True, "offer ~/overlay, a picture of each scene, drawn only while someone looks")
    queries: list[str] = setting(  # noqa: RUF009
        [""], "questions asked about every frame, answered on ~/answers with the text as id"
    )
    history: int = setting(10, "frames kept for queries that name a stamp", "frames", 1, 300)
    query_limit: int = setting(32, "queries that may wait; more are refused with a fault", "queries", 1, 1000)
    queries_per_frame: int = setting(8, "waiting queries answered together on one frame", "queries", 1, 64)
    query_wait_s: float = setting(1.0, "how long a query waits for its frame to come", "s", 0.0, 60.0)

    @property
    def standing_texts(self) -> tuple[str, ...]:
        """The queries, without the empty text that stands for none."""
        return tuple(text for text in self.queries if text.strip())


def declare(node: Node) -> Settings:
    """Declares every parameter on the node and returns their values. Raises ParameterError on a bad one."""
    values = {row.name: _declared(node, row) for row in fields(Settings)}
    for name in getattr(node, "_parameter_overrides", {}):
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            close = difflib.get_close_matches(name, values, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(values)}"
            node.get_logger().warning(f"parameter {name} is unknown and ignored{hint}")
    return Settings(**values)


def _declared(node: Node, row: Field[Any]) -> Any:
    """The checked value of one parameter, declared with its descriptor.

    ROS refuses an integer for a float, with a traceback: so the value is read untyped, checked, and declared for good.
    """
    default = default_of(row)
    value = node.declare_parameter(row.name, default, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(row.name)
    value = check(row, value)
    node.declare_parameter(row.name, value, descriptor(row), ignore_override=True)
    return value


def default_of(row: Field[Any]) -> Any:
    """The default of one row of the table."""
    return row.default if row.default is not MISSING else row.default_factory()  # type: ignore[misc]


def check(row: Field[Any], value: Any) -> Any:
    """The value, an integer made a float where one is due. Raises ParameterError on a wrong type or out of bounds."""
    default, about = default_of(row), row.metadata
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if isinstance(default, list) and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    if type(value) is not type(default):
        wanted = "list of texts" if isinstance(default, list) else type(default).__name__
        raise ParameterError(f"parameter {row.name} is {value!r}: give a {wanted}, such as {default!r}")
    if about["choices"] and value not in about["choices"]:
        raise ParameterError(f"parameter {row.name} is {value!r}: give one of {', '.join(about['choices'])}")
    if about["low"] is not None and not about["low"] <= value <= about["high"]:
        unit = f" {about['unit']}" if about["unit"] else ""
        raise ParameterError(f"parameter {row.name} is {value}: give {about['low']} to {about['high']}{unit}")
    return value


def descriptor(row: Field[Any]) -> ParameterDescriptor:
    """What `ros2 param describe` shows."""
    about, default = row.metadata, default_of(row)
    unit = f" [{about['unit']}]" if about["unit"] else ""
    described = ParameterDescriptor(
        name=row.name,
        description=about["description"] + unit,
        additional_constraints=f"one of: {', '.join(about['choices'])}" if about["choices"] else "",
        read_only=True,
    )
    if about["low"] is not None and isinstance(default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=float(about["low"]), to_value=float(about["high"]))
        ]
    elif about["low"] is not None:
        described.integer_range = [IntegerRange(from_value=int(about["low"]), to_value=int(about["high"]), step=1)]
    return described
