"""Records that were left out while reading somebody's data: where each stands, and why. Nothing here is fatal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")
MALFORMED = (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)
"""what code that expects a whole record raises on another; a GetokError, about the whole file, passes through"""


class Skipped:
    """Lines "file:place: why", in the order met."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._reasons: Counter[str] = Counter()

    def note(self, file: Path | str, where: int | str, why: str) -> None:
        """One record left out; where is its line, or its place in the file's JSON."""
        self.lines.append(f"{file}:{where}: {why}: skipped")
        self._reasons[re.sub(r"'[^']*'|\"[^\"]*\"|-?\d+(\.\d+)?", "..", why)] += 1

    def each(
        self, file: Path | str, records: Iterable[tuple[int | str, Any]], convert: Callable[[Any], Iterable[Made]]
    ) -> Iterator[Made]:
        """What `convert` makes of each (place, record); a record it cannot read is noted and left out whole."""
        for where, record in records:
            try:
                made = list(convert(record))
            except KeyError as error:
                self.note(file, where, f"{error.args[0]!r} is missing" if error.args else "a key is missing")
            except MALFORMED as error:
                self.note(file, where, " ".join(str(error).split()) or type(error).__name__)
            else:
                yield from made

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons without their numbers and names, and how often each was met, most frequent first."""
        return self._reasons.most_common()
