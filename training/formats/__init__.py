"""Ways to write geometry, side by side: grid tokens and what they are measured against. One interface, scored alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from getok_core.queries import SceneQuery
from getok_core.view import RGB, View

from .said import Said, Thing

__all__ = ["Format", "Said", "Thing"]


class Format(Protocol):
    """How a model is asked and how it answers. Pixels are those of view.size; what is written counts in view.model."""

    @property
    def name(self) -> str: ...

    @property
    def spoken(self) -> bool:
        """Whether answers are plain text for `parse`; else they are in the language, which the product itself reads."""
        ...

    @property
    def answers_at_once(self) -> bool:
        """Whether a prompt ends with `<answer>`; else the model opens its turn itself, for instance to think."""
        ...

    def ask(self, query: SceneQuery, kind: str, image: RGB, view: View) -> tuple[RGB, SceneQuery]:
        """A question -> the image shown, (H, W, 3) of any size, and the question as this format asks it.

        kind: what the answer has: pt, box, pl, poly, seg or text.
        """
        ...

    def write(self, things: Sequence[Thing], view: View) -> str:
        """Objects -> the answer; those that the format cannot say are left out. [] becomes "none" or an empty list."""
        ...

    def parse(self, text: str, view: View) -> Said:
        """Any text -> what it says. Total: what cannot be read is counted in faults, and never an error."""
        ...

    def step(self, view: View) -> tuple[float, float]:
        """How far a vertex that is written and read back may lie from where it was, in pixels of view.size."""
        ...
