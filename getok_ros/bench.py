"""`getok bench`: one table of one run, for the nano or for a Qwen2.5-VL shape with random weights, CPU or GPU."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from getok_core.bench.forced_scene import ForcedScene
from getok_core.bench.nano_growth import growth_small
from getok_core.bench.small import bench_small
from getok_core.bench.table import Report, Row
from getok_core.errors import DataError, ModelError

from .perceive import model_folder
from .report_charts import round_marks

NODE_BAR_MS = 5.0
"""what the node may add to the model at 720p"""


def bench(arguments: Namespace) -> int:
    """Prints the table, or JSON. Raises GetokError where a model, a device or a package is missing."""
    if arguments.memory:
        print(_memory())
        return 0
    report = _nano(arguments) if arguments.shape == "nano" else _large(arguments)
    if arguments.growth:
        Path(arguments.growth).write_text(chart(report.growth, report.title))
    print(json.dumps(report.to_json(), indent=1) if arguments.json else report.text())
    return 0


def _nano(arguments: Namespace) -> Report:
    model = model_folder(arguments.model)
    report = bench_small(model, arguments.device, arguments.runs, arguments.refinements, path=_out(arguments),
                         wanted=arguments.engine)  # fmt: skip
    report.add(*_node(arguments.runs))
    if arguments.growth:
        report.growth = growth_small(model, arguments.device, arguments.engine)
    report.save()
    return report


def _large(arguments: Namespace) -> Report:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # or torch's threads spin against whatever shares the cores
    with _torch_stack():
        from getok_core.bench.growth import growth_large
        from getok_core.bench.large import bench_large, precision_of
    shape, device, runs = arguments.shape, arguments.device, min(arguments.runs, 10)
    report = bench_large(shape, device, ForcedScene(), runs, arguments.refinements, arguments.compiled, _out(arguments))
    report.add(*_node(runs))
    if arguments.growth:
        report.growth = growth_large(shape, device, precision_of(shape, device))
    report.save()
    return report


def _memory() -> str:
    with _torch_stack():
        from getok_core.bench.memory import memory_table
    return memory_table()


@contextmanager
def _torch_stack() -> Generator[None]:
    try:
        yield
    except ImportError as error:
        raise ModelError(f"a large shape needs {error.name}: pip install 'getok_ros[torch]'") from None


def _out(arguments: Namespace) -> Path | None:
    """Where the report is kept. Raises DataError where no file can be written."""
    if arguments.out is None:
        return None
    path = Path(arguments.out)
    if path.is_dir() or not path.parent.is_dir():
        raise DataError(f"--out {path}: no file can be written there; name one in a folder that exists")
    return path


def _node(runs: int) -> list[Row]:
    try:
        from .bench_node import node_rows
    except ImportError as error:
        return [Row("the node without the model", None, note=f"needs ROS 2: {error.name} is missing")]
    return node_rows(runs, NODE_BAR_MS)


def chart(lines: Mapping[str, Sequence[tuple[float, float]]], title: str) -> str:
    """What was varied -> (value, milliseconds): one small plot each, side by side, as SVG that stands alone."""
    side, left, foot, high = 230.0, 46.0, 34.0, 200.0
    parts: list[Any] = []
    for at, (what, points) in enumerate(lines.items()):
        x0, most = at * side + left, max(ms for _, ms in points) * 1.1
        right = max(value for value, _ in points) or 1.0
        wide, tall = side - left - 14, high - foot - 24
        xy = [(x0 + value / right * wide, 24 + tall * (1 - ms / most)) for value, ms in points]
        parts.append(f'<text x="{x0}" y="14">ms against {escape(what)}</text>')
        parts.append(f'<path d="M{x0} 24V{24 + tall}H{x0 + wide}" stroke="#888" fill="none"/>')
        for mark in round_marks(most, 4):
            y = 24 + tall * (1 - mark / most)
            parts.append(f'<text x="{x0 - 5}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>')
        for mark in round_marks(right, 4):
            parts.append(
                f'<text x="{x0 + mark / right * wide:.1f}" y="{high - 16}" text-anchor="middle">{mark:g}</text>'
            )
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in xy)
        parts.append(f'<path d="M{line}" stroke="#0072b2" stroke-width="2" fill="none"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#0072b2"/>' for x, y in xy]
    width = max(1, len(lines)) * side
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {high + 20:g}" font-family="sans-serif"'
        f' font-size="11"><rect width="100%" height="100%" fill="white"/><text x="8" y="{high + 12:g}" fill="#555">'
        f"{escape(title)}</text>{''.join(parts)}</svg>\n"
    )
