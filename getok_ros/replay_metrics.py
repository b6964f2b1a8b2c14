"""metrics.json of a replay, truths.jsonl beside it, and the tables for people: what replay_score measured, written."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from getok_core.labels import Labels
from getok_core.metrics.tally import Block, as_json

from .label_free import check, table
from .parity import parity
from .replay_log import PLAN
from .replay_run import Ran
from .replay_score import (
    Measured,
    blocks,
    confusions,
    measure,
    period_s,
    reliabilities,
    slice_blocks,
    slice_rows,
    truths_of,
)
from .replayed import METRICS, TRUTHS, Replayed


def write_metrics(run: Replayed, labels: Mapping[str, Labels], ran: Ran, deadline_s: float | None) -> list[str]:
    """Writes metrics.json and truths.jsonl into the folder; returns the tables as text."""
    truths = truths_of(run, labels)
    lines = [{"frame": frame, "scene": truth.scene.to_json()} for frame, truth in truths.items()]
    (run.out / TRUTHS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    measured, ranked = measure(run, truths, period_s(run.frames) if deadline_s is None else deadline_s)
    tables = blocks(measured, truths, len(run.frames))
    found = {
        "command": ["getok", *sys.argv[1:]],
        "source": json.loads((run.out / PLAN).read_text())["source"],
        "models": {model: _model(model, one, tables) for model, one in measured.items()},
        "frames": ranked,
        "unreadable": ran.lost,
        "notes": ran.notes,
        "parity": parity(run),
        "label_free": table(check(run)),
    }
    (run.out / METRICS).write_text(json.dumps(found, indent=1) + "\n")
    return [block.text() for block in (*tables, *slice_blocks(measured))]


def _model(model: str, one: Measured, tables: Sequence[Block]) -> dict[str, Any]:
    """What metrics.json says of one model."""
    own = [Block(block.title, {"model": block.columns[model]}, block.details) for block in tables]
    return {
        "tables": [block.to_json() for block in own if block.columns["model"]],
        "confusions": confusions(one),
        "reliability": reliabilities(one),
        "slices": {name: {row: as_json(cell) for row, cell in rows.items()} for name, rows in slice_rows(one).items()},
    }


def sizes(run: Replayed) -> list[str]:
    """A line where the frames are not all of one size."""
    counts = Counter[tuple[int, int]]()
    for moment in run.frames:
        scene = next((said for model in run.models if (said := run.scene(moment.frame, model))), None)
        if scene is not None:
            counts[scene.width, scene.height] += 1
    if len(counts) < 2:
        return []
    each = ", ".join(f"{count} of {width} x {height}" for (width, height), count in counts.most_common())
    return [f"frames of {len(counts)} sizes: {each}; each is scored in its own pixels"]
