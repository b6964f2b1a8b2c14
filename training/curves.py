"""Curves of training as a picture: `python -m training.curves runs/nano [runs/other ...] --out curves.svg`.

Reads each run's curve.jsonl. Of training.sft, a line a report, it draws one panel a loss over the images seen, and one
of images a second. Of training.grpo, a line a step, one panel a component of the reward over the steps, the mean of the
last STEPS: what single steps earn jumps with their scenes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from getok_core.errors import DataError, GetokError

PARTS = ("grid", "offset", "word", "dense", "rate")
"""fields of a curve's lines, one panel each; rate is images a second"""
REWARDS = ("reward", "format", "non-repetition", "label", "mask", "box", "points", "mask gain", "box gain", "kl")
"""the same of training.grpo"""
STEPS, COLUMNS = 10, 5
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")
WIDTH, HEIGHT, LEFT, TOP, GAP = 320, 200, 52, 30, 26
"""of a panel and around it, pixels"""
Points = list[tuple[float, float]]
Curve = Mapping[str, Points]
"""part -> (images seen, value)"""


def read(run: Path) -> Curve:
    """The curve of a run's folder. Raises DataError in one line that names what is missing or malformed."""
    path = run / "curve.jsonl"
    curve: dict[str, Points] = {}
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; name the folder of a run of training.sft") from None
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            at = float(record["step"] if "step" in record else record["samples"])
            values = {part: float(record[part]) for part in (REWARDS if "step" in record else PARTS) if part in record}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}, line {number} is no report of training ({error}): delete that line") from None
        for part, value in values.items():
            curve.setdefault(part, []).append((at, value))
    if not curve:
        raise DataError(f"{path} holds no report yet: train longer than --show-s")
    return {part: points if part in PARTS else smoothed(points) for part, points in curve.items()}


def smoothed(points: Points) -> Points:
    """Each point with the mean of up to STEPS values that end with its own."""
    values = [value for _, value in points]
    parts = [values[max(0, end - STEPS) : end] for end in range(1, len(values) + 1)]
    return [(at, sum(part) / len(part)) for (at, _), part in zip(points, parts, strict=True)]


def drawn(curves: Mapping[str, Curve]) -> str:
    """Curves by name -> an SVG picture, one panel a part that any of them has."""
    parts = [part for part in (*PARTS, *REWARDS) if any(part in curve for curve in curves.values())]
    rows = -(-len(parts) // COLUMNS)
    below = rows * (HEIGHT + TOP + GAP)
    width, height = min(len(parts), COLUMNS) * (WIDTH + LEFT) + GAP, below + TOP + 16 * len(curves)
    panels = [
        _panel(part, curves, LEFT + index % COLUMNS * (WIDTH + LEFT), TOP + index // COLUMNS * (HEIGHT + TOP + GAP))
        for index, part in enumerate(parts)
    ]
    legend = [
        f'<text x="{LEFT}" y="{below + 20 + 16 * index}" fill="{_colour(index)}">{escape(name)}</text>'
        for index, name in enumerate(curves)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="11">', '<rect width="100%" height="100%" fill="white"/>', *panels, *legend,
                      "</svg>\n"])  # fmt: skip


def _panel(part: str, curves: Mapping[str, Curve], left: float, top: float) -> str:
    """One part of every run, from 0 to the largest images seen, from the lowest to the highest value but outliers."""
    points = [point for curve in curves.values() for point in curve.get(part, [])]
    most = max(x for x, _ in points) or 1.0
    values = sorted(y for _, y in points)
    low, high = values[0], values[int(0.98 * (len(values) - 1))]
    high = high if high > low else low + 1.0

    def place(x: float, y: float) -> str:
        down = min(max((high - y) / (high - low), 0.0), 1.0)
        return f"{left + WIDTH * x / most:.1f},{top + HEIGHT * down:.1f}"

    lines = [
        f'<polyline fill="none" stroke="{_colour(index)}" points="{" ".join(place(*point) for point in curve[part])}"/>'
        for index, curve in enumerate(curves.values())
        if part in curve
    ]
    title = "images a second" if part == "rate" else part if part in REWARDS else f"{part} loss"
    bottom, unit = top + HEIGHT, "steps" if part in REWARDS else "images"
    return "\n".join(
        [
            f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
            f'<text x="{left}" y="{top - 8}" font-weight="bold">{title}</text>',
            f'<text x="{left - 4}" y="{top + 10}" text-anchor="end">{high:.3g}</text>',
            f'<text x="{left - 4}" y="{bottom}" text-anchor="end">{low:.3g}</text>',
            f'<text x="{left + WIDTH}" y="{bottom + 14}" text-anchor="end">{most:,.0f} {unit}</text>',
            *lines,
        ]
    )


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.curves", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, drawn over each other")
    parser.add_argument("--out", type=Path, help="picture to write; default: curves.svg in the first run's folder")
    options = parser.parse_args(arguments)
    out = options.out or options.runs[0] / "curves.svg"
    try:
        picture = drawn({str(run): read(run) for run in options.runs})
        try:
            out.write_text(picture)
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror}; name a file in an existing folder") from None
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
