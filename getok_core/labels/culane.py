"""CULane: beside each image a `.lines.txt`, a line of text a lane, "x y x y ..", from the image's bottom upwards.

Coordinates are pixel centres: +0.5. An empty file is a frame without lanes. CULane labels the lines of the own lane and
its neighbours, four at most, without their paint. Where `list/test_split/test<n>_<scene>.txt` is there, as in the data
set, each image's scene (night, shadow, curve, ..) is a slice.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from getok_core.geometry import Polyline

from .categories import Meaning
from .gathering import Gathering
from .truth import Labels

SUFFIX = ".lines.txt"
_SPLIT = re.compile(r"test\d+_(\w+)\.txt")


def read(path: Path) -> Labels:
    """One `.lines.txt`, or all of a folder; frames are named by the path inside the folder."""
    files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
    scenes = _scenes(path) if path.is_dir() else {}
    gathering = Gathering(path, ["lanes"])
    for file in files:
        name = (file.relative_to(path).as_posix() if path.is_dir() else file.name).removesuffix(SUFFIX)
        frame = gathering.frame(name, slices={"scene": scenes[name]} if name in scenes else {})
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
            where = f"{file.relative_to(path)}:{number}" if path.is_dir() else number
            with gathering.reading(where, frame, "lanes"):
                if line.strip():
                    frame.add(Meaning("lanes"), Polyline(_pixels(line)))
    return gathering.labels()


def _pixels(line: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    values = [float(word) for word in line.split()]
    if len(values) % 2:
        raise ValueError(f"a lane of {len(values)} numbers: x y pairs are needed")
    return np.array(values).reshape(-1, 2) + 0.5


def _scenes(folder: Path) -> dict[str, str]:
    """Image path without suffix -> the scene whose list it stands in."""
    scenes: dict[str, str] = {}
    for file in sorted((folder / "list" / "test_split").glob("test*.txt")):
        if match := _SPLIT.fullmatch(file.name):
            lines = file.read_text("utf-8", "replace").split()
            scenes |= {line.lstrip("/").rpartition(".")[0]: match[1] for line in lines}
    return scenes
