"""The pictures inside a report: the frames that must be seen, and between them as many as the page can carry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from getok_core.view import RGB

from .progress import bar
from .replayed import Replayed
from .scene_picture import data_uri, drawn

MOST = 100
"""pictures on a page, models together: about 10 MB"""
WIDTHS = (1120, 720, 640)
"""px of a picture of one, two, or more models"""
QUALITY = 74
ANSWERS = 3
"""answers in a picture: more would hide it"""


@dataclass
class Album:
    """Frames as the page shows them."""

    drawn: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """name -> a data URI a model, what it said drawn on top"""
    originals: dict[str, RGB] = field(default_factory=dict[str, RGB])
    """name -> the frame as it was recorded, of those that were to be kept"""


def chosen(run: Replayed, wanted: Iterable[str]) -> list[str]:
    """Names of the frames to show, in their order: those wanted, and others evenly spread, at most MOST pictures."""
    most = max(1, MOST // len(run.models))
    must = list(dict.fromkeys(wanted))[:most]
    others = [moment.frame for moment in run.frames if moment.frame not in must]
    room = min(len(others), most - len(must))
    spread: list[int] = np.linspace(0, len(others) - 1, room).astype(int).tolist()
    kept = {*must, *(others[at] for at in spread)}
    return [moment.frame for moment in run.frames if moment.frame in kept]


def album(run: Replayed, names: Collection[str], keep: Collection[str], frames: Callable[[str], RGB | None]) -> Album:
    """Reads and draws the frames of these names; those that cannot be read are left out. keep: whose originals stay."""
    made, width = Album(), WIDTHS[min(len(run.models), len(WIDTHS)) - 1]
    moments = [moment for moment in run.frames if moment.frame in names]
    for moment in bar(moments, "report.html", len(moments)):  # in their order, so that each is decoded once
        image = frames(moment.frame)
        if image is None:
            continue
        if moment.frame in keep:
            made.originals[moment.frame] = image
        title = f"frame {moment.index}"
        answers = {model: run.answers(moment.frame, model)[:ANSWERS] for model in run.models}
        pictures = [drawn(run, moment, model, image, width, title, answers[model]) for model in run.models]
        made.drawn[moment.frame] = [data_uri(picture, QUALITY) for picture in pictures]
    return made
