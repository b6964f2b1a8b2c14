"""The formats by the names that commands take."""

from __future__ import annotations

from getok_core.errors import QueryError

from . import Format
from .bins import Bins
from .grid import Grid
from .json_text import JsonText
from .marker import Marker
from .vision_reasoner import VisionReasoner

FORMATS: dict[str, Format] = {
    "grid": Grid(),
    "grid+offset": Grid(rounds=1),
    "text": JsonText(),
    "bins": Bins(),
    "marker": Marker(),
    "vision-reasoner": VisionReasoner(),
}


def format_named(name: str) -> Format:
    """Raises QueryError on a name that none has."""
    if name not in FORMATS:
        raise QueryError(f"no format is called {name!r}: use one of {', '.join(FORMATS)}")
    return FORMATS[name]
