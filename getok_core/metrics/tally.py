"""Every number of an evaluation is a ratio of sums over images; tables and JSON come from those sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import Interval, difference_interval, ratio_interval
from .lanes import Counts

Part = tuple[float, float]
"""what one image adds to a ratio: above and below the line"""

OBJECTS = "objects drawn a frame"
FALSE = "objects drawn per 1,000 empty frames"
SECONDS = "seconds a frame, median"
SEEDS = "points a mask"
NUMBERS = {OBJECTS: 2, FALSE: 0, SECONDS: 3, SEEDS: 1}
"""rows that are no percentages, and their decimals"""
UNITS = {"px": 1, "m": 2, "ms": 0, "per hour": 1, "grid tokens": 1, "frames": 1}
"""the same of rows that end in ", " and a unit"""


class Tally:
    """What each image adds to each row."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[int, float, float]]] = {}

    def add(self, image: int, parts: Mapping[str, Part]) -> None:
        """Adds one image's share; several calls with the same image stay one group."""
        for row, (above, below) in parts.items():
            self.rows.setdefault(row, []).append((image, above, below))

    def intervals(self) -> dict[str, Interval]:
        """Row -> ratio with its 95 % bootstrap interval, whole images resampled."""
        return {row: _interval(np.asarray(added, np.float64)) for row, added in self.rows.items()}

    def more_than(self, other: Tally, row: str) -> Interval:
        """How much more of a row this has than another tally of the same images in the same order, paired."""
        mine, others = (np.asarray(tally.rows[row], np.float64) for tally in (self, other))
        return difference_interval(others[:, 1], others[:, 2], mine[:, 1], mine[:, 2], others[:, 0])


@dataclass(frozen=True)
class Block:
    """One table: column -> row -> interval."""

    title: str
    columns: dict[str, dict[str, Interval]]
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    """goes to JSON only"""

    def text(self) -> str:
        """For people: a line a row, percent unless the row says otherwise, "-" where nothing was measured."""
        rows = list(dict.fromkeys(row for cells in self.columns.values() for row in cells))
        first = max(len(row) for row in ["", *rows]) + 2
        table = {name: [_cell(row, cells.get(row)) for row in rows] for name, cells in self.columns.items()}
        width = {name: max(19, *map(len, (name, *cells))) + 2 for name, cells in table.items()}
        lines = [self.title, " " * first + "".join(f"{name:>{width[name]}}" for name in table)]
        for at, row in enumerate(rows):
            lines.append(f"{row:{first}}" + "".join(f"{cells[at]:>{width[name]}}" for name, cells in table.items()))
        return "\n".join(lines)

    def markdown(self) -> str:
        """The same as a table of Markdown under its title."""
        rows = list(dict.fromkeys(row for cells in self.columns.values() for row in cells))
        lines = [f"**{self.title}**", "", f"| | {' | '.join(self.columns)} |", "|---" * (len(self.columns) + 1) + "|"]
        lines += [f"| {row} | {' | '.join(_cell(row, c.get(row)) for c in self.columns.values())} |" for row in rows]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """{"title", "columns": {column: {row: [value, low, high]}}, ...}; ratios in 0..1, null where not measured."""
        columns = {
            name: {row: as_json(interval) for row, interval in cells.items()} for name, cells in self.columns.items()
        }
        return {"title": self.title, "columns": columns, **self.details}


def as_json(interval: Interval) -> list[float | None]:
    """[value, low, high], null where nothing was measured."""
    return [round(value, 5) if np.isfinite(value) else None for value in interval]


def f1_parts(name: str, counts: Counts) -> dict[str, Part]:
    """Precision, recall and F1 of one image."""
    return {
        f"{name}: precision": (counts.hits, counts.drawn),
        f"{name}: recall": (counts.hits, counts.truths),
        f"{name}: F1": (2 * counts.hits, counts.truths + counts.drawn),
    }


def decimals(row: str) -> int | None:
    """Decimals of a row that is a number with a unit; None where it is a ratio, shown in percent."""
    return NUMBERS.get(row, UNITS.get(row.rpartition(", ")[2]))


def median_interval(values: Sequence[float], draws: int = 2000, seed: int = 0) -> Interval:
    """Median with its 95 % percentile bootstrap interval; NaN of nothing."""
    return quantile_interval(values, 0.5, draws, seed)


def quantile_interval(values: Sequence[float], at: float, draws: int = 2000, seed: int = 0) -> Interval:
    """The quantile at 0..1 with its 95 % percentile bootstrap interval; NaN of nothing."""
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    measured = np.asarray(values, float)
    drawn = np.random.default_rng(seed).choice(measured, (draws, len(measured)))
    low, high = np.quantile(np.quantile(drawn, at, axis=1), [0.025, 0.975])
    return Interval(float(np.quantile(measured, at)), float(low), float(high))


def _interval(added: NDArray[np.float64]) -> Interval:
    """Ratio of the rows (N, 3): image, above, below."""
    return ratio_interval(added[:, 1], added[:, 2], added[:, 0])


def _cell(row: str, interval: Interval | None) -> str:
    if interval is None or np.isnan(interval.value):
        return "-"
    places = decimals(row)
    if places is None:
        return interval.percent()
    value, ends = f"{interval.value:.{places}f}", f" ({interval.low:.{places}f}-{interval.high:.{places}f})"
    return value if interval.low != interval.low else value + ends
