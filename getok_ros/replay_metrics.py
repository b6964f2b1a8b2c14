"""metrics.json of a replay, truths.jsonl beside it, and the tables for people: what replay_score measured, written."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from getok_core.errors import GetokError
from getok_core.ground import Ground, Pose
from getok_core.labels import Labels
from getok_core.lens import Lens
from getok_core.metrics.tally import Block, as_json

from .label_free import Checked, by_frame, table
from .parity import parity, parity_blocks
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


def write_metrics(
    run: Replayed,
    labels: Mapping[str, Labels],
    ran: Ran,
    checked: Sequence[Checked],
    deadline_s: float | None = None,
    camera: Sequence[float] | None = None,
) -> list[Block]:
    """Writes metrics.json and truths.jsonl into the folder; returns the tables.

    checked: the scenes without labels; deadline_s: None for the camera's period; camera: as in ground_of, for metres.
    """
    truths = truths_of(run, labels)
    lines = [{"frame": frame, "scene": truth.scene.to_json()} for frame, truth in truths.items()]
    _write(run.out / TRUTHS, "".join(json.dumps(line) + "\n" for line in lines))
    deadline_s = period_s(run.frames) if deadline_s is None else deadline_s
    measured, ranked = measure(run, truths, deadline_s, ground_of(camera, run) if camera else None)
    tables, agreed = blocks(measured, truths, len(run.frames)), by_frame(checked)
    found = {
        "command": ["getok", *sys.argv[1:]],
        "source": json.loads((run.out / PLAN).read_text(encoding="utf-8"))["source"],
        "models": {model: _model(model, one, tables) for model, one in measured.items()},
        "frames": [{**line, "agreed": agreed.get(line["frame"], {})} for line in ranked],
        "unreadable": ran.lost,
        "notes": ran.notes,
        "parity": parity(run),
        "label_free": table(checked),
    }
    _write(run.out / METRICS, json.dumps(found, indent=1) + "\n")
    return [*tables, *slice_blocks(measured), *parity_blocks(found["parity"])]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GetokError(f"cannot write {path}: {error.strerror}; choose another --out") from None


def _model(model: str, one: Measured, tables: Sequence[Block]) -> dict[str, Any]:
    """What metrics.json says of one model."""
    own = [Block(block.title, {"model": block.columns[model]}, block.details) for block in tables]
    return {
        "tables": [block.to_json() for block in own if block.columns["model"]],
        "confusions": confusions(one),
        "reliability": reliabilities(one),
        "slices": {name: {row: as_json(cell) for row, cell in rows.items()} for name, rows in slice_rows(one).items()},
    }


def ground_of(camera: Sequence[float], run: Replayed) -> Ground:
    """fx, fy, cx, cy in px of images as large as the first, height in m, pitch in rad (downwards) -> flat ground."""
    fx, fy, cx, cy, height, pitch = camera
    first = next(scene for model in run.models if (scene := run.scene(run.frames[0].frame, model)))
    lens = Lens((fx, fy), (cx, cy), (0.0, 0.0, float(first.width), float(first.height)))
    return Ground(lens, Pose.mounted((0.0, 0.0, height), (0.0, pitch, 0.0)))


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
