"""Sections of a report that hold numbers: tables, conditions, confusions, scores, latency, parity, faults, command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from getok_core.metrics.frame_parts import HEADLINES

from .replay_log import PLAN
from .report_charts import STAGES, legend, percentiles, reliability, spread
from .report_page import Page, Section
from .report_tables import Cells, confusion_table, interval_table, plain_table, side_by_side

ROWS = 40
"""of lists that could be very long"""
FOLDED = 20
"""rows of a table that is shown whole"""
FILES = {
    "scenes.jsonl": "what was said, a line a frame and model",
    "timing.jsonl": "how long it took",
    "metrics.json": "every number on this page",
    "overlay.mp4": "the film",
    "scenes": "a bag of the images with our messages beside them; Foxglove draws it",
    "worth_labelling.jsonl": "frames to label next, with the reasons",
    "cvat": "the same as a CVAT task, with what the model proposes",
}


def tiles(page: Page) -> str:
    """The run in a row of numbers."""
    models = page.run.models
    totals = {model: [one.said[model].total_ms for one in page.facts if model in one.said] for model in models}
    shown = [(str(len(page.facts)), "frames")]
    for row in HEADLINES:
        values = [_headline(page, model, row) for model in models]
        if any(value is not None for value in values):
            shown.append((_joined(["-" if v is None else f"{100 * v:.1f}" for v in values], "%"), row))
    times = [sorted(ms for ms in totals[model] if ms is not None) for model in models]
    if any(times):
        middle = [f"{line[len(line) // 2]:.0f}" if line else "-" for line in times]
        shown.append((_joined(middle, "ms"), "a frame, median"))
    ages = sorted(1000 * line["age_s"] for line in page.run.timing.values() if line.get("age_s") is not None)
    if ages:
        shown.append((f"{ages[len(ages) // 2]:.0f}<small> ms</small>", "camera to scene, median"))
        dropped = sum(bool(line.get("dropped")) for line in page.run.timing.values())
        shown.append((str(dropped), "frames dropped for newer ones"))
    shown.append((str(sum(bool(one.faults) for one in page.facts)), "frames with a fault"))
    shown.append((str(len(page.run.metrics.get("unreadable", ()))), "could not be read"))
    return "".join(f'<div class="tile"><b>{value}</b><span>{escape(name)}</span></div>' for value, name in shown)


def numbers(page: Page) -> Section | None:
    """Every table, the models side by side."""
    tables = side_by_side(page.models)
    parts = (f"<div><h3>{escape(title)}</h3>{_folded(columns)}</div>" for title, columns in tables)
    body = f'<div class="tables">{"".join(parts)}</div>'
    return Section("numbers", "Numbers", "Numbers", "With 95 % intervals over frames.", body) if tables else None


def slices(page: Page) -> Section | None:
    """A row a condition that the labels name, a column a measure."""
    parts: list[str] = []
    for model, one in page.models.items():
        if one.get("slices"):
            title = f"<h3>{escape(model)}</h3>" if len(page.run.models) > 1 else ""
            parts.append(title + interval_table(_turned(one["slices"]), "condition"))
    note = "The same rows, by the conditions that the labels name."
    return Section("slices", "Conditions", "By condition", note, "".join(parts)) if parts else None


def confusions(page: Page) -> Section | None:
    """Label against answer, of everything that has words."""
    parts: list[str] = []
    for model, one in page.models.items():
        suffix = f", {model}" if len(page.run.models) > 1 else ""
        parts += [confusion_table(row + suffix, rows) for row, rows in one.get("confusions", {}).items() if rows]
    note = "Rows are labels, columns what was said; outlined cells are right."
    return _figures("confusion", "Confusion", "What is taken for what", note, parts)


def calibration(page: Page) -> Section | None:
    """Reliability diagrams."""
    curves: dict[str, dict[str, Any]] = {}
    for model, one in page.models.items():
        scored: dict[str, Any] = one.get("reliability") or {}
        for kind, curve in scored.items():
            curves.setdefault(kind, {})[model] = curve
    parts = [reliability(kind, by_model) for kind, by_model in curves.items()]
    note = "Share that is right against the score said: on the diagonal a score means what it says. Larger: more."
    return _figures("scores", "Scores", "What a score is worth", note, parts, legend(page.run.models))


def latency(page: Page) -> Section | None:
    """How long a frame took, and which part of it."""
    stages: dict[str, dict[str, list[float]]] = {model: {stage: [] for stage in STAGES} for model in page.run.models}
    for (_, model), line in page.run.timing.items():
        for stage, seconds in line.get("seconds", {}).items():
            if stage in stages.get(model, {}):
                stages[model][stage].append(1000 * seconds)
        if line.get("age_s") is not None and model in stages:
            stages[model].setdefault("camera to scene", []).append(1000 * line["age_s"])
    totals = {model: lines["total"] for model, lines in stages.items() if lines["total"]}
    if not totals:
        return None
    note = "Milliseconds inside the model. The solid line is the median, the dashed one the 95th percentile."
    body = f'{legend(list(totals))}<div class="pair">{spread(totals)}{percentiles(stages)}</div>'
    return Section("latency", "Latency", "Where the time went", note, body)


def parity(page: Page) -> Section | None:
    """How far two models or engines agree."""
    said: Mapping[str, Any] | None = page.run.metrics.get("parity")
    if not said:
        return None
    note = "The same frames, one model against the other: neither is held to be right."
    return Section("parity", "Parity", "One model against the other", note, interval_table({"": said}))


def label_free(page: Page) -> Section | None:
    """The checks that need no labels."""
    checked: dict[str, Any] = page.run.metrics.get("label_free") or {}
    tasks: dict[str, dict[str, Any]] = {}
    frames: dict[str, dict[str, Any]] = {}
    for model, rows in checked.items():
        for row, value in rows.items():
            task, _, check = row.partition(", ")
            if check and value[0] is not None:
                tasks.setdefault(f"{model}, {check}" if len(checked) > 1 else check, {})[task] = value
            elif not check:
                frames.setdefault(model, {})[row] = value
    note = (
        "Agreement of what was said with what is said of the frame before, of the mirrored frame, or by another model."
        " It proves nothing right; where it is low, something is wrong."
    )
    tables = "".join(interval_table(columns) for columns in (tasks, frames) if columns)
    body = f'<div class="tables">{tables}</div>'
    return Section("unlabelled", "Without labels", "Checked without labels", note, body) if tables else None


def lost(page: Page) -> Section | None:
    """Frames that could not be read, notes, and faults of the model's words."""
    unreadable = page.run.metrics.get("unreadable", ())
    notes = page.run.metrics.get("notes", ())
    body = "".join(f"<p>{escape(str(note))}</p>" for note in notes)
    if unreadable:
        body += plain_table(("frame", "why"), [(str(one["frame"]), str(one["why"])) for one in unreadable[:ROWS]])
        body += f"<p>and {len(unreadable) - ROWS} more in <code>metrics.json</code></p>" * (len(unreadable) > ROWS)
    faulty = [(one.moment.frame, f"{model}: {', '.join(said.faults)}") for one in page.facts
              for model, said in one.said.items() if said.faults]  # fmt: skip
    if faulty:
        summary = f"{len(faulty)} fault{'s' * (len(faulty) > 1)} in what was said"
        listed = plain_table(("frame", "fault"), faulty[: 5 * ROWS])
        body += f"<details><summary>{summary}</summary>{listed}</details>"
    return Section("lost", "Faults", "What could not be read, and faults", "", body) if body else None


