"""Parts of the node's health as diagnostic_msgs/DiagnosticArray, under names such as "perception: front/images"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from .health import Part


def diagnostics(node: str, hardware: str, parts: Sequence[Part], stamp: Any) -> DiagnosticArray:
    """node: its full name; hardware: where the model runs; stamp: builtin_interfaces/Time."""
    message = DiagnosticArray(status=[_status(node, hardware, part) for part in parts])
    message.header.stamp = stamp
    return message


def _status(node: str, hardware: str, part: Part) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=bytes([part.level]),
        name=f"{node.strip('/')}: {part.name}",
        message=part.message,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in part.values.items()],
    )
