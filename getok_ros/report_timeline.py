"""The timeline of a report: score, time and number of things frame by frame, as SVG that fills any width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .label_free import BEFORE, MODELS
from .report_charts import COLOURS, round_marks
from .report_frames import FrameFacts, Said, clock

HIGH = 100.0
"""units of a track's height; the page stretches it"""
WIDE = 1000.0
CHECKS = {BEFORE: "--green", MODELS: "--purple"}
"""checks made of every frame, and their colours"""
MOST_POINTS = 2000
"""of a line; of more frames the worst of each group is drawn"""


def timeline(facts: Sequence[FrameFacts], models: Sequence[str]) -> str:
    """HTML: a track a measure, a line a model, marks where a frame is at fault; frame i stands at (i + .5) / N."""
    tracks: list[str] = []
    if any(one.score is not None for one in facts):
        scores = [np.nan if one.score is None else one.score for one in facts]
        tracks.append(_track("score of the frame, %", {"": scores}, 1.0, _percent, lowest=True))
    checks = {name: [one.agreed.get(name, np.nan) for one in facts] for name in CHECKS}
    checks = {name: line for name, line in checks.items() if np.isfinite(line).any()}
    if checks:
        keys = "".join(f'<span class="key" style="--c:var({CHECKS[name]})">{name}</span>' for name in checks)
        title = f"agreement without labels, % {keys}"
        tracks.append(_track(title, checks, 1.0, _percent, True, [CHECKS[name] for name in checks]))
    times = {model: [_value(one.said.get(model), lambda said: said.total_ms) for one in facts] for model in models}
    if any(np.isfinite(line).any() for line in times.values()):
        tracks.append(_track("milliseconds a frame", times, _top(times, 99), _plain))
    things = {model: [_value(one.said.get(model), lambda said: said.things) for one in facts] for model in models}
    tracks.append(_track("things drawn", things, _top(things, 100), _plain))
    if any(one.faults for one in facts):
        tracks.append(_marks("faults", facts))
    return "".join(tracks) + _axis(facts)


def _value(said: Said | None, of: Callable[[Said], float | None]) -> float:
    value = of(said) if said else None
    return np.nan if value is None else float(value)


def _top(lines: dict[str, list[float]], percent: float) -> float:
    every = np.concatenate([np.asarray(line) for line in lines.values()])
    every = every[np.isfinite(every)]
    return max(float(np.percentile(every, percent)) * 1.1, 1e-6) if len(every) else 1.0


def _track(title: str, lines: dict[str, list[float]], top: float, spelled: Callable[[float], str],
           lowest: bool = False, colours: Sequence[str] = COLOURS) -> str:  # fmt: skip
    """One measure; title: HTML; lowest: of frames drawn together the lowest counts, else the largest."""
    marks = round_marks(top, 3)
    rules = "".join(f'<path class="rule" d="M0 {_y(mark, top):.1f}H{WIDE:g}"/>' for mark in marks)
    paths = "".join(
        f'<path class="curve" style="stroke:var({colours[at % len(colours)]})" d="{_path(line, top, lowest)}"/>'
        for at, line in enumerate(lines.values())
    )
    labels = "".join(f'<span style="top:{_y(mark, top):.1f}%">{spelled(mark)}</span>' for mark in marks)
    return (
        f'<div class="track"><h4>{title}</h4><div class="marks">{labels}</div>'
        f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" preserveAspectRatio="none" aria-hidden="true">{rules}{paths}</svg></div>'
    )


def _path(values: Sequence[float], top: float, lowest: bool) -> str:
    """Moves where something is missing; of very many frames one stands for its group."""
    line = np.asarray(values, np.float64)
    step = max(1, -(-len(line) // MOST_POINTS))
    parts: list[str] = []
    pen_down = False
    for start in range(0, len(line), step):
        group = line[start : start + step]
        group = group[np.isfinite(group)]
        if not len(group):
            pen_down = False
            continue
        x = (start + min(step, len(line) - start) / 2) / len(line) * WIDE
        y = _y(min(float(group.min() if lowest else group.max()), top), top)
        parts.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}" + ("" if pen_down else "h.01"))
        pen_down = True
    return "".join(parts)


def _percent(mark: float) -> str:
    return f"{100 * mark:g}"


def _plain(mark: float) -> str:
    return f"{mark:g}"


def _y(value: float, top: float) -> float:
    return 96 - 92 * value / top


def _marks(title: str, facts: Sequence[FrameFacts]) -> str:
    """A stroke for each frame at fault."""
    at = [(i + 0.5) / len(facts) * WIDE for i, one in enumerate(facts) if one.faults]
    strokes = "".join(f"M{x:.1f} 8V92" for x in at)
    return (
        f'<div class="track low"><h4>{title}</h4><div class="marks"></div><svg viewBox="0 0 {WIDE:g} {HIGH:g}"'
        f' preserveAspectRatio="none" aria-hidden="true"><path class="fault" d="{strokes}"/></svg></div>'
    )


def _axis(facts: Sequence[FrameFacts]) -> str:
    first, last = facts[0], facts[-1]
    moving = last.time_s > first.time_s
    ends = [clock(one.time_s) if moving else f"frame {one.moment.index}" for one in (first, last)]
    return f'<div class="axis"><span>{ends[0]}</span><span>{len(facts)} frames</span><span>{ends[1]}</span></div>'
