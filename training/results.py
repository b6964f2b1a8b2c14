"""What a command found, written to a file that its user names; a place that cannot be written is one line."""

from __future__ import annotations

import json
from pathlib import Path

from getok_core.errors import DataError


def write_json(path: Path, results: object) -> None:
    """Numbers, as write_text writes."""
    write_text(path, json.dumps(results, indent=1))


def write_text(path: Path, text: str) -> None:
    """A text and a newline. Raises DataError where it cannot be written."""
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; name a file in an existing folder") from None
