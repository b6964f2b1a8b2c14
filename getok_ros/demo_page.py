"""The demo's page: the film, the answers, the numbers, and how a picture becomes tokens. One file beside the film."""

from __future__ import annotations

import base64
import os
import platform
from html import escape
from pathlib import Path
from string import Template

import cv2
import numpy as np

from getok_core.lattice import Lattice
from getok_core.view import RGB

from .demo_report import KINDS, Asked, Report, describe, drawn_key_frame
from .report_tokens import figure, steps

STAGES = (("vision", "--sky"), ("propose", "--orange"), ("refine", "--green"))


def write_page(report: Report, key_frames: dict[int, RGB], to: Path, film: str = "overlay.mp4") -> None:
    """Writes the page to a file; the film is looked for beside it. key_frames: number of a frame -> (H, W, 3) RGB."""
    drawn = {index: drawn_key_frame(report, image, index) for index, image in key_frames.items()}
    shown = max(drawn, key=lambda index: _sureness(report, index), default=None)
    lattice = Lattice()
    page = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    to.write_text(
        page.substitute(
            what=escape(report.what),
            lead=_lead(report),
            film=escape(film),
            poster=picture(drawn[shown]) if shown is not None else "",
            tiles=_tiles(report),
            answers="".join(_answer(asked, key_frames, drawn) for asked in report.asked),
            n=lattice.n,
            figure=figure(report.scenes[shown].scene, key_frames[shown], lattice) if shown is not None else "",
            steps=steps(report.scenes[shown].scene, key_frames[shown], lattice) if shown is not None else "",
            frames="".join(f'<img src="{picture(image)}" alt="frame {index}">' for index, image in drawn.items()),
            chart=_chart(report),
            footer=_footer(report),
        ),
        encoding="utf-8",
    )


def picture(image: RGB, width: int = 1280, quality: int = 82) -> str:
    """(H, W, 3) RGB -> data URI of a JPEG at most width pixels wide."""
    if image.shape[1] > width:
        high = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, high), interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    raw = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(raw).decode()


def _sureness(report: Report, index: int) -> float:
    """The frame to explain with: lanes the model is sure of, and something in a box."""
    scene = report.scenes[index].scene
    boxes = max((thing.score for thing in (*scene.obstacles, *scene.signs)), default=0.0)
    return sum(sorted((lane.score for lane in scene.lanes), reverse=True)[:2]) + boxes - 0.3 * len(scene.faults)


def _lead(report: Report) -> str:
    width, height = report.size
    return (
        f"This is one run on this machine: {escape(report.what)}, {report.sent} frames of {width} by {height} pixels,"
        f" sent over DDS to the perception node, a process of its own. What came back is drawn on the frames."
    )


def _tiles(report: Report) -> str:
    found = {kind: sum(counter.values()) for kind, counter in report.counts().items()}
    tiles = [
        (f"{len(report.scenes)}<small> of {report.sent}</small>", "frames became scenes"),
        (f"{report.rate:.1f}<small> /s</small>", "scenes on this machine"),
        (
            f"{report.latency_ms(50):.0f}<small> ms</small>",
            f"camera to scene, median ({report.latency_ms(95):.0f} p95)",
        ),
        (f"{report.stage_ms('total'):.0f}<small> ms</small>", "of these in the model"),
        (str(report.dropped), "frames dropped for newer ones"),
        *((str(found[kind]), f"{kind.replace('_', ' ')} named") for kind in KINDS if found[kind]),
    ]
    return "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles)


def _answer(asked: Asked, key_frames: dict[int, RGB], drawn: dict[int, RGB]) -> str:
    if asked.answer is None:
        return ""
    image = drawn.get(asked.index)
    where = f"frame {asked.index}"
    if asked.region is not None and asked.index in key_frames:
        image = _around(key_frames[asked.index], asked.region.xy)
        where += f", {describe(asked.region)}"
    lanes = len(asked.answer.scene.lanes)
    said = f"{lanes} lane lines, drawn" if lanes else asked.answer.answer
    head = f'<img src="{picture(image, 720)}" alt="">' if image is not None else ""
    return (
        f'<div class="answer">{head}<div><q>{escape(asked.text)}</q><strong>{escape(said)}</strong>'
        f"<small>score {asked.answer.score:.2f}, {escape(where)}</small></div></div>"
    )


def _around(image: RGB, xy: np.ndarray) -> RGB:
    """The surroundings of a region, 16 by 9, with the region outlined."""
    (left, top), (right, bottom) = xy.min(axis=0), xy.max(axis=0)
    height, width = image.shape[:2]
    half = min(max(right - left, (bottom - top) * 16 / 9, width / 24) * 1.3, width / 2)
    x = float(np.clip((left + right) / 2, half, max(width - half, half)))
    y = float(np.clip((top + bottom) / 2, half * 9 / 16, max(height - half * 9 / 16, half * 9 / 16)))
    scale = 720 / (2 * half)
    into = np.array([[scale, 0, 360 - scale * x], [0, scale, 202.5 - scale * y]])
    crop = cv2.warpAffine(image, into, (720, 405), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ into[:, :2].T + into[:, 2]
    outline = np.rint(corners).astype(np.int32)
    for colour, thick in (((16, 20, 24), 6), ((250, 250, 250), 3)):
        cv2.polylines(crop, [outline], True, colour, thick, cv2.LINE_AA)
    return np.asarray(crop, np.uint8)


def _chart(report: Report) -> str:
    """Stacked bars of the stages, frame by frame, as SVG."""
    wide, high, foot, side = 1080.0, 220.0, 24.0, 60.0
    totals = [sum(seen.scene.seconds.get(name, 0.0) for name, _ in STAGES) for seen in report.scenes.values()]
    top = max(float(np.percentile(totals, 99)) * 1.15, 1e-6) if totals else 1.0
    bar = (wide - side) / max(report.sent, 1)
    parts = []
    for mark in _round_marks(top * 1000):
        y = (high - foot) * (1 - mark / 1000 / top)
        parts.append(f'<line x1="{side}" x2="{wide}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>')
        parts.append(f'<text x="{side - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:g} ms</text>')
    for index, seen in sorted(report.scenes.items()):
        base = high - foot
        for name, colour in STAGES:
            tall = min(seen.scene.seconds.get(name, 0.0) / top * (high - foot), base)
            base -= tall
            at, breadth = side + index * bar, max(bar * 0.8, 0.5)
            box = f'x="{at:.1f}" y="{base:.1f}" width="{breadth:.2f}" height="{tall:.1f}"'
            parts.append(f'<rect {box} fill="var({colour})"/>')
    parts.append(f'<text x="{side}" y="{high - 6}">0 s</text>')
    parts.append(f'<text x="{wide}" y="{high - 6}" text-anchor="end">{report.recorded_s:.1f} s of the recording</text>')
    return f'<svg class="chart" viewBox="0 0 {wide:.0f} {high:.0f}" role="img">{"".join(parts)}</svg>'


def _round_marks(top_ms: float) -> list[float]:
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e9) if top_ms / s <= 5)
    return [step * i for i in range(int(top_ms // step) + 1)]


def _footer(report: Report) -> str:
    synthetic = (
        " The drive is synthetic, so these pictures say nothing about real roads." if "synthetic" in report.what else ""
    )
    return (
        f"Engine: {escape(report.model)} on {escape(report.device)}; {os.cpu_count()} CPU cores, {platform.machine()},"
        f" Python {platform.python_version()}. Scores are uncalibrated unless the model card says otherwise."
        f"{synthetic} Made by <code>getok demo</code>."
    )
