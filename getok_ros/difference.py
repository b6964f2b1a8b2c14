"""What differs between two JSON values, field by field; numbers within a tolerance count as the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TOLERANCES = {"points": 0.5, "box": 0.5, "score": 0.01}
"""field -> largest difference that counts as none: pixels for geometry, probability for scores"""


def differences(expected: Any, found: Any, path: str = "", tolerance: float = 0.0) -> Iterator[str]:
    """One line for each field that differs, with its path, such as `lanes[2].points[4][0]: 315.1 -> 320.4`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in dict.fromkeys((*expected, *found)):
            at = f"{path}.{name}" if path else name
            if name not in expected or name not in found:
                yield f"{at}: {'only expected' if name in expected else 'only found'}"
            else:
                yield from differences(expected[name], found[name], at, TOLERANCES.get(name, tolerance))
    elif isinstance(expected, list) and isinstance(found, list):
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{path}[{index}]", tolerance)
        if len(expected) != len(found):
            yield f"{path}: {len(expected)} expected, {len(found)} found"
    elif _number(expected) and _number(found):
        if not abs(expected - found) <= tolerance:
            yield f"{path}: {expected:g} -> {found:g}"
    elif type(expected) is not type(found) or expected != found:
        yield f"{path}: {expected!r} -> {found!r}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
