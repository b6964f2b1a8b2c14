"""Records that were left out while reading somebody's data: where each stands, and why. Nothing here is fatal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")
_ANY = re.compile(r"'[^']*'|\"[^\"]*\"|\[.*\]|-?\d+(\.\d+)?")
"""names, lists and numbers: what differs between two records with one fault"""
MALFORMED = (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)
"""what code that expects a whole record raises on another; a GetokError, about the whole file, passes through"""


class Skipped:
    """Lines "file:place: why", in the order met."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._reasons: Counter[str] = Counter()

    def note(self, file: Path | str, where: int | str, why: str) -> None:
        """One record left out; where is its line, or its place in the file's JSON."""
        self.note_line(f"{file}:{where}: {why}: skipped", why)

    def note_line(self, line: str, why: str = "") -> None:
        """What a reader of getok_core.labels noted, as it stands: "file:place: why"."""
        self.lines.append(line)
        self._reasons[_ANY.sub("..", why or line.partition(": ")[2].removesuffix(": skipped"))] += 1

    @contextmanager
    def reading(self, file: Path | str, where: int | str) -> Generator[None]:
        """Within it a malformed record is noted, and what follows in the block is left out."""
        try:
            yield
        except KeyError as error:
            self.note(file, where, f"{error.args[0]!r} is missing" if error.args else "a key is missing")
        except MALFORMED as error:
            self.note(file, where, " ".join(str(error).split()) or type(error).__name__)

    def each(
        self, file: Path | str, records: Iterable[tuple[int | str, Any]], convert: Callable[[Any], Iterable[Made]]
    ) -> Iterator[Made]:
        """What `convert` makes of each (place, record); a record it cannot read is noted and left out whole."""
        for where, record in records:
            made: list[Made] = []
            with self.reading(file, where):
                made = list(convert(record))
            yield from made

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons without their numbers and names, and how often each was met, most frequent first."""
        return self._reasons.most_common()
