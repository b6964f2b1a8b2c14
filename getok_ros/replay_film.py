"""overlay.mp4 of a replay: every frame with what was said about it, several models side by side, a film a camera."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from getok_core.overlay import Question, text_of
from getok_core.scene import Answer
from getok_core.view import RGB

from .film import open_overlay
from .progress import bar
from .replayed import Moment, Replayed
from .scene_picture import drawn

FILM = "overlay.mp4"
WIDTH, SIDE_BY_SIDE_WIDTH = 1280, 960
"""px of a frame: 720p alone, 1080p as a pair"""
COLUMNS = 2
"""models in a row"""
SHOWN_S = 2.5
"""an answer stays in the film for so long after its frame"""
MOST_SHOWN = 3
"""answers at once"""
SAME_S = 0.15
"""the region asked about is drawn no longer than this: things move"""
RECENT = 48
"""frames whose time is shown as bars"""


def write_film(out: Path | str, frames: Callable[[str], RGB | None]) -> list[Path]:
    """Writes overlay.mp4, or overlay_<camera>.mp4 each where there are several cameras; returns what was written.

    frames: name of a frame -> (H, W, 3) RGB, or None where it cannot be read: it is then left out. Raises GetokError
    in one line without PyAV, or where the folder cannot be written.
    """
    run = Replayed(out)
    written: list[Path] = []
    for camera, moments in run.cameras.items():
        path = run.out / (FILM if len(run.cameras) == 1 else f"overlay_{_spelled(camera)}.mp4")
        with open_overlay(path, "video", rate(moments)) as film:
            reel = Reel(run, moments[0].stamp_ns)
            for moment in bar(moments, path.name, len(moments)):
                image = frames(moment.frame)
                if image is not None:
                    film.write(moment.frame, reel.picture(moment, image))
        if path.is_file():
            written.append(path)
    return written


def rate(moments: Sequence[Moment]) -> float:
    """Frames a second of one camera, 1..60, by the median step of its clock; 10 where the clock stands still."""
    steps = np.diff([moment.stamp_ns for moment in moments])
    forward = steps[steps > 0]
    return float(np.clip(1e9 / np.median(forward), 1.0, 60.0)) if len(forward) else 10.0


class Reel:
    """One camera's frames, one after another, and what is still shown of the frames before."""

    def __init__(self, run: Replayed, began_ns: int) -> None:
        self.run, self.began_ns = run, began_ns
        self._asked: dict[str, list[tuple[int, Question, Answer]]] = {model: [] for model in run.models}
        self._totals: dict[str, deque[float]] = {model: deque(maxlen=RECENT) for model in run.models}

    def picture(self, moment: Moment, image: RGB) -> RGB:
        """The frame (H, W, 3) with what each model said about it, the models side by side."""
        width = WIDTH if len(self.run.models) == 1 else SIDE_BY_SIDE_WIDTH
        return tiled([self._tile(moment, model, image, width) for model in self.run.models])

    def _tile(self, moment: Moment, model: str, image: RGB, width: int) -> RGB:
        timing = self.run.timing.get((moment.frame, model), {})
        if "total" in timing.get("seconds", {}):
            self._totals[model].append(timing["seconds"]["total"])
        late = f"  scene {timing['age_s']:.2f} s old" if timing.get("age_s") else ""
        title = f"{(moment.stamp_ns - self.began_ns) / 1e9:.1f} s  frame {moment.index}{late}"
        return drawn(self.run, moment, model, image, width, title, self._shown(moment, model), self._totals[model])

    def _shown(self, moment: Moment, model: str) -> list[tuple[Question, Answer]]:
        """The answers of the last seconds; geometry and region only on frames that show the same."""
        kept = self._asked[model]
        kept += [(moment.stamp_ns, question, answer) for question, answer in self.run.answers(moment.frame, model)]
        shown: list[tuple[Question, Answer]] = []
        for stamp_ns, question, answer in kept:
            age_s = (moment.stamp_ns - stamp_ns) / 1e9
            if 0 <= age_s < SAME_S:
                shown.append((question, answer))
            elif 0 <= age_s <= SHOWN_S:
                shown.append((text_of(question), Answer(answer.answer, answer.score)))
        return shown[-MOST_SHOWN:]


def _spelled(camera: str) -> str:
    return re.sub("[^0-9A-Za-z]+", "_", camera).strip("_")


def _spelled(camera: str) -> str:
    return re.sub("[^0-9A-Za-z]+", "_", camera).strip("_")


def tiled(tiles: Sequence[RGB]) -> RGB:
    """Pictures of one size (H, W, 3) in rows of COLUMNS, what is missing of the last row dark."""
    rows = -(-len(tiles) // COLUMNS)
    wide = min(COLUMNS, len(tiles))
    high, width = tiles[0].shape[:2]
    sheet = np.full((rows * high, wide * width, 3), 16, np.uint8)
    for at, tile in enumerate(tiles):
        top, left = at // COLUMNS * high, at % COLUMNS * width
        sheet[top : top + high, left : left + width] = tile
    return sheet
