"""Values of the node's parameters, checked against the tables in settings.py; what is wrong is one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from getok_core.carrying import LISTS
from getok_core.errors import CameraError, GetokError, QueryError
from getok_core.ground import Pose
from getok_core.queries import question

from .settings import EXTRAS, CameraSettings, Settings, default_of, row_of

MOST = 64
"""texts in a list"""


class ParameterError(GetokError):
    """A parameter of the wrong type, out of its bounds, or one that cannot change now."""


def check(name: str, value: Any) -> Any:
    """The value, an integer made a float where one is due. Raises ParameterError on a wrong type or out of bounds."""
    row = row_of(name)
    default, about = default_of(row), row.metadata
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if isinstance(default, list) and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        if len(value) > MOST:
            raise ParameterError(f"parameter {name} has {len(value)} texts: give at most {MOST}")
        return _CHECKED_LISTS[name](list(value))
    if type(value) is not type(default):
        wanted = "list of texts" if isinstance(default, list) else type(default).__name__
        raise ParameterError(f"parameter {name} is {value!r}: give a {wanted}, such as {default!r}")
    if about["choices"] and value not in about["choices"]:
        choices = ", ".join(choice or "''" for choice in about["choices"])
        raise ParameterError(f"parameter {name} is {value!r}: give one of {choices}")
    if about["low"] is not None and not about["low"] <= value <= about["high"]:
        unit = f" {about['unit']}" if about["unit"] else ""
        raise ParameterError(f"parameter {name} is {value}: give {about['low']} to {about['high']}{unit}")
    if name.endswith("pose") and value.strip():
        _check_pose(name, value)
    if name.endswith("topic") and value:
        _check_topic(name, value)
    return value


def changed(
    settings: Settings, cameras: tuple[CameraSettings, ...], values: Mapping[str, Any], configured: bool
) -> tuple[Settings, tuple[CameraSettings, ...]]:
    """Both with new values of known parameters. Raises ParameterError when one is bad or cannot change now."""
    own: dict[str, Any] = {}
    for name, given in values.items():
        value = check(name, given)
        if configured and not row_of(name).metadata["live"]:
            raise ParameterError(f"parameter {name} is fixed while the node is configured: clean up first")
        camera, _, field_name = name.rpartition(".")
        if camera:
            cameras = tuple(replace(c, **{field_name: value}) if c.name == camera else c for c in cameras)
        else:
            own[name] = value
    return replace(settings, **own), cameras


def _camera_names(names: list[str]) -> list[str]:
    named = [name for name in names if name]
    for name in named:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or "__" in name or len(name) > 60:
            raise ParameterError(f"parameter cameras names {name!r}: give letters, digits and single _ only")
    if len(set(named)) != len(named) or len(named) > 32:
        raise ParameterError(f"parameter cameras has {len(named)} names: give at most 32 different ones")
    return names


def _questions(texts: list[str]) -> list[str]:
    try:
        for text in filter(str.strip, texts):
            question(text)
    except QueryError as error:
        raise ParameterError(f"parameter queries: {error}") from None
    return texts


def _carried(names: list[str]) -> list[str]:
    unknown = [name for name in names if name and name not in LISTS]
    if unknown:
        raise ParameterError(f"parameter track_lists names {unknown[0][:80]!r}: give some of {', '.join(LISTS)}, or ''")
    return names


def _extras(names: list[str]) -> list[str]:
    unknown = [name for name in names if name and name not in EXTRAS]
    if unknown:
        raise ParameterError(f"parameter extras names {unknown[0][:80]!r}: give some of {', '.join(EXTRAS)}, or ''")
    return names


def _check_pose(name: str, text: str) -> None:
    try:
        Pose.read(text)
    except CameraError as error:
        raise ParameterError(f"parameter {name}: {error}") from None


def _check_topic(name: str, text: str) -> None:
    if not re.fullmatch(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", text, re.ASCII):
        raise ParameterError(f"parameter {name} is {text[:80]!r}: give the name of a topic, such as /front/image_raw")


_CHECKED_LISTS = {"cameras": _camera_names, "queries": _questions, "extras": _extras, "track_lists": _carried}
