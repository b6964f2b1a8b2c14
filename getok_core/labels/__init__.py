"""Readers of label formats, one a file: each gives the truth of frames in the words and pixels of this house."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from getok_core.errors import DataError

from . import jsonl
from .truth import FrameName, Labels, Truth

__all__ = ["FORMATS", "FrameName", "Labels", "Truth", "read_labels"]

FORMATS: dict[str, Callable[[Path], Labels]] = {"jsonl": jsonl.read}
"""name of a format -> its reader"""


def read_labels(path: Path | str, images: Sequence[FrameName] | None = None, format: str = "") -> Labels:
    """Labels of a file or folder; `format` is one of FORMATS, or is recognised.

    With images, the frames that will be looked up, labels of other frames are one more fault. What is malformed is a
    fault in `Labels.faults` and skipped. Raises DataError in one line when there is nothing to read, the format is not
    recognised, no label is whole, or none belongs to an image.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"labels {path} do not exist: give a label file or folder")
    if format and format not in FORMATS:
        raise DataError(f"label format {format!r} is unknown: use one of {', '.join(FORMATS)}")
    return FORMATS[format or "jsonl"](path)
