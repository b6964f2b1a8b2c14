"""report.html of a replay: one page that stands alone, with numbers, pictures, and the command that makes it again."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from getok_core.errors import GetokError
from getok_core.view import RGB

from . import report_measured as measured
from . import report_seen as seen
from .replayed import Replayed
from .report_frames import FrameFacts, clock, gather, worst, worth_labelling
from .report_page import Page, Section
from .report_pictures import album, chosen

REPORT = "report.html"
HERE = Path(__file__).parent
SECTIONS: tuple[Callable[[Page], Section | None], ...] = (
    seen.frames, seen.worst, measured.numbers, seen.questions, measured.slices, measured.confusions,
    measured.calibration, measured.latency, measured.parity, measured.label_free, seen.worth, seen.tokens,
    measured.lost, measured.again,
)  # fmt: skip
WORST, WORTH, QUESTIONS = 12, 8, 6
"""frames and questions shown"""


def write_report(out: Path | str, frames: Callable[[str], RGB | None]) -> Path:
    """Writes report.html into a replay's folder and returns it.

    frames: name of a frame -> (H, W, 3) RGB, or None where it cannot be read. Raises GetokError in one line.
    """
    run = Replayed(out)
    page = _page(run, frames)
    made = [section for make in SECTIONS if (section := make(page)) is not None]
    text = Template((HERE / REPORT).read_text(encoding="utf-8")).substitute(
        title=escape(", ".join(sources(run))),
        lead=_lead(page),
        nav="".join(f'<a href="#{one.id}">{escape(one.short)}</a>' for one in made),
        film=_films(run),
        tiles=measured.tiles(page),
        sections="\n".join(map(_section, made)),
        footer=_footer(),
        css=(HERE / "report.css").read_text(encoding="utf-8"),
        js=(HERE / "report.js").read_text(encoding="utf-8"),
        data=_data(page),
    )
    try:
        (run.out / REPORT).write_text(text, encoding="utf-8")
    except OSError as error:
        raise GetokError(f"cannot write {run.out / REPORT}: {error.strerror}; choose another place") from None
    return run.out / REPORT


def sources(run: Replayed) -> list[str]:
    """Names of the recordings."""
    return list(dict.fromkeys(camera.partition("#")[0] for camera in run.cameras))


def _page(run: Replayed, frames: Callable[[str], RGB | None]) -> Page:
    facts = gather(run)
    lowest, worth = worst(facts, WORST), worth_labelling(run, WORTH)
    asked = seen.questions_shown(run, QUESTIONS)
    wanted = [*(one.moment.frame for one in lowest), *(frame for frame, _ in worth), *(one[0] for one in asked)]
    names = chosen(run, wanted)
    explained = seen.explained(run, names)
    pictures = album(run, names, {explained, *(one[0] for one in asked)}, frames)
    return Page(run, facts, lowest, worth, asked, explained if explained in pictures.originals else "", pictures)


def _lead(page: Page) -> str:
    scene = next(
        (scene for model in page.run.models if (scene := page.run.scene(page.facts[0].moment.frame, model))), None
    )
    size = f" of {scene.width} x {scene.height} pixels" if scene else ""
    labelled = sum(one.score is not None for one in page.facts)
    truth = f"{labelled} of them have labels" if labelled else "no labels: what can be checked without them is"
    cameras = f" from {len(page.run.cameras)} cameras" if len(page.run.cameras) > 1 else ""
    return escape(
        f"{len(page.facts)} frames{size}{cameras}, looked at by {' and '.join(page.run.models)}; {truth}. On pictures,"
        f" what was said is drawn in colour{' and what the labels say in white dashes' if labelled else ''}."
    )


def _section(one: Section) -> str:
    note = f'<p class="quiet">{one.note}</p>' if one.note else ""
    return f'<section id="{one.id}"><h2>{escape(one.title)}</h2>{note}{one.body}</section>'


def _films(run: Replayed) -> str:
    """Films beside the page are played when they are asked for, never loaded by themselves."""
    films = sorted(path.name for path in run.out.glob("overlay*.mp4"))
    return "".join(f'<button class="film" data-film="{escape(name)}">{escape(name)}</button>' for name in films)


def _data(page: Page) -> str:
    """What the page's script knows, as JSON that no markup inside can end."""
    start = next((one for one in page.facts if one.moment.frame == page.explained), page.facts[0])
    said = {
        "models": page.run.models,
        "frames": [_frame(one, page) for one in page.facts],
        "pictures": page.album.drawn,
        "start": page.facts.index(start),
    }
    return json.dumps(said).replace("<", "\\u003c")


def _frame(one: FrameFacts, page: Page) -> dict[str, Any]:
    moving = page.facts[-1].time_s > 0
    when = f"frame {one.moment.index}" + f", {clock(one.time_s)}" * moving
    said = [one.said.get(model) for model in page.run.models]
    told = [each and {"ms": each.total_ms, "words": each.words, "faults": list(each.faults)} for each in said]
    return {"frame": one.moment.frame, "when": when, "score": one.score, "worst": one.worst, "said": told}


def _footer() -> str:
    return (
        f"Made by <code>getok replay</code> on {os.cpu_count()} CPU cores, {platform.machine()}, Python"
        f" {platform.python_version()}. Intervals hold 95 % of the bootstrap over frames. Scores are uncalibrated"
        " unless the model card says otherwise."
    )
