"""One blank frame through an engine that was just loaded, so that the first real one is as fast as the rest."""

from __future__ import annotations

import numpy as np

from ..protocol import Engine, Limits, Request
from ..queries import TASKS


def warm_up(engine: Engine) -> None:
    """A few tokens of two requests on a blank image."""
    width, height = engine.manifest.view
    ids = tuple(engine.vocabulary.encode_text(TASKS["lanes"].prompt))
    with engine.open([np.zeros((height, width, 3), np.uint8)]) as frames:
        frames.propose([Request(ids, TASKS["lanes"].form)] * 2, Limits(tokens=4))
