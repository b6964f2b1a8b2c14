"""Readers of label formats, one a file: each gives the truth of frames in the words and pixels of this house."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from getok_core.errors import DataError

from .recognition import FORMATS, recognise
from .truth import FrameName, Labels, Truth

__all__ = ["FORMATS", "FrameName", "Labels", "Truth", "read_labels"]
LARGEST_BYTES = 2**30
"""of one file of labels, which is read whole"""


def read_labels(path: Path | str, images: Sequence[FrameName] | None = None, format: str = "") -> Labels:
    """Labels of a file or folder; `format` is one of FORMATS, or is recognised.

    With images, the frames that will be looked up, labels of other frames are one more fault. What is malformed is a
    fault in `Labels.faults` and skipped. Raises DataError in one line when there is nothing to read, the format is not
    recognised, no label is whole, or none belongs to an image.
    """
    path = Path(path)
    if format and format not in FORMATS:
        raise DataError(f"label format {format!r} is unknown: use one of {', '.join(FORMATS)}")
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            raise DataError(
                f"labels {path} have {path.stat().st_size} bytes: at most {LARGEST_BYTES} are read; split them"
            )
        labels: Labels = import_module(f".{format or recognise(path)}", __name__).read(path)
    except OSError as error:
        raise DataError(f"labels {path} cannot be read: {error.strerror or error}") from None
    if not labels.frames:
        first = f"; the first of {len(labels.faults)} faults: {labels.faults[0]}" if labels.faults else ""
        raise DataError(f"labels {path} hold no label of any frame{first}: give labels, or leave them out")
    return labels if images is None else _belonging(labels, images, path)


def _belonging(labels: Labels, images: Sequence[FrameName], path: Path) -> Labels:
    """The labels, with a fault for those of frames that are not there. Raises DataError when none is."""
    strange = labels.unmatched(images)
    if not strange:
        return labels
    if len(strange) == len(labels.frames):
        frame = next((str(one.name or one.stamp_ns or one.index) for one in images), "none at all")
        raise DataError(
            f"labels {path} belong to other frames: they name {strange[0]!r} and the like, the recording {frame!r}"
        )
    return Labels(
        labels.frames,
        [*labels.faults, f"{path}: {len(strange)} of {len(labels.frames)} labelled frames are not in the recording,"
                         f" such as {strange[0]!r}"],
    )  # fmt: skip
