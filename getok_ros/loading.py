"""The thread that loads the model, so that no callback has to, and what the node needs of the perceiver it makes."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

from getok_core.errors import GetokError
from getok_core.perceiver import Look, Seen
from getok_core.protocol import Progress

from .settings import Settings


class Perceives(Protocol):
    """What the node needs of getok_core.perceiver.Perceiver."""

    refinements: int
    """rounds it does unless told otherwise"""

    @property
    def images_per_batch(self) -> int:
        """How many images it encodes at once with profit."""
        ...

    def look_at(
        self, looks: Sequence[Look], refinements: int | None = None, deadline_s: float | None = None
    ) -> list[Seen]:
        """What is seen on each image, in order."""
        ...

    def close(self) -> None:
        """Frees the model."""
        ...


MakePerceiver = Callable[[Settings, Progress], tuple[Perceives, str]]
"""Loads the engine, which is slow; returns it with the model's name and weights digest. Raises ModelError."""


class Loading(threading.Thread):
    """Makes a perceiver; afterwards either `made` or `error` is set, and done was called, in this thread."""

    def __init__(self, make: MakePerceiver, settings: Settings, progress: Progress, done: Callable[[], None]) -> None:
        super().__init__(name="loading", daemon=True)
        self.made: tuple[Perceives, str] | None = None
        self.error: GetokError | None = None
        self._make, self._settings, self._progress, self._done = make, settings, progress, done
        self.start()

    def run(self) -> None:
        """Whatever goes wrong becomes one line."""
        try:
            self.made = self._make(self._settings, self._progress)
        except GetokError as error:
            self.error = error
        except Exception as error:
            self.error = GetokError(f"the engine failed to load: {line_of(error)}")
        self._done()


def line_of(error: Exception) -> str:
    """An unexpected error and where it came from, in one line."""
    at = traceback.extract_tb(error.__traceback__)
    where = f" ({at[-1].filename.rsplit('/', 1)[-1]}:{at[-1].lineno})" if at else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
