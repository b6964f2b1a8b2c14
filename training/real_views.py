"""Labelled frames of the real highway clip, and fixed crops, shifts, mirrors and tilts of them. Test only.

Every view is made by one affine map of pixels and labels, cut from inside the frame, so nothing in it is invented.
Nothing here may be trained on; real_lanes.py scores lanes on them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError
from getok_core.geometry import XY, resample
from getok_core.manifest import sha256
from getok_core.view import RGB

LABELS = Path(__file__).parents[1] / "tests" / "real" / "ego_lanes.json"
WARPS = ("crop", "shift", "mirror", "tilt", "all")
SHORTEST = 0.15
"""of the image height: what is left of a line in a view is scored from this length on"""
VERTICES = 24


@dataclass(frozen=True, eq=False)
class View:
    """One warped frame: image (H, W, 3) RGB of the clip's size, its ego-lane lines (24, 2) in pixels, near to far."""

    frame: int
    warp: str
    image: RGB
    lines: list[XY]


def labelled_frames(data: Path, labels: Path = LABELS) -> Iterator[View]:
    """The labelled frames as they are, warp "none". data: the folder that holds udacity_carnd_p1/.

    Raises DataError when the clip is missing or is not the one that was labelled.
    """
    clip, lines = _labelled(data, labels)
    for frame, image in _decode(clip, set(lines)):
        yield View(frame, "none", image, lines[frame])


def clip_frames(data: Path, count: int, labels: Path = LABELS) -> Iterator[View]:
    """The clip's first `count` frames, one after another; those without labels have no lines. Errors as above."""
    clip, lines = _labelled(data, labels)
    for frame, image in _decode(clip, set(range(count))):
        yield View(frame, "none", image, lines.get(frame, []))


def views(data: Path, labels: Path = LABELS) -> Iterator[View]:
    """Five views of each labelled frame, in order; arguments and errors as labelled_frames."""
    for frame in labelled_frames(data, labels):
        size = frame.image.shape[1::-1]
        for warp in WARPS:
            matrix = warp_matrix(warp, frame.frame, size)
            lines = [warp_line(line, matrix, size) for line in frame.lines]
            yield View(frame.frame, warp, warp_image(frame.image, matrix), [line for line in lines if line is not None])


def dice(frame: int, index: int) -> NDArray[np.float64]:
    """Eight fixed numbers in [0, 1) for a view, from the SHA-256 of its frame and index: the same on every machine."""
    digest = hashlib.sha256(f"getok real lanes {frame} {index}".encode()).digest()
    return np.frombuffer(digest, ">u4") / 2.0**32


def warp_matrix(warp: str, frame: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """(2, 3) map from pixels of the frame of `size` (width, height) to pixels of the view, by continuous coordinates.

    The view is a window of the frame, zoomed 1.3 to 1.6 times, well to one side of the middle and not above it,
    turned 3 to 6 degrees in "tilt" and "all", mirrored in "mirror" and half of "all", always inside the frame. "shift"
    only moves sideways, by 10 to 20 % of the width, zoomed 1.2 to 1.4 times, as much as that needs.
    """
    side, amount, turn, zoom, down, mirror, way, _ = dice(frame, WARPS.index(warp))
    width, height = size
    sign = 1.0 if side < 0.5 else -1.0
    angle = np.radians((3 + 3 * turn) * (1 if way < 0.5 else -1)) if warp in ("tilt", "all") else 0.0
    flip = -1.0 if warp == "mirror" or (warp == "all" and mirror < 0.5) else 1.0
    turned = np.abs(np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
    half = turned @ [width / 2, height / 2]  # the window's half extents at zoom 1
    if warp == "shift":
        scale, aside, below = 1.2 + 0.2 * amount, 1.0, 0.5
    else:
        scale, aside, below = 1.3 + 0.3 * zoom, 0.6 + 0.4 * amount, down
    room = np.array([width / 2, height / 2]) - half / scale
    centre = np.array([width / 2, height / 2]) + room * [sign * aside, below]
    turn_and_zoom = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = np.diag([flip, 1.0]) @ turn_and_zoom
    return np.column_stack([linear, np.array([width / 2, height / 2]) - linear @ centre])


def warp_line(line: XY, matrix: NDArray[np.float64], size: tuple[int, int]) -> XY | None:
    """The line in the view, clipped to it, (24, 2); None where less than 15 % of the height is left."""
    dense = resample(resample(line, 1001) @ matrix[:, :2].T + matrix[:, 2], 1001)
    inside = ((dense >= 0) & (dense <= size)).all(1)
    if inside.sum() < 2:
        return None
    dense = dense[np.flatnonzero(inside)[0] : np.flatnonzero(inside)[-1] + 1]
    length = np.hypot(*np.diff(dense, axis=0).T).sum()
    return resample(dense, VERTICES) if length >= SHORTEST * size[1] else None


def warp_image(image: RGB, matrix: NDArray[np.float64]) -> RGB:
    """The view's pixels. OpenCV counts from pixel centres, the matrix from corners: half a pixel apart."""
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return np.asarray(cv2.warpAffine(image, centred, image.shape[1::-1], flags=cv2.INTER_LINEAR), np.uint8)


def data_folder() -> Path:
    """The folder GETOK_DATA names. Raises DataError when it is not set."""
    value = os.environ.get("GETOK_DATA")
    if not value:
        raise DataError("GETOK_DATA is not set: name the folder that holds udacity_carnd_p1/")
    return Path(value)


def _labelled(data: Path, labels: Path) -> tuple[Path, dict[int, list[XY]]]:
    """The labelled clip below `data`, its digest checked, and the lines of each labelled frame."""
    label = json.loads(Path(labels).read_text())
    clip = Path(data) / "udacity_carnd_p1" / label["clip"]
    if not clip.is_file():
        raise DataError(f"no clip at {clip}: set GETOK_DATA to the folder that holds udacity_carnd_p1/")
    digest = sha256(clip)
    if digest != label["sha256"]:
        raise DataError(
            f"{clip} is not the labelled clip: sha256 {digest[:12]}, labels say {label['sha256'][:12]}; get it again"
        )
    return clip, {entry["frame"]: [np.array(entry["left"]), np.array(entry["right"])] for entry in label["frames"]}


def _decode(clip: Path, wanted: set[int]) -> Iterator[tuple[int, RGB]]:
    """The wanted frames in order, decoded from the start: seeking is not exact in every build of OpenCV."""
    video = cv2.VideoCapture(str(clip))
    try:
        for number in range(max(wanted) + 1):
            ok, image = video.read()
            if not ok:
                raise DataError(f"{clip} ends after {number} frames, labels go to frame {max(wanted)}: copy it again")
            if number in wanted:
                yield number, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        video.release()
