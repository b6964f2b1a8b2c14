"""What a converter reads: a dataset's file or folder, where its images lie, and the records it had to leave out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from getok_core.errors import DataError
from getok_core.lattice import Size

from .sample import Sample
from .skipped import Skipped

_SPACES = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Source:
    """A dataset as the command line names it."""

    path: Path
    images: Path | None = None
    """folder of the images, for formats that do not say how large these are"""
    split: str = "train"
    """of formats that name one in each record; "" takes all"""
    skipped: Skipped = field(default_factory=Skipped)

    def records(self, file: Path | None = None) -> Iterator[tuple[str | int, Any]]:
        """(place, record) of JSON Lines, or of one JSON list; a line that is no JSON is noted. Raises DataError."""
        file = file or self.path
        with opened(file) as lines:
            start = lines.read(64).lstrip()
            lines.seek(0)
            if start.startswith("["):
                yield from self._listed(file, lines.read())
                return
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line) if line.strip() else None
                except (ValueError, RecursionError) as error:
                    self.skipped.note(file, number, f"no JSON ({error})")
                    continue
                if line.strip():
                    yield number, record

    def _listed(self, file: Path, text: str) -> Iterator[tuple[str, Any]]:
        """(place, record) of a JSON list, one decoded at a time; where the list breaks off, that is noted."""
        number, at, decoder = 0, text.index("[") + 1, json.JSONDecoder()
        while True:
            at = _space(text, at)
            if text[at : at + 1] == "]":
                return
            if number and text[at : at + 1] == ",":
                at = _space(text, at + 1)
            try:
                record, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                self.skipped.note(file, f"[{number}]", f"the list breaks off ({error})")
                return
            yield f"[{number}]", record
            number += 1

    def each(
        self, records: Iterable[tuple[str | int, Any]], convert: Callable[[Any], Iterable[Sample]],
        file: Path | None = None,
    ) -> Iterator[Sample]:  # fmt: skip
        """The samples of each record; a record that is malformed is noted and left out whole."""
        return self.skipped.each(file or self.path, records, convert)

    def size(self, name: str) -> Size:
        """Width and height of an image, from its file's header. Raises ValueError when it cannot be had."""
        if self.images is None:
            raise ValueError("the size of its image is needed: give --images FOLDER")
        return image_size(self.images / name)


def _space(text: str, at: int) -> int:
    """Where the next character stands that is no white space."""
    match = _SPACES.match(text, at)
    return match.end() if match else at


def image_size(path: Path) -> Size:
    """Width and height in pixels without decoding. Raises ValueError."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.width, image.height
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"image {str(path)!r} cannot be read ({type(error).__name__})") from None


def opened(file: Path) -> TextIO:
    """A text file, opened. Raises DataError in one line."""
    try:
        return file.open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"dataset {file} cannot be read: {error.strerror or error}") from None


def beside(file: Path, name: str, what: str) -> Path:
    """A file that must lie in the same folder. Raises DataError."""
    found = (file if file.is_dir() else file.parent) / name
    if not found.exists():
        raise DataError(f"{found} is missing: {what} is read from it")
    return found
