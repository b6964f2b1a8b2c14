"""The words in which converted datasets ask: the verbs of this house's referring tasks, before any expression.

One wording a question, so that a user who knows the verb gets what was trained. Datasets that bring questions of their
own keep them.
"""

from __future__ import annotations

import re

from getok_core.queries import TASKS

SEGMENT, BOX, POINT = (TASKS[f"referred {what}"].prompt for what in ("masks", "boxes", "points"))
DESCRIBE = "Describe the region"
"""asked with a region; the answer is text"""


def asked(verb: str, expression: object) -> str:
    """A verb and an expression as one line. Raises ValueError when there is no expression."""
    return f"{verb} {one_line(expression).rstrip('.')}"


def one_line(text: object) -> str:
    """Words with single spaces. Raises ValueError on what is no text, or empty."""
    line = " ".join(text.split()) if isinstance(text, str) else ""
    if not line:
        raise ValueError(f"an expression or answer must be text, got {text!r}")
    return line


def label_of(name: object) -> str:
    """A category's name as a label: `car_(automobile)` -> `car`. Raises ValueError when nothing is left."""
    words = re.sub(r"\(.*?\)|<", " ", one_line(name).replace("_", " "))
    return one_line("".join(char if char.isprintable() else " " for char in words))
