"""Two models or engines on the same frames: how often they say the same, and how far apart they are where not."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np

from getok_core.metrics.consistency import agreement
from getok_core.metrics.intervals import Interval
from getok_core.metrics.tally import Block, Tally, as_json
from getok_core.scene import THINGS, Scene

from .replayed import Replayed


def parity(run: Replayed) -> dict[str, Any] | None:
    """What metrics.json says of each pair of models; None of one model.

    {"frames": both scenes are there, "equal scenes": share in which all but the scores is the same, "same words": share
    in which everything is named alike in the same order, "largest difference, px": over all vertices of those, null of
    none, "lanes": share agreed, ..}. With more than two models each key begins with the pair.
    """
    found: dict[str, Any] = {}
    for one, other in combinations(run.models, 2):
        pair = f"{one} and {other}: " if len(run.models) > 2 else ""
        found |= {pair + row: value for row, value in _pair(run, one, other).items()}
    return found or None


def parity_blocks(found: dict[str, Any] | None) -> list[Block]:
    """The same as a table for people; none of one model."""
    rows = {row: value for row, value in (found or {}).items() if isinstance(value, list)}
    cells = {row: Interval(*(math.nan if one is None else one for one in value)) for row, value in rows.items()}
    furthest = {row: value for row, value in (found or {}).items() if row.endswith(", px") and value is not None}
    cells |= {row: Interval(value, math.nan, math.nan) for row, value in furthest.items()}
    return [Block("Parity, one against the other", {"agreed": cells})] if found else []


def _pair(run: Replayed, one: str, other: str) -> dict[str, Any]:
    tally, largest, frames = Tally(), [], 0
    for at, moment in enumerate(run.frames):
        scenes = run.scene(moment.frame, one), run.scene(moment.frame, other)
        if scenes[0] is None or scenes[1] is None:
            continue
        frames += 1
        apart = largest_difference(scenes[0], scenes[1])
        if apart is not None:
            largest.append(apart)
        same = {"equal scenes": (float(apart == 0.0), 1.0), "same words": (float(apart is not None), 1.0)}
        tally.add(at, same | agreement(scenes[0], scenes[1]))
    shares = {row: as_json(interval) for row, interval in tally.intervals().items()}
    return {"frames": frames, **shares, "largest difference, px": round(max(largest), 3) if largest else None}


def largest_difference(one: Scene, other: Scene) -> float | None:
    """The largest distance in pixels between vertices of the same number; None where the words or counts differ."""
    if (one.width, one.height) != (other.width, other.height):
        return None
    pairs = [(getattr(one, name), getattr(other, name)) for name in THINGS]
    if any(len(these) != len(those) for these, those in pairs):
        return None
    furthest = 0.0
    for thing, twin in ((a, b) for these, those in pairs for a, b in zip(these, those, strict=True)):
        (words, xy), (twin_words, twin_xy) = _parted(thing), _parted(twin)
        if words != twin_words or xy.shape != twin_xy.shape:
            return None
        furthest = max(furthest, float(np.linalg.norm(xy - twin_xy, axis=1).max(initial=0.0)))
    return furthest


def _parted(thing: Any) -> tuple[dict[str, str], Any]:
    """The words of a thing, and its vertices or corners (N, 2)."""
    words = {name: value for name, value in vars(thing).items() if isinstance(value, str)}
    xy = thing.points if hasattr(thing, "points") else thing.box.reshape(2, 2)
    return words, np.asarray(xy, np.float64)