def again(page: Page) -> Section | None:
    """The command, the digests, and the files beside the page."""
    command = page.run.metrics.get("command")
    if not command:
        return None
    source: dict[str, str] = page.run.metrics.get("source") or {}
    digests = [*source.items(), *_model_files(page.run.out / PLAN)]
    listed = "\n".join(f"{digest}  {name}" for name, digest in digests)
    there = {name: what for name, what in FILES.items() if (page.run.out / name).exists()}
    beside = "".join(f"<li><code>{name}</code> {what}</li>" for name, what in there.items())
    body = f"<pre>{escape(shlex.join(command))}</pre><h3>Digests (sha256)</h3>"
    body += f'<pre class="digests">{escape(listed)}</pre>'
    body += f"<h3>Beside this page</h3><ul>{beside}</ul>"
    note = "The same command on the same recording gives the same <code>scenes.jsonl</code>, byte for byte."
    return Section("again", "Reproduce", "To make it again", note, body)


def _model_files(path: Path) -> list[tuple[str, str]]:
    """Name and digest of every file of the models, as the replay wrote them down when it began."""
    models: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["model"] if path.is_file() else {}
    return [(f"{model}: {name}", digest) for model, files in models.items() for name, digest in files.items()]


def _figures(name: str, short: str, title: str, note: str, parts: Sequence[str], key: str = "") -> Section | None:
    body = f'{key}<div class="figures">{"".join(parts)}</div>'
    return Section(name, short, title, note, body) if parts else None


def _headline(page: Page, model: str, row: str) -> float | None:
    for table in page.models.get(model, {}).get("tables", ()):
        for rows in table["columns"].values():
            if row in rows:
                return rows[row][0]
    return None


def _folded(columns: Cells) -> str:
    """A table; of a long one the headlines, and all of it on demand."""
    rows = dict.fromkeys(row for cells in columns.values() for row in cells)
    if len(rows) <= FOLDED:
        return interval_table(columns)
    head = {name: {row: cells[row] for row in HEADLINES if row in cells} for name, cells in columns.items()}
    return f"{interval_table(head)}<details><summary>all {len(rows)} rows</summary>{interval_table(columns)}</details>"


def _turned(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """condition -> measure -> value becomes measure -> condition -> value."""
    measures = dict.fromkeys(measure for cells in rows.values() for measure in cells)
    return {m: {name: cells[m] for name, cells in rows.items() if m in cells} for m in measures}


def _joined(values: Sequence[str], unit: str) -> str:
    return f"{'<small> / </small>'.join(values)}<small> {unit}</small>"
