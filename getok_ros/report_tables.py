"""Tables of a report: ratios with their intervals, models side by side; conditions, confusions and parity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, cast

from getok_core.metrics.tally import decimals

Cells = Mapping[str, Mapping[str, Any]]
"""column -> row -> [value, low, high], or a number alone"""


def side_by_side(models: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Cells]]:
    """The tables of all models by their titles, those of the same title as one; a lone column is named by its model."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for model, one in models.items():
        for table in one.get("tables", ()):
            columns = table["columns"]
            merged = found.setdefault(table["title"], {})
            for name, rows in columns.items():
                merged[model if len(columns) == 1 else f"{model}, {name}"] = rows
    return list(found.items())


def interval_table(columns: Cells, corner: str = "") -> str:
    """A row a measure: the value, its 95 % interval as numbers and as a stroke between 0 and 100 %."""
    rows = list(dict.fromkeys(row for cells in columns.values() for row in cells))
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = ""
    for row in rows:
        measured = "".join(f"<td>{cell(row, cells.get(row))}</td>" for cells in columns.values())
        body += f"<tr><th>{escape(row)}</th>{measured}</tr>"
    return f'<div class="scroll"><table class="wide"><tr><th>{escape(corner)}</th>{head}</tr>{body}</table></div>'


def cell(row: str, value: Any) -> str:
    """One measured value as HTML; "-" where nothing was measured."""
    if isinstance(value, str):
        return escape(value)
    given: Sequence[Any] = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value, None, None]
    if given[0] is None:
        return '<span class="quiet">-</span>'
    measured, places = float(given[0]), decimals(row)
    if given[1] is None:
        return f"<b>{measured:.{0 if measured.is_integer() else 3}f}</b>"
    low, high = float(given[1]), float(given[2])
    if places is not None:
        return f"<b>{measured:.{places}f}</b> <small>{low:.{places}f} to {high:.{places}f}</small>"
    stroke = _stroke(measured, low, high)
    return f"<b>{100 * measured:.1f}</b> <small>{100 * low:.1f} to {100 * high:.1f} %</small>{stroke}"


def confusion_table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    """Label -> answer -> count; the darker a cell, the larger its share of the label's row."""
    answers = list(dict.fromkeys([*rows, *(said for counts in rows.values() for said in counts)]))
    head = "".join(f"<th>{escape(said)}</th>" for said in answers)
    body = ""
    for truth, counts in rows.items():
        every = sum(counts.values())
        cells = (
            f'<td class="heat{" right" * (said == truth)}" style="--share:{counts.get(said, 0) / max(every, 1):.3f}">'
            f"{counts.get(said, 0) or ''}</td>"
            for said in answers
        )
        body += f"<tr><th>{escape(truth)}</th>{''.join(cells)}<td class='quiet'>{every}</td></tr>"
    right = sum(counts.get(truth, 0) for truth, counts in rows.items())
    every = sum(sum(counts.values()) for counts in rows.values())
    share = f"{100 * right / every:.1f} % of {every} right" if every else "nothing asked"
    table = f'<table class="confusion"><tr><th>label \\ said</th>{head}<th>all</th></tr>{body}</table>'
    return f'<figure><h4>{escape(title)}</h4><div class="scroll">{table}</div><figcaption>{share}</figcaption></figure>'


def plain_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in cells."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="plain"><tr>{names}</tr>{body}</table></div>'


def _stroke(value: float, low: float, high: float) -> str:
    left, wide = 100 * min(max(low, 0), 1), 100 * max(min(high, 1) - max(low, 0), 0)
    at = 100 * min(max(value, 0), 1)
    return (
        f'<i class="ci"><i style="left:{left:.1f}%;width:{wide:.1f}%"></i><i class="at" style="left:{at:.1f}%"></i></i>'
    )
