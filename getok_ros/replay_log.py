"""What a replay writes while it runs: a line a frame and model, so that one that was interrupted can go on.

The scene's line is written last, so a frame counts as done once all that belongs to it is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from getok_core.errors import GetokError
from getok_core.scene import Scene

from .film import make_folder
from .recordings import RecordedFrame
from .replayed import ANSWERS, SCENES, TIMING

PLAN = "replay.json"
LOGS = (SCENES, TIMING, ANSWERS)
Done = tuple[str, str]
"""frame and model"""


class ReplayLog(AbstractContextManager["ReplayLog"]):
    """scenes.jsonl, timing.jsonl and answers.jsonl in a folder; of an earlier run, all that was finished is kept."""

    def __init__(self, out: Path, plan: dict[str, Any]) -> None:
        """plan: everything that decides the scenes. Raises GetokError when the folder holds another replay."""
        self.out = out
        make_folder(out)
        _keep_plan(out / PLAN, plan)
        self.done: set[Done] = _done(out / SCENES) & _done(out / TIMING)
        """what an earlier run finished, and this one so far"""
        for name in (SCENES, TIMING):
            _keep(out / name, lambda line: (line["frame"], line["model"]) in self.done)
        _keep(out / ANSWERS, asked_key)
        self.asked = {asked_key(line) for line in read_lines(out / ANSWERS)}
        """questions that have their answer"""
        try:
            self._files = {name: (out / name).open("a", encoding="utf-8") for name in LOGS}
        except OSError as error:
            raise GetokError(f"cannot write into {out}: {error.strerror}; choose another --out") from None

    def add(self, frame: RecordedFrame, model: str, scene: Scene, **timing: float) -> None:
        """What one model said about one frame; timing: whatever was measured beside the scene's own seconds."""
        key, said = {"frame": frame.frame, "model": model}, scene.to_json()
        mark = {"tracked": True} if scene.tracked else {}
        self._write(TIMING, {**key, "seconds": said.pop("seconds"), **timing, **mark})
        place = {"frame": frame.frame, "index": frame.index, "topic": frame.topic, "stamp_ns": frame.stamp_ns}
        self._write(SCENES, {**place, "model": model, "scene": said})
        self.done.add((frame.frame, model))

    def said(self, model: str, camera: str) -> Iterator[tuple[Scene, int]]:
        """What is there of one model and one camera, "<source>#<topic>": its scenes with their stamps, in order."""
        for line in read_lines(self.out / SCENES):
            if line["model"] == model and line["frame"].rpartition("#")[0] == camera:
                yield Scene.from_json(line["scene"]), line["stamp_ns"]

    def dropped(self, frame: RecordedFrame, model: str) -> None:
        """A frame that was sent and of which no scene came back."""
        self._write(TIMING, {"frame": frame.frame, "model": model, "seconds": {}, "dropped": True})

    def answer(self, line: dict[str, Any]) -> None:
        """A line of answers.jsonl: frame, model, question, region where it has one, and answer or error."""
        self._write(ANSWERS, line)
        self.asked.add(asked_key(line))

    def _write(self, name: str, line: dict[str, Any]) -> None:
        file = self._files[name]
        try:
            file.write(json.dumps(line) + "\n")
            file.flush()
        except OSError as error:
            remedy = "make room and run the same command again, it goes on from here"
            raise GetokError(f"cannot write {self.out / name}: {error.strerror}; {remedy}") from None

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            with suppress(OSError):  # of a full disk _write has told
                file.close()


def forget(out: Path) -> None:
    """Removes an earlier run's log: what a live node says is never continued."""
    for name in (PLAN, *LOGS):
        (out / name).unlink(missing_ok=True)


def asked_key(line: dict[str, Any]) -> str:
    """What was asked of whom about which frame."""
    return json.dumps([line["frame"], line["model"], line["question"], line.get("region")])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON Lines file; a last one that was cut off is left out. [] where there is no file."""
    return [json.loads(line) for line in _lines(path)]


def _keep_plan(path: Path, plan: dict[str, Any]) -> None:
    """Writes the plan into a new folder, or checks that the folder's replay was the same."""
    text = json.dumps(plan, indent=1) + "\n"
    plan = json.loads(text)
    try:
        earlier = path.read_text(encoding="utf-8") if path.exists() else None
        if earlier is None:
            path.write_text(text, encoding="utf-8")
            return
    except OSError as error:
        raise GetokError(f"cannot write {path}: {error.strerror}; choose another --out") from None
    try:
        before = json.loads(earlier)
    except ValueError:
        before = {}
    if before != plan:
        other = next((name for name in plan if before.get(name) != plan[name]), "plan")
        raise GetokError(f"{path.parent} holds a replay with other {other}: choose another --out, or remove it")


def _lines(path: Path) -> list[str]:
    """Its whole lines, each a JSON object."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if _is_object(line)]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _done(path: Path) -> set[Done]:
    return {(line["frame"], line["model"]) for line in read_lines(path)}


def _keep(path: Path, wanted: Callable[[dict[str, Any]], Any]) -> None:
    """Drops what was begun and not finished, and any line that is not whole."""
    if not path.exists():
        return
    text = "".join(line + "\n" for line in _lines(path) if wanted(json.loads(line)))
    if text != path.read_text(encoding="utf-8", errors="replace"):
        fresh = path.with_suffix(".part")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
