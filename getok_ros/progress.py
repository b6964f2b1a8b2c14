"""One kind of progress bar for all long work: on stderr, lively on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def bar(frames: Iterable[Any] | None, what: str, total: int | None) -> Any:
    """Iterates over frames under a bar; without frames it is moved on by `update()`. total: None or 0 when unknown."""
    pace_s = 0.1 if sys.stderr.isatty() else 5.0
    return tqdm(frames, what, total or None, unit="frame", file=sys.stderr, mininterval=pace_s, maxinterval=2 * pace_s)


def say(line: str, to: Any) -> None:
    """One line on a stream, without tearing a bar that shares its terminal."""
    if to.isatty():
        tqdm.write(line, file=to)
    else:
        print(line, file=to, flush=True)
