"""Which format a label file or folder has, from its name and first lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from getok_core.errors import DataError

from . import comma10k, culane

FORMATS = ("jsonl", "coco", "cvat", "culane", "tusimple", "bdd100k", "comma10k", "openlane")
"""each is a module here with read(path) -> Labels"""
KEYS = (("jsonl", {"frame"}), ("tusimple", {"raw_file"}), ("openlane", {"file_path", "lane_lines"}),
        ("coco", {"images", "annotations"}), ("bdd100k", {"frames"}), ("bdd100k", {"name", "labels"}))  # fmt: skip
"""format -> keys that its outermost object has"""
LINES = 20
"""how many lines may be malformed before the first whole one"""


def recognise(path: Path) -> str:
    """Name of the format. Raises DataError when it is missing, empty or none of FORMATS, OSError when unreadable."""
    if not path.exists():
        raise DataError(f"labels {path} do not exist: give a label file or folder")
    found = _of_folder(path) if path.is_dir() else _of_file(path)
    if not found:
        what = "folder" if path.is_dir() else "file"
        raise DataError(f"label {what} {path} has no format known here: name it, one of {', '.join(FORMATS)}")
    return found


def _of_folder(path: Path) -> str:
    if (path / "annotations.xml").is_file():
        return "cvat"
    if comma10k.masks(path):
        return "comma10k"
    if next(path.rglob(f"*{culane.SUFFIX}"), None):
        return "culane"
    file = next(path.rglob("*.json"), None)
    return "openlane" if file and _of_file(file) == "openlane" else ""


def _of_file(path: Path) -> str:
    if path.name.endswith(culane.SUFFIX):
        return "culane"
    if path.suffix.lower() in (".xml", ".png"):
        return {".xml": "cvat", ".png": "comma10k"}[path.suffix.lower()]
    text = path.read_text("utf-8", "replace")
    if not text.strip():
        raise DataError(f"label file {path} is empty: give labels, or leave them out")
    lines = [line for line in text.splitlines() if line.strip()][:LINES]
    return next((name for piece in (*lines, text) if (name := _of_json(piece))), "")


def _of_json(text: str) -> str:
    """Format of a JSON value by its outermost keys; "" for what is no JSON, or another."""
    try:
        said: Any = json.loads(text)
    except ValueError:
        return ""
    if isinstance(said, list):
        frames = cast("list[Any]", said)
        return "bdd100k" if frames and isinstance(frames[0], dict) and "name" in frames[0] else ""
    keys = cast("dict[str, Any]", said).keys() if isinstance(said, dict) else set[str]()
    return next((name for name, least in KEYS if keys >= least), "")
