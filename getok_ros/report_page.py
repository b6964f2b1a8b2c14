"""What a report is made of: all that a replay left, gathered once, and the sections that are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from getok_core.overlay import Question
from getok_core.scene import Answer

from .replayed import Replayed
from .report_frames import FrameFacts
from .report_pictures import Album

Asked = tuple[str, Question, Answer]
"""frame, what was asked about it, and what was answered"""


@dataclass(frozen=True)
class Page:
    """All that the sections are made of."""

    run: Replayed
    facts: Sequence[FrameFacts]
    worst: Sequence[FrameFacts]
    worth: Sequence[tuple[str, str]]
    """frame, reasons"""
    asked: Sequence[Asked]
    explained: str
    """the frame by which the tokens are explained; "" for none"""
    album: Album

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """What metrics.json says of each model."""
        return self.run.metrics.get("models", {})


@dataclass(frozen=True)
class Section:
    """A part of the page: anchor, name in the menu, heading, a sentence and what it shows, both HTML."""

    id: str
    short: str
    title: str
    note: str
    body: str
