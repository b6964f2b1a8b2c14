"""Charts of a report as SVG: how a model's time is spread, and how often its scores are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

COLOURS = ("--sky", "--orange", "--green", "--purple", "--yellow")
"""a model each, in the order they were given"""
STAGES = ("vision", "propose", "refine", "total")
PERCENTS = (50, 90, 95, 99, 100)
BINS = 40


def legend(models: Sequence[str]) -> str:
    """A key a model; nothing for one."""
    keys = (f'<span class="key" style="--c:var({COLOURS[at % len(COLOURS)]})">{escape(model)}</span>'
            for at, model in enumerate(models))  # fmt: skip
    return f'<p class="quiet">{"".join(keys)}</p>' if len(models) > 1 else ""


def round_marks(top: float, most: int) -> list[float]:
    """At most `most` + 1 round numbers from 0 up to top."""
    exponents = range(-6, 10)
    step = next(base * 10.0**e for e in exponents for base in (1, 2, 5) if top / (base * 10.0**e) <= most)
    return [round(step * at, 9) for at in range(int(top / step + 1e-9) + 1)]


def spread(times_ms: Mapping[str, Sequence[float]]) -> str:
    """How many frames took how long: a histogram a model, with its median and 95th percentile marked."""
    every = np.concatenate([np.asarray(line, np.float64) for line in times_ms.values()])
    if not len(every):
        return ""
    wide, high, left, foot = 620.0, 230.0, 8.0, 30.0
    top = float(np.percentile(every, 99.5)) * 1.08
    counts = {model: np.histogram(np.minimum(line, top), BINS, (0, top))[0] for model, line in times_ms.items()}
    tallest = max(int(line.max()) for line in counts.values())
    parts = [f'<text x="{left + mark / top * (wide - left):.1f}" y="{high - 8}" text-anchor="middle">{mark:g} ms</text>'
             for mark in round_marks(top, 6)[1:]]  # fmt: skip
    for at, (model, line) in enumerate(counts.items()):
        x = [left + i / BINS * (wide - left) for i in range(BINS + 1)]
        y = [(high - foot) * (1 - 0.92 * count / tallest) for count in line]
        stairs = "".join(f"H{x[i]:.1f}V{y[i]:.1f}H{x[i + 1]:.1f}" for i in range(BINS))
        colour = f"var({COLOURS[at % len(COLOURS)]})"
        outline = f"M{left} {high - foot}{stairs}V{high - foot}Z"
        parts.append(f'<path d="{outline}" style="fill:{colour};stroke:{colour}" class="area"/>')
        for percent, dash in ((50, ""), (95, "5 4")):
            value = float(np.percentile(times_ms[model], percent))
            middle = left + min(value, top) / top * (wide - left)
            tip = escape(f"{model}: {percent}th percentile {value:.0f} ms")
            parts.append(f'<path d="M{middle:.1f} 4V{high - foot}" style="stroke:{colour}" stroke-dasharray="{dash}"'
                         f' class="mark"><title>{tip}</title></path>')  # fmt: skip
    label = "Histogram of milliseconds a frame; solid line: median, dashed line: 95th percentile"
    return f'<svg class="chart" viewBox="0 0 {wide:g} {high:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def percentiles(times_ms: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A table: model and stage -> milliseconds that so many percent of the frames stayed below."""
    head = "".join(f"<th>{'longest' if percent == 100 else f'p{percent}'}</th>" for percent in PERCENTS)
    rows = ""
    for model, stages in times_ms.items():
        measured = {stage: line for stage, line in stages.items() if len(line)}
        for at, (stage, line) in enumerate(measured.items()):
            cells = "".join(f"<td>{np.percentile(line, percent):.0f}</td>" for percent in PERCENTS)
            rows += f"<tr><th>{'' if at else escape(model)}</th><th>{stage}</th>{cells}</tr>"
    return f'<div class="scroll"><table><tr><th>model</th><th>ms</th>{head}</tr>{rows}</table></div>'


def reliability(title: str, curves: Mapping[str, Mapping[str, Any]]) -> str:
    """Score said against share right, a curve a model, with how many scores stand behind each point.

    curves: model -> {"bins": [{"score", "right", "count"}], "ece"}; bins without scores are left out.
    """
    side, left, foot = 260.0, 34.0, 26.0
    inner = side - left - 8
    parts = [f'<path class="rule" d="M{left} {8 + inner}L{left + inner} 8"/>',
             f'<path class="frame" d="M{left} 8V{8 + inner}H{left + inner}"/>']  # fmt: skip
    for mark in (0, 0.5, 1):
        x, y = left + mark * inner, 8 + (1 - mark) * inner
        parts.append(f'<text x="{x}" y="{side - foot + 22}" text-anchor="middle">{mark:g}</text>')
        parts.append(f'<text x="{left - 7}" y="{y + 4}" text-anchor="end">{mark:g}</text>')
    notes: list[str] = []
    for at, (model, curve) in enumerate(curves.items()):
        colour = f"var({COLOURS[at % len(COLOURS)]})"
        bins = [one for one in curve["bins"] if one["count"]]
        most = max((one["count"] for one in bins), default=1)
        points = [(left + one["score"] * inner, 8 + (1 - one["right"]) * inner, one) for one in bins]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        parts.append(f'<path class="curve" style="stroke:{colour}" d="M{line}"/>' if points else "")
        for x, y, one in points:
            tip = escape(f"{model}: {one['count']} with score {one['score']:.2f}, {100 * one['right']:.0f} % right")
            radius = 2.5 + 4.5 * (one["count"] / most) ** 0.5
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" style="fill:{colour}">'
                         f"<title>{tip}</title></circle>")  # fmt: skip
        error = "-" if curve["ece"] is None else f"{curve['ece']:.3f}"
        notes.append(f"expected calibration error {error}" + (f" ({escape(model)})" if len(curves) > 1 else ""))
    svg = f'<svg viewBox="0 0 {side:g} {side:g}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure><h4>{escape(title)}</h4>{svg}<figcaption>{'<br>'.join(notes)}</figcaption></figure>"
