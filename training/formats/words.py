"""What formats in plain text share: pixels of the resized image as numbers, and a region named in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import KINDS, XY, Shape
from getok_core.grammar import NONE
from getok_core.queries import TASKS, SceneQuery
from getok_core.view import View

from .said import Thing

NAMES = {"pt": "point", "box": "box", "pl": "polyline", "poly": "polygon", "seg": "mask"}


def in_words(query: SceneQuery, at: Callable[[Shape], str], wanted: str = "") -> SceneQuery:
    """The same question without a token of the language: its task's prompt or its own words, and `at` of its region.

    wanted: how the answer is to be written; it is left out where one of a few options is the answer.
    """
    task = TASKS.get(query.name)
    words = [query.text] if task is None else [task.prompt, *([query.text] if task.refers else [])]
    words[-1] += "" if words[-1].rstrip()[-1:] in (".", "?", "!") else "."
    options = query.options or (task.form.labels if task is not None and task.form.kind == "text" else ())
    words += [at(query.region)] if query.region is not None else []
    words += [wanted] if wanted and not options else []
    return SceneQuery("", " ".join(words), None, options)


def whole_pixels(xy: XY, view: View) -> NDArray[np.int64]:
    """Vertices (N, 2) in pixels of the image -> whole pixels of the resized one, those outside moved to its border."""
    return np.round(np.clip(view.to_model(xy), 0, view.model)).astype(np.int64)


def thing_of(kind: str, xy: XY, label: str, box: XY | None = None) -> Thing | None:
    """A thing as it was read, in pixels of the image; None where its vertices are too few or a box is inverted."""
    if len(xy) < KINDS[kind].least or (kind in ("pt", "box") and len(xy) != KINDS[kind].least):
        return None
    if kind == "box" and not (xy[1] > xy[0]).all():
        return None
    return Thing(kind, xy, label, box=None if box is None else box.reshape(4))


def is_none(text: str) -> bool:
    """Whether an answer says that nothing is there."""
    return text.strip().strip(".").lower() in (NONE, "[]", "null")
