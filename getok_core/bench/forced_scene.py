"""The scene that every timed mode draws: 4 lanes of 8 points, a drivable polygon of 12, 6 boxes, no sign, no light."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..grammar import write
from ..lattice import IJ, Lattice, Size
from ..protocol import Request
from ..queries import LANE_LABELS, OBSTACLE_LABELS, STANDING, anchored
from ..syntax import Instance, Part
from ..vocabulary import CLOSE, END_ANSWER, OPEN, Vocabulary


@dataclass(frozen=True)
class ForcedScene:
    """How much there is to draw."""

    lanes: int = 4
    points: int = 8
    polygon: int = 12
    boxes: int = 6

    def answers(self, n: int) -> dict[str, list[Instance]]:
        """Standing query -> its instances on a lattice of n."""
        rows = np.linspace(n - 1, n // 2, self.points).astype(np.int64)
        lanes = [
            Instance(
                LANE_LABELS[k % len(LANE_LABELS)],
                (_part("pl", [((k + j % 2) % n, int(r)) for j, r in enumerate(rows)]),),
            )
            for k in range(self.lanes)
        ]
        turn = np.linspace(0, 2 * np.pi, self.polygon, endpoint=False)
        outline = [(int(n / 2 + n / 3 * np.cos(a)), int(n / 2 + n / 3 * np.sin(a))) for a in turn]
        boxes = [
            Instance(OBSTACLE_LABELS[k % 3], (_part("box", [(k % n, k // n + 2), (k % n, k // n + 3)]),))
            for k in range(self.boxes)
        ]
        return {"lanes": lanes, "drivable area": [Instance("drivable", (_part("poly", outline),))], "obstacles": boxes}


def _part(kind: str, cells: Sequence[tuple[int, int]]) -> Part:
    ij: IJ = np.asarray(cells, np.int64)
    return Part(kind, ij)


class Script:
    """What every request about the scene is answered, in one sequence, as anchors, and object by object."""

    def __init__(self, scene: ForcedScene, vocabulary: Vocabulary, view: Size):
        self.vocabulary = vocabulary
        lattice, answers = Lattice(vocabulary.n), scene.answers(vocabulary.n)
        self.requests: list[Request] = []
        self._said: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
        for query in STANDING:
            instances = answers.get(query.name, [])
            request = Request(query.prompt(vocabulary, lattice, view), query.form)
            self.requests.append(request)
            self._said[request.prompt, ()] = [*write(instances, vocabulary), END_ANSWER]
            if query.name in ("lanes", "obstacles"):
                self._add_anchors(request, anchored(query).prompt(vocabulary, lattice, view), instances)

    def _add_anchors(self, request: Request, prompt: tuple[int, ...], instances: Sequence[Instance]) -> None:
        lines: list[list[int]] = []
        for one in instances:
            kind, cells = one.parts[0].kind, self.vocabulary.grid_ids(one.parts[0].ij).tolist()
            label = self.vocabulary.encode_text(one.label)
            lines.append([*label, OPEN["pt"], cells[0], CLOSE["pt"]])
            self._said[request.prompt, (*label, OPEN[kind], cells[0])] = [*cells[1:], CLOSE[kind], END_ANSWER]
        empty = self.vocabulary.encode_text("none")
        joined = [token for line in lines for token in (*line, self.vocabulary.newline)][:-1]
        self._said[prompt, ()] = [*(joined or empty), END_ANSWER]

    def said(self, request: Request) -> list[int]:
        """The answer of a request, `</answer>` included. Raises KeyError for one that is not about the scene."""
        return self._said[request.prompt, request.begun]

    @property
    def tokens(self) -> int:
        """of all answers in one sequence each"""
        return sum(len(self.said(request)) for request in self.requests)


def text_tokens(scene: ForcedScene, size: Size, n: int = 32) -> int:
    """Tokens of the same scene written as JSON with pixel coordinates: a digit, a sign of punctuation, a word each."""
    lines: list[str] = []
    for instances in scene.answers(n).values():
        for one in instances:
            cell = np.asarray(size, np.float64) / n
            pixels = [f"[{int(x)},{int(y)}]" for x, y in (one.parts[0].ij + 0.5) * cell]
            lines.append(f'{{"label":"{one.label}","{one.parts[0].kind}":[{",".join(pixels)}]}}')
    return len(re.findall(r"\d|[A-Za-z]+|[^\sA-Za-z\d]", "\n".join(lines)))
