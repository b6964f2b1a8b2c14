"""TuSimple: JSON Lines, each {"raw_file", "lanes": x of each lane at each of "h_samples", -2 where it is not}.

x and rows are pixel centres: +0.5. Paint is not labelled. The rows are kept (`Truth.rows`): the benchmark's accuracy is
defined on them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from getok_core.geometry import Polyline

from .categories import Meaning
from .fields import as_key, as_list, as_numbers, as_object
from .gathering import Gathering
from .truth import Labels


def read(path: Path) -> Labels:
    """A label file; frames are named by their raw_file."""
    gathering = Gathering(path, ["lanes"])
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = as_object(json.loads(line), "a label")
            name, lanes = as_key(said, "raw_file"), as_list(said.get("lanes"), "lanes")
            rows = np.array(as_numbers(said.get("h_samples"), "h_samples")) + 0.5
            if not len(rows):
                raise ValueError("h_samples are missing")
        except (ValueError, RecursionError) as error:
            gathering.fault(number, f"no TuSimple label ({error}): skipped")
            continue
        if name in gathering.frames:
            gathering.fault(number, f"frame {name!r} a second time: its first line counts: skipped")
            continue
        frame = gathering.frame(name)
        frame.rows = tuple(rows.tolist())
        for lane in lanes:
            with gathering.reading(number, frame, "lanes"):
                x = np.asarray(lane, np.float64)
                if x.shape != rows.shape:
                    raise ValueError(f"a lane has {x.size} values for {rows.size} h_samples")
                seen = x >= 0
                if seen.sum() >= 2:  # the data set pads with lanes that are nowhere
                    frame.add(Meaning("lanes"), Polyline(np.column_stack([x[seen] + 0.5, rows[seen]])))
    return gathering.labels()
