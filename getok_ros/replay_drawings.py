"""What people look at after a replay: film, recording with our messages, page, Rerun file, frames worth labelling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from getok_core.errors import GetokError

from .label_free import Checked
from .progress import say
from .replay_film import write_film
from .replay_pictures import Pictures
from .replayed import Replayed
from .report import write_report
from .rerun_export import export
from .scene_recording import record
from .worth_labelling import rank


def draw_all(run: Replayed, pictures: Pictures, checked: Sequence[Checked], rrd: str | None) -> list[Path]:
    """Draws everything into the replay's folder; what cannot be drawn here is told in one line. Returns what there is.

    The page comes last: it shows what the others left.
    """
    steps: list[Callable[[], Any]] = [
        lambda: rank(run.out, checked, pictures),
        lambda: write_film(run.out, pictures),
        lambda: record(run.out, pictures),
        lambda: export(run.out, rrd, pictures) if rrd else [],
        lambda: write_report(run.out, pictures),
    ]
    drawn: list[Path] = []
    for step in steps:
        try:
            made = step()
        except GetokError as error:
            say(f"getok: {error}", sys.stderr)
            continue
        drawn += [path for path in (made if isinstance(made, list) else [made]) if isinstance(path, Path)]
    return drawn
