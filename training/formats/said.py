"""What a model said about one sample, in pixels of the image, however it wrote it: all that a benchmark sees."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY, Seeds
from getok_core.metrics.areas import Area


@dataclass(frozen=True, eq=False)
class Thing:
    """One object of an answer."""

    kind: str
    """pt, box, pl, poly or seg"""
    xy: XY
    """(N, 2) vertices; of a box top-left and bottom-right, of seg its seeds"""
    label: str = ""
    score: float = 1.0
    box: NDArray[np.float64] | None = None
    """(4,) of a seg: the box said before its seeds"""


@dataclass(frozen=True, eq=False)
class Said:
    """A whole answer."""

    things: tuple[Thing, ...] = ()
    text: str = ""
    """of an answer in words"""
    faults: int = 0
    """pieces that could not be read"""
    area: Area | None = field(default=None, compare=False)
    """(H, W) the union of its masks, where masks were asked for"""

    def of(self, kind: str) -> list[Thing]:
        """Its objects of one kind."""
        return [thing for thing in self.things if thing.kind == kind]

    @property
    def boxes(self) -> list[NDArray[np.float64]]:
        """(4,) each, the surest first, of equals as they were said."""
        return [one.xy.reshape(4) for one in sorted(self.of("box"), key=lambda one: -one.score)]

    @property
    def prompts(self) -> list[Seeds]:
        """What a segmenter makes masks from."""
        return [Seeds(one.xy) for one in self.of("seg") if len(one.xy)]
