"""What a run of the bench says: rows of milliseconds, the ceilings measured, the machine. As text and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any


@dataclass
class Row:
    """One stage or mode."""

    name: str
    ms: float | None
    """median; None where it did not run"""
    floor_ms: float | None = None
    """what bytes and operations alone would take at the ceilings of this run"""
    times: float | None = None
    """how many times faster than the plain baseline of its table"""
    note: str = ""


@dataclass
class Report:
    """Everything one run measured."""

    title: str
    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list[Row])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    """ceilings, counts, memory"""
    growth: dict[str, list[tuple[float, float]]] = field(default_factory=dict[str, list[tuple[float, float]]])
    """what was varied -> (value, milliseconds)"""
    path: Path | None = None
    """file that always holds, as JSON, what is known so far"""

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def add(self, *rows: Row) -> None:
        """Keeps rows, and tells each at once on stderr: a run that is cut off has then said what it knew."""
        for row in rows:
            self.rows.append(row)
            at = f"[{time.monotonic() - self._began:4.0f} s]"
            print(f"{at} {row.name}: {_number(row.ms, 0)} ms  {row.note}", file=sys.stderr, flush=True)
        self.save()

    def save(self) -> None:
        """Writes the file anew, at once or not at all."""
        if self.path is not None:
            whole = self.path.with_name(f"{self.path.name}.part")
            whole.write_text(json.dumps(self.to_json(), indent=1))
            whole.replace(self.path)

    def compare(self, baseline: str, *names: str) -> None:
        """Fills in how many times faster rows are than the baseline's."""
        base = next((row.ms for row in self.rows if row.name == baseline), None)
        for row in self.rows:
            if row.name in names and base and row.ms:
                row.times = base / row.ms

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "path"}

    def text(self) -> str:
        """The table for people."""
        wide = max(len(row.name) for row in self.rows)
        lines = [self.title, "  ".join(f"{key} {value}" for key, value in self.machine.items())]
        lines.append(f"{'':{wide}}  {'ms':>10}  {'floor ms':>9}  {'times faster':>12}")
        for row in self.rows:
            cells = (_number(row.ms, 10), _number(row.floor_ms, 9), _number(row.times, 12))
            lines.append(f"{row.name:{wide}}  {'  '.join(cells)}  {row.note}".rstrip())
        lines += [f"{key}: {_fact(value)}" for key, value in self.facts.items()]
        for what, points in self.growth.items():
            lines.append(f"time against {what}: " + ", ".join(f"{x:g} -> {ms:.1f} ms" for x, ms in points))
        return "\n".join(lines)


def failed(name: str, error: Exception) -> Row:
    """The row of what did not run, with the reason."""
    return Row(name, None, note=f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{1 if value >= 10 else 2}f}"


def _fact(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def timed(work: Callable[[], object], runs: int, wait: Callable[[], None] = lambda: None) -> float:
    """Median milliseconds of the work, `wait` included, over so many runs."""
    times: list[float] = []
    for _ in range(runs):
        wait()
        began = time.perf_counter()
        work()
        wait()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def machine(device: str, *packages: str) -> dict[str, str]:
    """What it ran on, and the versions of packages that are installed."""
    from ..engines.cores import cores

    found = {
        "cpu": _cpu(),
        "cores": str(cores()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {**_gpu(), **found} if device == "cuda" else found


def _gpu() -> dict[str, str]:
    """What torch calls it; nothing where torch does not know of one."""
    try:
        import torch
    except ImportError:
        return {}
    known = torch.cuda.is_available()
    return {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)} if known else {}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
