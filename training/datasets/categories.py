"""Pictures with the masks of their categories as samples: one question a category, its objects as the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from getok_core.lattice import Size

from .sample import Sample, sample_of
from .wording import SEGMENT, asked

MOST = 16
"""objects of one answer: the largest number a form allows"""


def nearest_first(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Objects with a box or point in the order this house lists things in: by their lower edge, then from the left.

    Sets give no order, or one by annotation; a model that says one object after another needs one that can be seen.
    """

    def place(one: Mapping[str, Any]) -> tuple[float, float]:
        numbers = one["point"] if "point" in one else one["box"]
        return -float(numbers[-1]), float(numbers[0])

    return sorted(found, key=place)


def every(image: str, size: Size, noun: str, found: Sequence[Mapping[str, Any]], source: str) -> Sample:
    """All objects of one kind: `Segment every mug`. Raises ValueError when there are too many."""
    if len(found) > MOST:
        raise ValueError(f"{len(found)} objects of one category: an answer holds at most {MOST}")
    return sample_of(image, size, {"text": asked(SEGMENT, f"every {noun}")}, "seg", nearest_first(found), source=source)


def the_whole(image: str, size: Size, noun: str, found: Mapping[str, Any], source: str) -> Sample:
    """All that is of one kind, as one mask: `Segment the sky`."""
    return sample_of(image, size, {"text": asked(SEGMENT, f"the {noun}")}, "seg", [found], source=source)
