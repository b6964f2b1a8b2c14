"""Values of JSON that somebody else wrote: each is what it should be, or a ValueError says in one line what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from getok_core.errors import DataError
from getok_core.lattice import Size

LARGEST_PX = 100_000
"""no image is wider or higher"""
LARGEST_NUMBER = 1e12


def document(path: Path) -> Any:
    """The JSON of a whole file. Raises DataError."""
    try:
        return json.loads(path.read_text("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"labels {path} are no JSON ({error}): export them again") from None


def as_object(said: Any, what: str) -> dict[str, Any]:
    """An object with names; null stands for an empty one."""
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise ValueError(f"{what} must be an object, got {_short(said)}")
    return cast("dict[str, Any]", said)


def as_list(said: Any, what: str) -> list[Any]:
    """A list; null stands for an empty one."""
    if said is None:
        return []
    if not isinstance(said, list):
        raise ValueError(f"{what} must be a list, got {_short(said)}")
    return cast("list[Any]", said)


def as_key(one: Mapping[str, Any], name: str) -> str:
    """A name or number by which records refer to each other."""
    said = one.get(name)
    if isinstance(said, bool) or not isinstance(said, str | int) or said == "":
        raise ValueError(f"{name} must be a name or number, got {_short(said)}")
    return str(said)


def as_numbers(said: Any, what: str) -> tuple[float, ...]:
    """A list of finite numbers; null stands for an empty one."""
    numbers = as_list(said, what)
    for one in numbers:
        if isinstance(one, bool) or not isinstance(one, int | float) or not abs(one) < LARGEST_NUMBER:
            raise ValueError(f"{what} must be numbers, got {_short(one)}")
    return tuple(map(float, numbers))


def as_size(width: Any, height: Any) -> Size:
    """Width and height of an image in pixels, or 0 and 0 where they are not known."""
    try:
        size = int(width), int(height)
    except (ValueError, TypeError, OverflowError):
        size = -1, -1
    if not (size == (0, 0) or (min(size) > 0 and max(size) <= LARGEST_PX)):
        raise ValueError(f"no image has width {_short(width)} and height {_short(height)}")
    return size


def _short(said: Any) -> str:
    text = repr(said)
    return text if len(text) <= 60 else f"{text[:60]}.."
