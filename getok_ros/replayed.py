"""What a replay left in its folder, read back: its frames, what each model said about them, timing and numbers.

Scenes stay on disk until they are asked for, so that a recording of an hour needs no more memory than a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from getok_core.errors import DataError, GetokError
from getok_core.geometry import KINDS
from getok_core.overlay import Question
from getok_core.queries import question
from getok_core.scene import Answer, Scene

SCENES, TIMING, METRICS = "scenes.jsonl", "timing.jsonl", "metrics.json"
TRUTHS, ANSWERS = "truths.jsonl", "answers.jsonl"
"""there only where labels were given, and questions asked"""


@dataclass(frozen=True)
class Moment:
    """One frame that was replayed."""

    frame: str
    """its name, "<source>#<topic>#<stamp or index>" """
    index: int
    topic: str
    stamp_ns: int
    """of its header; 0 in a folder of pictures"""

    @property
    def camera(self) -> str:
        """What it shares with the other frames of its source and topic."""
        return self.frame.rpartition("#")[0]


class Replayed:
    """The folder of a replay. frames: in the order they were replayed; models: titles, in the order they were given."""

    def __init__(self, out: Path | str) -> None:
        """Raises DataError in one line when the folder holds no scene that can be read."""
        self.out = Path(out)
        self._scenes = _Lines(self.out / SCENES)
        moments: dict[str, Moment] = {}
        models: dict[str, None] = {}
        self._at: dict[tuple[str, str], int] = {}
        for place, line in self._scenes:
            try:
                moment = Moment(str(line["frame"]), int(line["index"]), str(line["topic"]), int(line["stamp_ns"]))
                self._at[moment.frame, str(line["model"])] = place
            except (KeyError, TypeError, ValueError):
                raise DataError(f"{self.out / SCENES} holds a line without frame or model: replay again") from None
            moments.setdefault(moment.frame, moment)
            models.setdefault(str(line["model"]))
        if not moments:
            raise DataError(f"{self.out / SCENES} holds no scene: replay a recording into {self.out} first")
        self.frames, self.models = list(moments.values()), list(models)

    def scene(self, frame: str, model: str) -> Scene | None:
        """What the model said about the frame, with its seconds; None where it said nothing."""
        if (frame, model) not in self._at:
            return None
        said = self._scenes.at(self._at[frame, model])["scene"]
        return _scene({**said, "seconds": self.timing.get((frame, model), {}).get("seconds", {})}, frame)

    def truth(self, frame: str) -> Scene | None:
        """What the labels say about the frame, where there are any."""
        return _scene(self._truths[frame], frame) if frame in self._truths else None

    def answers(self, frame: str, model: str) -> list[tuple[Question, Answer]]:
        """The questions asked about the frame, and what the model answered."""
        return [_asked(line) for line in self._answers.get((frame, model), ())]

    def time_ns(self, moment: Moment) -> int:
        """When the frame was taken; where a recording has no clock, its number in fifths of a second."""
        return moment.stamp_ns or moment.index * 200_000_000

    @property
    def cameras(self) -> dict[str, list[Moment]]:
        """Source and topic -> its frames."""
        found: dict[str, list[Moment]] = {}
        for moment in self.frames:
            found.setdefault(moment.camera, []).append(moment)
        return found

    @cached_property
    def timing(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(frame, model) -> its line of timing.jsonl: seconds by stage and, live, age_s and dropped."""
        lines = _Lines(self.out / TIMING, needed=False)
        return {(line["frame"], line["model"]): line for _, line in lines if "frame" in line and "model" in line}

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json; {} where it is not there yet. Raises DataError when it is no JSON."""
        path = self.out / METRICS
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise DataError(f"{path} is no JSON ({error}): replay again") from None

    @cached_property
    def _truths(self) -> dict[str, Any]:
        return {line["frame"]: line["scene"] for _, line in _Lines(self.out / TRUTHS, needed=False)}

    @property
    def answered(self) -> list[tuple[str, str]]:
        """Frame and model of all answers."""
        return list(self._answers)

    @cached_property
    def _answers(self) -> dict[tuple[str, str], list[Any]]:
        """Frame and model -> their lines, but for questions that could not be answered."""
        found: dict[tuple[str, str], list[Any]] = {}
        for _, line in _Lines(self.out / ANSWERS, needed=False):
            if "answer" in line:
                found.setdefault((line["frame"], line["model"]), []).append(line)
        return found


class _Lines:
    """A file of JSON Lines: where each begins, and what stands there. A last line that was cut off is left out."""

    def __init__(self, path: Path, needed: bool = True) -> None:
        self.path = path
        if needed and not path.is_file():
            raise DataError(f"{path} does not exist: give the folder that getok replay wrote")

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            place = 0
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                try:
                    line = json.loads(raw)
                except ValueError:
                    raise DataError(f"{self.path} is no JSON at byte {place}: replay again") from None
                yield place, line
                place += len(raw)

    def at(self, place: int) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(place)
            return json.loads(file.readline())


def _scene(said: Any, frame: str) -> Scene:
    try:
        return Scene.from_json(said)
    except ValueError as error:
        raise DataError(f"frame {frame}: {error}; replay again") from None


def _asked(line: dict[str, Any]) -> tuple[Question, Answer]:
    """A line of answers.jsonl -> the query with its region in pixels, and its answer."""
    try:
        region = line.get("region")
        shape = KINDS[region["kind"]](region["points"]) if region else None
        return question(str(line["question"]), shape), Answer.from_json(line["answer"])
    except (KeyError, TypeError, ValueError, GetokError) as error:
        raise DataError(f"an answer about frame {line.get('frame')} cannot be read ({error}): replay again") from None
