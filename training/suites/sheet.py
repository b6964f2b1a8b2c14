"""What images add to many tables, gathered in several processes and put together: table -> column -> rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from getok_core.metrics.answers import Confusion
from getok_core.metrics.intervals import Interval
from getok_core.metrics.tally import Block, Part, Tally

T = TypeVar("T")


class Sheet:
    """Parts of ratios, and label beside answer of questions."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Tally]] = {}
        self.pairs: dict[str, list[tuple[str, str]]] = {}
        """task -> label and answer of each question"""
        self.images: dict[str, set[int]] = {}
        """table -> images that added to it"""

    def add(self, table: str, column: str, image: int, parts: Mapping[str, Part]) -> None:
        """One image's share; calls with the same image stay one group of the bootstrap."""
        self.tables.setdefault(table, {}).setdefault(column, Tally()).add(image, parts)
        self.images.setdefault(table, set()).add(image)

    def merge(self, other: Sheet) -> None:
        """Adds all that another sheet holds."""
        for table, columns in other.tables.items():
            for column, tally in columns.items():
                mine = self.tables.setdefault(table, {}).setdefault(column, Tally())
                for row, added in tally.rows.items():
                    mine.rows.setdefault(row, []).extend(added)
            self.images.setdefault(table, set()).update(other.images[table])
        for task, pairs in other.pairs.items():
            self.pairs.setdefault(task, []).extend(pairs)

    def arrange(self, table: str, columns: Sequence[str], rows: Sequence[str] = ()) -> None:
        """Puts columns and rows of a table into this order; others follow as they came."""
        if table in self.tables:
            self.tables[table] = _ordered(self.tables[table], columns)
            for tally in self.tables[table].values():
                tally.rows = _ordered(tally.rows, rows)

    def intervals(self, table: str) -> dict[str, dict[str, Interval]]:
        """Column -> row -> ratio with its 95 % interval."""
        return {column: tally.intervals() for column, tally in self.tables.get(table, {}).items()}

    def block(self, table: str, title: str, **details: Any) -> Block:
        """One table under its title."""
        return Block(title, self.intervals(table), {"images": len(self.images.get(table, ())), **details})

    def details(self) -> dict[str, Any]:
        """Which answer was given for which label, and accuracy balanced over labels; for JSON."""
        confusions = {task: Confusion.of(pairs) for task, pairs in sorted(self.pairs.items())}
        balanced = {task: round(one.balanced, 4) for task, one in confusions.items()}
        return {"confusion": {task: one.rows() for task, one in confusions.items()}, "balanced": balanced}


def _ordered(given: dict[str, T], names: Sequence[str]) -> dict[str, T]:
    return {name: given[name] for name in (*(one for one in names if one in given), *given)}
