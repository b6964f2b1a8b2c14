"""Ego-lane lines of real highway frames, scored on fixed crops, shifts, mirrors and tilts of those frames.

On the frames as they are a constant answer wins, for the ego lane is always in the same place. Every view is made by
one affine map of pixels and labels, cut from inside the frame, so nothing in it is invented. Test only: nothing here
may be trained on. `python -m training.real_lanes` prints the model, if given, beside a constant and two classical ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError, GetokError
from getok_core.geometry import XY, resample
from getok_core.metrics.intervals import Interval, ratio_interval
from getok_core.metrics.lanes import Measure, lane_counts
from getok_core.view import RGB
from training.baselines import ClassicalLanes, ConstantLines

LABELS = Path(__file__).parents[1] / "tests" / "real" / "ego_lanes.json"
WARPS = ("crop", "shift", "mirror", "tilt", "all")
TOLERANCES = (0.04, 0.02, 0.01)
MEASURES: tuple[Measure, ...] = ("nearest", "row")
MOST_LANES = 6
SHORTEST = 0.15
"""of the image height: what is left of a line in a view is scored from this length on"""
VERTICES = 24
Predictor = Callable[[RGB], Sequence[XY]]


@dataclass(frozen=True, eq=False)
class View:
    """One warped frame: image (H, W, 3) RGB of the clip's size, its ego-lane lines (24, 2) in pixels, near to far."""

    frame: int
    warp: str
    image: RGB
    lines: list[XY]


@dataclass(frozen=True, eq=False)
class Score:
    """One predictor, a row a view: hits (V, measures, tolerances); labelled lines, drawn lines, frame (V,)."""

    hits: NDArray[np.int64]
    truths: NDArray[np.int64]
    drawn: NDArray[np.int64]
    frames: NDArray[np.int64]

    def found(self, measure: int, tolerance: int) -> Interval:
        """Part of the labelled lines found, by the indices of measure and tolerance; whole frames are resampled."""
        return ratio_interval(self.hits[:, measure, tolerance], self.truths, self.frames)

    def to_json(self) -> dict[str, Any]:
        """Ratios with intervals, and lanes drawn a view."""
        found = {
            measure: {f"{t:g}": [round(v, 4) for v in self.found(m, i)] for i, t in enumerate(TOLERANCES)}
            for m, measure in enumerate(MEASURES)
        }
        over = float((self.drawn > MOST_LANES).mean())
        return {
            "found": found,
            "lanes": {"mean": float(self.drawn.mean()), "most": int(self.drawn.max()), "over": over},
        }


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


def labelled_frames(data: Path, labels: Path = LABELS) -> Iterator[View]:
    """The labelled frames as they are, warp "none". data: the folder that holds udacity_carnd_p1/.

    Raises DataError when the clip is missing or is not the one that was labelled.
    """
    label = json.loads(Path(labels).read_text())
    lines = {entry["frame"]: [np.array(entry["left"]), np.array(entry["right"])] for entry in label["frames"]}
    for frame, image in _decode(_clip(data, label), set(lines)):
        yield View(frame, "none", image, lines[frame])


def clip_frames(data: Path, count: int, labels: Path = LABELS) -> Iterator[View]:
    """The clip's first `count` frames, one after another; those without labels have no lines. Errors as above."""
    label = json.loads(Path(labels).read_text())
    lines = {entry["frame"]: [np.array(entry["left"]), np.array(entry["right"])] for entry in label["frames"]}
    for frame, image in _decode(_clip(data, label), set(range(count))):
        yield View(frame, "none", image, lines.get(frame, []))


def views(data: Path, labels: Path = LABELS) -> Iterator[View]:
    """Five views of each labelled frame, in order; arguments and errors as labelled_frames."""
    for frame in labelled_frames(data, labels):
        size = frame.image.shape[1::-1]
        for warp in WARPS:
            matrix = warp_matrix(warp, frame.frame, size)
            lines = [warp_line(line, matrix, size) for line in frame.lines]
            yield View(frame.frame, warp, warp_image(frame.image, matrix), [line for line in lines if line is not None])


def score(predict: Predictor, looks: Sequence[View]) -> tuple[Score, list[list[XY]]]:
    """A predictor on every view: its score, and the lines it drew on each."""
    drawn = [[np.asarray(line, float) for line in predict(view.image)] for view in looks]
    hits = [
        [[lane_counts(v.lines, d, v.image.shape[1::-1], t, measure=m).hits for t in TOLERANCES] for m in MEASURES]
        for v, d in zip(looks, drawn, strict=True)
    ]
    numbers = ([len(view.lines) for view in looks], [len(lines) for lines in drawn], [view.frame for view in looks])
    return Score(np.array(hits), *(np.array(n) for n in numbers)), drawn


