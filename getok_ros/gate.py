"""`getok gate NEW`: a model is let through when it is nowhere worse than the present one, slice by slice.

Both see the same labelled frames. A row is a regression when its paired bootstrap interval lies wholly on the bad
side of zero; the interval is widened so that, over all rows together, chance alone refuses one model in twenty.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from getok_core.errors import GetokError
from getok_core.metrics.intervals import Interval, difference_interval
from getok_core.metrics.tally import OBJECTS, Part, Tally, as_json, decimals

from . import labelled_bag
from .film import make_folder
from .recordings import open_recordings
from .replay import labels_of, tell
from .replay_log import ReplayLog
from .replay_run import load_models, run
from .replay_score import FAULTS, Measured, measure, truths_of
from .replayed import Replayed
from .selection import Selection
from .share import default_model

BAG, VERDICT = "bag", "gate.json"
FPS, SIZE = 5.0, (960, 540)
CHANCE = 0.05
"""how often a model that is as good as the present one may be refused, over all rows"""
DRAWS = 10_000
FEW = 10
"""rows to which fewer frames add anything are not judged"""
UNJUDGED = (OBJECTS,)
"""rows that are neither good nor bad"""
LESS_IS_BETTER = ("false ", "jitter", "come or gone")
"""words of rows of which less is better, beside faults and numbers with a unit"""
Columns = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One number of both models."""

    slice: str
    row: str
    before: float
    after: float
    difference: Interval
    """after - before, with its widened interval"""

    @property
    def verdict(self) -> str:
        """worse, better or same; of faults, distances, jitter and false things, less is better."""
        low, high = self.difference.low, self.difference.high
        if self.row == FAULTS or decimals(self.row) is not None or any(word in self.row for word in LESS_IS_BETTER):
            low, high = -high, -low
        return "worse" if high < 0 else "better" if low > 0 else "same"

    def text(self) -> str:
        """A line of the table, in percent or in the row's own unit."""
        places = decimals(self.row)
        scale, digits = (100, 1) if places is None else (1, places)
        change = "{:+.{n}f} ({:+.{n}f}..{:+.{n}f})".format(*(scale * value for value in self.difference), n=digits)
        values = f"{scale * self.before:24.{digits}f}{scale * self.after:24.{digits}f}"
        return f"{self.verdict:7}{self.slice:34}{self.row:46}{values}   {change}"


def gate(arguments: Namespace) -> int:
    """0 when the model is let through, 1 when it is refused. Raises GetokError on bad input."""
    out, bag, given = Path(arguments.out), arguments.bag, arguments.labels
    if bag is None:
        bag, given = out / BAG, str(out / BAG / labelled_bag.LABELS)
        make_folder(out)
        if not bag.exists():
            labelled_bag.write(bag, arguments.seconds, FPS, SIZE)
    if given is None:
        raise GetokError(f"{bag} needs labels to be judged by: give --labels")
    recordings = open_recordings([bag], Selection())
    labels = labels_of(recordings, given, "")
    present, new = arguments.against or str(default_model()), arguments.model
    models = load_models([present, new], arguments.device, None)
    plan = {"source": recordings[0].digest(), "model": {title: one.manifest.files for title, one in models.items()}}
    with ReplayLog(out, plan) as log:
        ran = run(recordings, models, log, labels)
    tell(ran)
    replayed = Replayed(out)
    measured, _ = measure(replayed, truths_of(replayed, labels), None)
    before, after = (measured[title] for title in models)
    rows = compare(before, after, [replayed.time_ns(moment) // 10**9 for moment in replayed.frames])
    (out / VERDICT).write_text(json.dumps(to_json(rows, list(models)), indent=1) + "\n")
    return _tell(rows, list(models), out)


def compare(before: Measured, after: Measured, seconds: Sequence[int] = ()) -> list[Row]:
    """Every row that both models were measured on often enough, the whole recording first, then each condition.

    seconds: when each frame was taken. Frames of one second are much alike, so they are drawn together; by default each
    frame stands for itself.
    """
    slices = {"all": (before.scenes, after.scenes), "questions": (before.answers, after.answers)}
    slices |= {name: (one, after.slices[name]) for name, one in sorted(before.slices.items()) if name in after.slices}
    pairs = [(name, row, *both) for name, tallies in slices.items() for row, both in _shared(*tallies).items()]
    confidence = 1 - 2 * CHANCE / max(len(pairs), 1)
    rows: list[Row] = []
    for name, row, old, new in pairs:
        columns = old[:, 1], old[:, 2], new[:, 1], new[:, 2]
        groups = [seconds[int(frame)] for frame in old[:, 0]] if seconds else old[:, 0]
        difference = difference_interval(*columns, groups=groups, confidence=confidence, draws=DRAWS)
        if np.isfinite(difference.value):
            value, other = (float(one[:, 1].sum() / one[:, 2].sum()) for one in (old, new))
            rows.append(Row(name, row, value, other, difference))
    return rows


def _shared(old: Tally, new: Tally) -> dict[str, tuple[Columns, Columns]]:
    """Row -> what the same frames add to it in both, (N, 3) of frame, above and below the line."""
    found: dict[str, tuple[Columns, Columns]] = {}
    for row in old.rows:
        if row not in new.rows or row in UNJUDGED:
            continue
        both = [_by_frame(tally.rows[row]) for tally in (old, new)]
        frames = sorted(set(both[0]) & set(both[1]))
        if len(frames) >= FEW:
            first, second = (np.array([(frame, *one[frame]) for frame in frames]) for one in both)
            found[row] = first, second
    return found


def _by_frame(added: Sequence[tuple[int, float, float]]) -> dict[int, Part]:
    sums: dict[int, Part] = {}
    for frame, above, below in added:
        before = sums.get(frame, (0.0, 0.0))
        sums[frame] = before[0] + above, before[1] + below
    return sums


def to_json(rows: Sequence[Row], models: Sequence[str]) -> dict[str, Any]:
    """{"before", "after", "passed", "rows": [{"slice", "row", "before", "after", "difference", "verdict"}]}."""
    told = [{"slice": row.slice, "row": row.row, "before": round(row.before, 5), "after": round(row.after, 5),
             "difference": as_json(row.difference), "verdict": row.verdict} for row in rows]  # fmt: skip
    return {"before": models[0], "after": models[1], "passed": passed(rows), "rows": told}


def passed(rows: Sequence[Row]) -> bool:
    """Whether something was judged, and nothing is worse."""
    return bool(rows) and all(row.verdict != "worse" for row in rows)


def _tell(rows: Sequence[Row], models: Sequence[str], out: Path) -> int:
    """The table, what changed first, and the verdict in one line."""
    order = {"worse": 0, "better": 1, "same": 2}
    print(f"{'':7}{'condition':34}{'row':46}{models[0]:>24}{models[1]:>24}   change")
    for row in sorted(rows, key=lambda row: order[row.verdict]):
        print(row.text())
    worse = [f"{row.row} ({row.slice})" for row in rows if row.verdict == "worse"]
    if not rows:
        print(f"refused: no row has {FEW} frames to judge by; see {out / VERDICT}")
    elif worse:
        print(f"refused: {models[1]} is worse in {len(worse)} of {len(rows)} rows: {', '.join(worse[:3])}")
    else:
        print(f"passed: {models[1]} is nowhere worse than {models[0]} in {len(rows)} rows")
    return 0 if passed(rows) else 1
