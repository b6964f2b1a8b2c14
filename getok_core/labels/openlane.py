"""OpenLane, its lines in the image: a JSON file an image, {"file_path", "lane_lines": [{"category", "uv", ..}]}.

uv holds all x, then all y, as the camera projects them: pixel centres, +0.5. Points that `visibility` calls unseen and
points outside the image are left out; what the third dimension says (xyz, the camera) is not read. Images are those of
the Waymo Open Dataset's front camera, 1920 x 1280. A double line of dashes and a solid one is "double".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.geometry import XY, Polyline

from .categories import Meaning
from .fields import as_key, as_list, as_numbers, as_object
from .gathering import Gathering
from .truth import Labels

SIZE = (1920, 1280)
PAINT = {0: "", 1: "dashed white", 2: "solid white", 7: "dashed yellow", 8: "solid yellow", 20: "curb", 21: "curb",
         **dict.fromkeys((3, 4, 5, 6), "double white"), **dict.fromkeys((9, 10, 11, 12), "double yellow")}  # fmt: skip
"""category -> the words of this house; 0 is unknown"""
SEEN = 0.5
"""visibility from which a point counts"""


def read(path: Path) -> Labels:
    """One file, or all of a folder and the folders in it; frames are named by their file_path."""
    gathering = Gathering(path, ["lanes"])
    for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
        place = file.relative_to(path).as_posix() if path.is_dir() else 1
        try:
            said = as_object(json.loads(file.read_text("utf-8", "replace")), "a label")
            frame, lines = gathering.frame(as_key(said, "file_path"), SIZE), as_list(said["lane_lines"], "lane_lines")
        except (ValueError, KeyError, RecursionError) as error:
            gathering.fault(place, f"no OpenLane label ({error}): skipped")
            continue
        for number, line in enumerate(lines):
            with gathering.reading(f"{place}:lane_lines[{number}]", frame, "lanes"):
                one = as_object(line, "a line")
                if one["category"] not in PAINT:
                    raise ValueError(f"category {one['category']!r} is none of {', '.join(map(str, PAINT))}")
                frame.add(Meaning("lanes", PAINT[one["category"]]), Polyline(_seen(one)))
    return gathering.labels()


def _seen(line: dict[str, Any]) -> XY:
    """(N, 2) pixels of a line's points that are seen."""
    x, y = (as_numbers(values, "uv") for values in as_list(line["uv"], "uv"))
    if len(x) != len(y):
        raise ValueError(f"uv has {len(x)} x and {len(y)} y")
    xy = np.column_stack([x, y]) + 0.5
    visibility = np.array(as_numbers(line.get("visibility"), "visibility"))
    if len(visibility) == len(xy):  # releases differ in whether they keep unseen points in uv
        xy = xy[visibility >= SEEN]
    return xy[((xy >= 0) & (xy <= SIZE)).all(axis=1)]
