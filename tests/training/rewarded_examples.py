"""One thing of each kind with its right answer, and replies that try to earn without one. Pixels of 840 x 840."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from getok_core.geometry import Box, Mask, Seeds
from getok_core.grammar import write
from getok_core.metrics.areas import filled
from getok_core.queries import TASKS, standard_vocabulary
from getok_core.syntax import AnswerForm, Instance, Part
from getok_core.view import RGB
from getok_core.vocabulary import CLOSE, END_ANSWER, OPEN, offset_ids
from training.rewards import PROPOSING, SeedMasks, Truth, proposal_reward, read

VOCABULARY = standard_vocabulary()
CELL = 840 / 32
STAY = int(offset_ids(np.zeros(2, np.int64)))


def boxed(left: float, top: float, right: float, bottom: float, label: str = "car") -> Truth:
    return Truth(label, "box", np.array([left, top, right, bottom], float))


def rectangle(truth: Truth, side: int = 420) -> np.ndarray:
    corners = truth.box.reshape(2, 2)
    outline = np.array([corners[0], [corners[1, 0], corners[0, 1]], corners[1], [corners[0, 0], corners[1, 1]]])
    return filled(outline * side / 840, (side, side))


class Oracle:
    """A MaskDecoder that knows the one thing of the picture: seeds inside give it, others a small blot."""

    def __init__(self, mask: np.ndarray):
        self.mask = mask

    def masks(self, image: RGB, prompts: Sequence[Seeds | Box]) -> list[Mask]:
        drawn: list[Mask] = []
        for prompt in prompts:
            x, y = np.clip(prompt.xy[0].astype(int), 0, np.array(self.mask.shape[::-1]) - 1)
            blot = np.zeros_like(self.mask)
            blot[max(y - 6, 0) : y + 6, max(x - 6, 0) : x + 6] = True
            drawn.append(Mask(self.mask if self.mask[y, x] else blot))
        return drawn


# -- one task a kind, with its right answer ------------------------------------------------------------------------

BOX = boxed(210, 420, 315, 525)
LINE_XY = np.stack([np.linspace(400, 200, 12), np.linspace(830, 300, 12)], 1)
LINE = Truth("solid white", "pl", np.array([200, 300, 400, 830.0]), LINE_XY)
AREA_XY = np.array([[200, 830], [330, 560], [470, 560], [600, 830.0]])
AREA = Truth("drivable", "poly", np.array([200, 560, 600, 830.0]), AREA_XY)
MASK = replace(boxed(210, 420, 370, 580), kind="seg", mask=rectangle(boxed(210, 420, 370, 580)))
POINT = replace(MASK, kind="pt")
RIGHT = {
    "box": [Instance("car", (Part("box", np.array([[8, 16], [11, 19]])),))],
    "pl": [Instance("solid white", (Part("pl", (LINE_XY / CELL).astype(int)),))],
    "poly": [Instance("drivable", (Part("poly", (AREA_XY / CELL).astype(int)),))],
    "seg": [Instance("car", (Part("box", np.array([[8, 16], [13, 21]])),
                             Part("seg", np.array([[8, 16], [11, 16], [13, 16], [8, 19], [11, 19], [13, 19]]))))],
    "pt": [Instance("car", (Part("pt", np.array([[11, 19]])),))],
}  # fmt: skip
TRUTH = {"box": BOX, "pl": LINE, "poly": AREA, "seg": MASK, "pt": POINT}
FORM = {"box": TASKS["obstacles"].form, "pl": TASKS["lanes"].form, "poly": TASKS["drivable area"].form,
        "seg": replace(TASKS["referred masks"].form, labels=()), "pt": AnswerForm("pt")}  # fmt: skip


def earned(kind: str, ids: Sequence[int], truths: Sequence[Truth] | None = None) -> float:
    """Total of a reply to the task of a kind."""
    proposal = read(ids, VOCABULARY, FORM[kind], 32)
    seen = SeedMasks(Oracle(rectangle(TRUTH[kind])), np.zeros((420, 420, 3), np.uint8))
    proposal = replace(proposal, instances=tuple(seen(proposal.instances)))
    return proposal_reward(proposal, [TRUTH[kind]] if truths is None else truths).total(PROPOSING)


def spelled(label: str, kind: str, cells: Sequence[Sequence[int]]) -> list[int]:
    return [*VOCABULARY.encode_text(label), OPEN[kind], *VOCABULARY.grid_ids(np.array(cells)).tolist(), CLOSE[kind]]


def best(kind: str) -> float:
    return earned(kind, [*write(RIGHT[kind], VOCABULARY), END_ANSWER])


def hacks(kind: str) -> dict[str, list[int]]:
    label, cells = RIGHT[kind][0].label, RIGHT[kind][0].parts[-1].ij.tolist()
    every = [[i, j] for j in range(32) for i in range(32)]
    corners = [[0, 0], [31, 31]]
    zigzag = [[0 if (j // 2) % 2 else 31, j] for j in range(0, 32, 2)]
    everything = {"box": corners, "seg": every[::97], "pt": corners, "pl": zigzag,
                  "poly": [[0, 0], [31, 0], [31, 31], [0, 31]]}  # fmt: skip
    elsewhere = {"box": [[25, 2], [28, 4]], "pt": [[25, 2]], "seg": [[25, 2], [27, 3]], "pl": [[25, 2], [28, 8]],
                 "poly": [[25, 2], [28, 2], [28, 4]]}  # fmt: skip
    nothing: list[int] = []
    found = {
        "empty": [END_ANSWER],
        "not even closed": nothing,
        "none": [*VOCABULARY.encode_text("none"), END_ANSWER],
        "repeated points": [*spelled(label, kind, [cells[0]] * 12), END_ANSWER],
        "one instance again and again": [
            token for _ in range(40) for token in [*spelled(label, kind, elsewhere[kind]), VOCABULARY.newline]
        ],
        "everything covered": [*spelled(label, kind, everything[kind]), END_ANSWER],
        "thousands of points": [*spelled(label, kind, every * 3), END_ANSWER],
        "another example copied": [*spelled(label, kind, elsewhere[kind]), END_ANSWER],
        "label alone": [*VOCABULARY.encode_text(label), END_ANSWER],
        "tags alone": [OPEN[kind], CLOSE[kind]] * 20,
        "a guess in every corner": [
            token for i in (1, 28) for j in (1, 28) for cell in [[[i, j], [i + 1, j + 1], [i + 2, j]]]
            for token in [*spelled(label, kind, cell[: {"box": 2, "pt": 1}.get(kind, 3)]), VOCABULARY.newline]
        ],
    }  # fmt: skip
    if kind == "box":
        found["inverted box"] = [*spelled(label, kind, cells[::-1]), END_ANSWER]
    if kind == "pt":
        del found["everything covered"]  # two points in one tag are no point: thousands of points says the same
    return found
