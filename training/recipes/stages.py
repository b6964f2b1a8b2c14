"""Stages one after another, each a command of this repository; the same call goes on where another one was stopped.

What is done is read from the files that a stage leaves, never from what an earlier call believed. A call may be limited
in time: a stage that can pause is told how much is left, another is ended at the limit and begins again the next time.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from getok_core.errors import DataError

DONE, FAILED, PARTIAL, SKIPPED, WAITS = "done", "failed", "partial", "skipped", "waits"
LEAVE = 1.0
"""minutes before the limit at which a stage is asked to stop; half of them before, it is ended"""
GRACE_S = 20.0
"""that a stage has to end when it is told to"""
STATE, LOGS, LOCK = "state.json", "logs", "lock"


@dataclass(frozen=True)
class Stage:
    """One command, `python -m` before its words."""

    name: str
    words: tuple[str, ...]
    done: Callable[[], bool]
    """whether its output is complete; must not raise"""
    needs: tuple[str, ...] = ()
    """stages that must be done before"""
    least: float = 1.0
    """minutes without which it is not begun"""
    pause: str = ""
    """option by which the command is told after how many minutes to stop; "" if it has none"""
    skip: str = ""
    """why it is left out"""


class Minutes:
    """What is left of a call; 0 minutes at the start is no limit."""

    def __init__(self, limit: float):
        self._end = time.monotonic() + 60 * limit if limit else float("inf")

    @property
    def left(self) -> float:
        return (self._end - time.monotonic()) / 60 - LEAVE


def run(stages: Sequence[Stage], out: Path, limit: float = 0.0) -> dict[str, str]:
    """Runs what is not done; returns stage -> one of DONE, FAILED, PARTIAL, SKIPPED, WAITS, also kept in out/STATE.

    Raises DataError when another call is at work in `out`.
    """
    minutes, results = Minutes(limit), dict[str, str]()
    (out / LOGS).mkdir(parents=True, exist_ok=True)
    with _alone(out) as lock:
        for stage in stages:
            result, says, seconds = _result(stage, results, out, minutes, lock)
            results[stage.name] = result
            _note(out, stage.name, result, says, seconds)
            print(f"-- {stage.name}: {result}{f' ({says})' if says else ''}", flush=True)
    return results


def _result(stage: Stage, results: dict[str, str], out: Path, minutes: Minutes, lock: int) -> tuple[str, str, float]:
    """What became of a stage, why, and the seconds it took."""
    missing = [name for name in stage.needs if results[name] != DONE]
    if stage.skip:
        return SKIPPED, stage.skip, 0.0
    if missing:
        return WAITS, f"for {', '.join(missing)}", 0.0
    if stage.done():
        return DONE, "", 0.0
    if minutes.left < stage.least:
        return WAITS, "no time left in this call: the same command goes on", 0.0
    began = time.monotonic()
    code = _run(stage, out / LOGS / f"{stage.name}.log", minutes.left, lock)
    seconds = time.monotonic() - began
    if code is not None and code != 0:
        return FAILED, f"python -m {' '.join(stage.words)} exited {code}, see {out / LOGS / stage.name}.log", seconds
    if stage.done():
        return DONE, "", seconds
    if code is None or stage.pause:
        return PARTIAL, "the same command goes on", seconds
    return FAILED, "the command ended well, but its output is not complete", seconds


def _run(stage: Stage, log: Path, left: float, lock: int) -> int | None:
    """The command's exit status, its words printed and kept in a log; None when the limit ended it."""
    paused = (stage.pause, f"{left:.2f}") if stage.pause and left != float("inf") else ()
    command = [sys.executable, "-m", *stage.words, *paused]
    print(f"-- {stage.name}: python -m {' '.join(command[2:])}", flush=True)
    # The lock goes with the command: whoever calls again waits for one that outlived its caller.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=(lock,),
                               env={**os.environ, "TQDM_DISABLE": "1", "PYTHONUNBUFFERED": "1"})  # fmt: skip
    with log.open("a") as kept:
        copying = threading.Thread(target=_copy, args=(process.stdout, kept))
        copying.start()
        try:
            return process.wait(None if left == float("inf") else max(60 * (left + LEAVE / 2), 0.0))
        except subprocess.TimeoutExpired:
            return None
        finally:  # also when this process is told to end
            _end(process)
            copying.join()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _copy(stream: Iterable[str], kept: TextIO) -> None:
    """What the command says, line by line, to the log and to the reader."""
    for line in stream:
        kept.write(line)
        print(line, end="", flush=True)


@contextmanager
def _alone(out: Path) -> Iterator[int]:
    """A lock on the folder while the block, and what it starts, is at work."""
    with (out / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"another call is at work in {out}: wait for it, or name another folder") from None
        yield lock.fileno()


def _note(out: Path, name: str, result: str, says: str, seconds: float) -> None:
    """Keeps what is known of each stage, and the seconds that all calls have spent on it."""
    path = out / STATE
    state: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    before = state.get(name, {}).get("seconds", 0.0)
    state[name] = {"state": result, "says": says, "seconds": round(before + seconds, 3)}
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(state, indent=1) + "\n")
    os.replace(partial, path)
