"""The real node around an engine that fails on demand: `python -m getok_ros.soak_node`, with arguments as getok-node.

GETOK_SOAK_ENGINE=noise: an engine without weights instead of the model of the settings.
"""

from __future__ import annotations

import os
import sys

from getok_core.engines import load_engine
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.engines.troubled_engine import TroubledEngine
from getok_core.perceiver import Perceiver
from getok_core.protocol import Engine, Progress

from .loading import Perceives
from .perception_node import main
from .settings import Settings
from .share import default_model


def make_perceiver(settings: Settings, progress: Progress) -> tuple[Perceives, str]:
    """As perception_node.load_perceiver, with a troubled engine. Raises ModelError."""
    if os.environ.get("GETOK_SOAK_ENGINE") == "noise":
        engine: Engine = NoiseEngine(tokens=40)
    else:
        engine = load_engine(settings.model or default_model(), settings.device, settings.threads, progress)
    return Perceiver(TroubledEngine(engine)), engine.manifest.title


if __name__ == "__main__":
    sys.exit(main(make_perceiver=make_perceiver))