def median_lines(labels: Path = LABELS) -> ConstantLines:
    """The constant predictor: the median of the labels of the unwarped frames."""
    return ConstantLines.median_of([(e["left"], e["right"]) for e in json.loads(Path(labels).read_text())["frames"]])


def model_predictor(model: Path, device: str) -> Predictor:
    """Lanes of the model in this folder. Raises ModelError."""
    from getok_core.engines import load_engine
    from getok_core.perceiver import Perceiver

    perceiver = Perceiver(load_engine(model, device))
    return lambda image: [lane.points for lane in perceiver.perceive(image).lanes]


def table(scores: dict[str, Score]) -> str:
    """For people: a row a predictor, percent of labelled lines found with 95 % intervals over frames."""
    rows = []
    for m, measure in enumerate(MEASURES):
        head = "".join(f"{f'within {100 * t:g} %':>20}" for t in TOLERANCES)
        rows.append(f"{f'{measure} distance':26}{head}{'lanes drawn':>13}{'most':>6}{'over six':>10}")
        for name, result in scores.items():
            cells = "".join(f"{result.found(m, i).percent():>20}" for i in range(len(TOLERANCES)))
            over = f"{100 * (result.drawn > MOST_LANES).mean():.1f} %"
            rows.append(f"{name:26}{cells}{result.drawn.mean():13.2f}{result.drawn.max():6d}{over:>10}")
    return "\n".join(rows)


def sheet(looks: Sequence[View], drawn: Sequence[Sequence[XY]], columns: int = 5) -> RGB:
    """All views at a third of their size, labels in green over what was drawn in red."""
    tiles = []
    for view, lines in zip(looks, drawn, strict=True):
        tile = np.ascontiguousarray(cv2.resize(view.image, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA))
        for group, colour in ((lines, (255, 40, 40)), (view.lines, (60, 255, 60))):
            for line in group:
                cv2.polylines(tile, [np.round(line / 3 * 8 - 4).astype(np.int32)], False, colour, 1, cv2.LINE_AA, 3)
        cv2.putText(tile, f"{view.frame} {view.warp}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def data_folder() -> Path:
    """The folder GETOK_DATA names. Raises DataError when it is not set."""
    value = os.environ.get("GETOK_DATA")
    if not value:
        raise DataError("GETOK_DATA is not set: name the folder that holds udacity_carnd_p1/")
    return Path(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Scores and prints; 0, or 2 with one line on a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m training.real_lanes", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="model folder, scored beside the baselines")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--sheet", type=Path, help="write a picture of all views with the last row's lines")
    parser.add_argument("--json", type=Path, help="write the numbers")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    data = data_folder()
    sets = {"as they are": list(labelled_frames(data, options.labels)), "warped": list(views(data, options.labels))}
    predictors: dict[str, Predictor] = {
        "constant median": median_lines(options.labels),
        "classical, fixed region": ClassicalLanes.fixed_region(),
        "classical, consensus": ClassicalLanes.consensus(),
    }
    if options.model:
        predictors["model"] = model_predictor(options.model, options.device)
    print("Ego-lane lines of real frames found, percent: within the tolerance (of the image width) over 75 % of their")
    print("length; in brackets 95 % bootstrap intervals over frames. Other lanes drawn are only counted.")
    results: dict[str, Any] = {}
    drawn: list[list[XY]] = []
    for name, looks in sets.items():
        scores: dict[str, Score] = {}
        for predictor, predict in predictors.items():
            scores[predictor], drawn = score(predict, looks)
        lines = sum(len(view.lines) for view in looks)
        print(f"\n{name}: {len(looks)} images, {lines} lines\n{table(scores)}")
        results[name] = {predictor: result.to_json() for predictor, result in scores.items()}
        results[name] |= {"images": len(looks), "lines": lines}
    if options.sheet:
        picture = cv2.cvtColor(sheet(sets["warped"], drawn), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(options.sheet), picture):
            raise DataError(f"cannot write the sheet {options.sheet}: name a .png or .jpg in an existing folder")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _clip(data: Path, label: dict[str, Any]) -> Path:
    """The labelled clip below `data`, its digest checked."""
    clip = Path(data) / "udacity_carnd_p1" / label["clip"]
    if not clip.is_file():
        raise DataError(f"no clip at {clip}: set GETOK_DATA to the folder that holds udacity_carnd_p1/")
    digest = hashlib.sha256(clip.read_bytes()).hexdigest()
    if digest != label["sha256"]:
        raise DataError(
            f"{clip} is not the labelled clip: sha256 {digest[:12]}, labels say {label['sha256'][:12]}; get it again"
        )
    return clip


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


if __name__ == "__main__":
    sys.exit(main())
