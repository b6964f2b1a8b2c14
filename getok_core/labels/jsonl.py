"""Our own labels: JSON Lines, each the scene of a frame as `getok perceive --json` writes it, and what makes it truth.

    {"frame": "000012.jpg", "image": {"width": 960, "height": 540}, "lanes": [..], "obstacles": [..],
     "known": ["lanes", "obstacles"], "slices": {"time of day": "night"},
     "questions": [{"task": "sign colour", "region": "820,150,860,200", "answer": "red"}]}

frame: file name, number, or stamp in nanoseconds. image may be left out: pixels are then those of the frame. known:
tasks of which every object is there; left out, they are those whose list is. A question names a task or has a text of
its own; its region is spelled as on the command line. Whatever else `getok perceive --json` writes may stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from getok_core.errors import QueryError
from getok_core.geometry import Shape
from getok_core.queries import STANDING_TASKS, TASKS, SceneQuery, parse_region, question
from getok_core.scene import Scene

from .fields import as_key, as_list, as_numbers, as_object
from .truth import Labels, Truth, checked

_REGIONS = {"box": "", "pt": "point:", "pl": "polyline:", "poly": "polygon:"}
_LISTS = {task: task.replace("area", "areas").replace(" ", "_") for task in STANDING_TASKS}
"""standing task -> where its objects stand in the JSON of a scene"""


def read(path: Path) -> Labels:
    """A file of labels; a line that is malformed, or names a frame again, is a fault and skipped."""
    frames: dict[str, Truth] = {}
    faults: list[str] = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            name, truth = parse(json.loads(line))
            if name in frames:
                raise ValueError(f"frame {name!r} a second time: its first line counts")
            frames[name] = truth
        except json.JSONDecodeError as error:
            faults.append(f"{path}:{number}: no JSON ({error.msg} at character {error.pos + 1}): skipped")
        except (ValueError, OverflowError, RecursionError, QueryError) as error:
            faults.append(f"{path}:{number}: {error}: skipped")
    return Labels(frames, faults)


def write(path: Path, truths: Mapping[str, Truth]) -> None:
    """Writes truths by the name of their frame; pixels are rounded to 0.1. Read back, they are the same."""
    path.write_text("".join(json.dumps(record(name, truth)) + "\n" for name, truth in truths.items()), "utf-8")


def parse(said: Any) -> tuple[str, Truth]:
    """One line's JSON -> the frame's name and its truth. Raises ValueError or QueryError in one line."""
    one = as_object(said, "a label")
    name = as_key(one, "frame")
    scene = checked(Scene.from_json({"image": {"width": 0, "height": 0}, **one}))
    known = as_list(one.get("known", [task for task, field in _LISTS.items() if field in one]), "known")
    unheard = [task for task in known if task not in STANDING_TASKS]
    if unheard:
        raise ValueError(f"known {unheard[0]!r} is no task: use {', '.join(STANDING_TASKS)}")
    slices = {tag: str(word) for tag, word in as_object(one.get("slices"), "slices").items()}
    asked = tuple(_asked(question) for question in as_list(one.get("questions"), "questions"))
    return name, Truth(scene, frozenset(known), slices, asked, as_numbers(one.get("rows"), "rows"))


def record(name: str, truth: Truth) -> dict[str, Any]:
    """The JSON object that `parse` takes."""
    scene = truth.scene.to_json()
    lists = {field: scene[field] for task, field in _LISTS.items() if scene[field] or task in truth.known}
    said: dict[str, Any] = {"frame": name, "image": scene["image"], **lists, "known": sorted(truth.known)}
    if truth.slices:
        said["slices"] = truth.slices
    if truth.questions:
        said["questions"] = [_question_json(query, answer) for query, answer in truth.questions]
    if truth.rows:
        said["rows"] = list(truth.rows)
    return said


def _asked(said: Any) -> tuple[SceneQuery, str]:
    one = as_object(said, "a question")
    if not isinstance(one.get("answer"), str):
        raise ValueError(f"a question has its answer beside it, got {said!r}")
    name = str(one.get("task", ""))
    if name and name not in TASKS:
        raise ValueError(f"question of task {name!r}: use one of {', '.join(TASKS)}, or give a text")
    region = parse_region(str(one["region"])) if one.get("region") else None
    text = str(one.get("text") or (TASKS[name].prompt if name else ""))
    return question(text, region, tuple(map(str, as_list(one.get("options"), "options"))), name), str(one["answer"])


def _question_json(query: SceneQuery, answer: str) -> dict[str, Any]:
    said = {"task": query.name, "text": query.text, "region": _region_text(query.region), "options": query.options}
    return {**{name: value for name, value in said.items() if value}, "answer": answer}


def _region_text(region: Shape | None) -> str:
    """The region as parse_region reads it; "" for none."""
    if region is None:
        return ""
    return _REGIONS[region.kind] + ",".join(f"{round(x, 1):.12g},{round(y, 1):.12g}" for x, y in region.xy.tolist())
