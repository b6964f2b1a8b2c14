"""Ego-lane lines of real highway frames, scored on fixed crops, shifts, mirrors and tilts of those frames.

On the frames as they are a constant answer wins, for the ego lane is always in the same place. The views are those of
real_views.py. `python -m training.real_lanes` prints the model, if given, beside a constant and two classical ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.errors import GetokError
from getok_core.geometry import XY
from getok_core.metrics.intervals import Interval, ratio_interval
from getok_core.metrics.lanes import Measure, lane_counts
from getok_core.view import RGB, write_image
from training.baselines import ClassicalLanes, ConstantLines
from training.real_views import LABELS, View, data_folder, labelled_frames, views
from training.results import write_json

TOLERANCES = (0.04, 0.02, 0.01)
MEASURES: tuple[Measure, ...] = ("nearest", "row")
MOST_LANES = 6
Predictor = Callable[[RGB], Sequence[XY]]


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
        write_image(options.sheet, sheet(sets["warped"], drawn))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
