"""What is compared with what: every arm differs from the first in its table by one thing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from getok_core.errors import QueryError
from getok_core.lattice import Size

from .asked import Region
from .spelling import Bins, Grid, Spelling, Text
from .views import View

INPUT: Size = (512, 256)


@dataclass(frozen=True)
class Arm:
    """One way to write, show and ask; all else is equal."""

    name: str
    says: str
    """for the table"""
    spelling: Spelling = field(default_factory=Grid)
    bound: bool = True
    """grid tokens carry and match the features of their cells"""
    region: Region = "own"
    questions: int = 4
    """about regions, with each sample"""
    view: View = "resize"
    input: Size = INPUT
    rounds: int = 0
    """of offsets, which it is also trained on"""

    @property
    def writing(self) -> tuple[Spelling, Region, View, Size, bool]:
        """Arms that agree in it share their token sequences."""
        view = "resize" if self.view == "dynamic" else self.view
        return self.spelling, self.region, view, self.input, self.rounds > 0


class Table(NamedTuple):
    """Arms beside each other."""

    title: str
    arms: tuple[str, ...]


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("grid", "grid tokens, bound to their cells, smoothed targets (the nano's)"),
        Arm("grid-offset", "the same with one round of offsets (the paper's)", rounds=1),
        Arm("grid-offsets", "the same with two rounds of offsets", rounds=2),
        Arm("grid-unbound", "grid tokens, ordinary embeddings, smoothed targets", bound=False),
        Arm("grid-plain", "grid tokens, ordinary embeddings, plain targets", Grid(smooth=False), bound=False),
        Arm("bins", "1,000 bins an axis, plain targets", Bins(), bound=False),
        Arm("text", "pixels as text, plain targets", Text(INPUT), bound=False),
        Arm("region-grid", "in grid tokens", questions=1),
        Arm("region-text", "in text coordinates", region="text", questions=1),
        Arm("region-marker", "a red outline on the image", region="marker", questions=1),
        Arm("n16", "16 x 16 cells", Grid(16)),
        Arm("n64", "64 x 64 cells", Grid(64)),
        Arm("pad", "padded to 2 : 1", view="pad"),
        Arm("crop", "centre crop of 2 : 1", view="crop"),
        Arm("dynamic", "own size, same aspect, as many pixels, sides multiples of 32", view="dynamic"),
    )
}
TABLES = (
    Table("Spelling of a vertex",
          ("grid", "grid-offset", "grid-offsets", "grid-unbound", "grid-plain", "bins", "text")),
    Table("How the region of a question is named (one question a sample)",
          ("region-grid", "region-text", "region-marker")),
    Table("Cells of the lattice (grid: 32 x 32), alone and with offsets",
          ("n16", "grid", "grid-offset", "grid-offsets", "n64")),
    Table("How an image of 4:3, 16:9, 2:1 or 5:2 becomes the input", ("grid", "pad", "crop", "dynamic")),
)  # fmt: skip


def chosen(names: str) -> list[Arm]:
    """`all` or names with commas -> arms. Raises QueryError on an unknown one."""
    wanted = list(ARMS) if names == "all" else list(dict.fromkeys(names.split(",")))
    unknown = [name for name in wanted if name not in ARMS]
    if unknown:
        raise QueryError(f"no arm is called {unknown[0]!r}: name some of {', '.join(ARMS)}, with commas, or all")
    return [ARMS[name] for name in wanted]
