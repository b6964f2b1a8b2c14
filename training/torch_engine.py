"""A checkpoint as an Engine, in torch: what training and evaluation use before anything is exported."""

from __future__ import annotations

from pathlib import Path

from getok_core.engines.nano_network import Nano
from getok_core.engines.nano_torch import NanoTorchEngine
from getok_core.manifest import Manifest
from getok_core.queries import PROMPT_VERSION, TASKS, standard_vocabulary

from .checkpoint import load_average


def torch_engine(
    model: Nano, name: str = "nano-checkpoint", refinements: int = 1, tokens: int = 160
) -> NanoTorchEngine:
    """The network as an engine, on the device where it is; its weights may go on changing."""
    c = model.config
    digest, view = standard_vocabulary(c.n).digest, (c.width, c.height)
    manifest = Manifest(name, "getok-nano", c.n, digest, PROMPT_VERSION, view, "float32", refinements, tokens, {},
                        ("torch",), tuple(TASKS))  # fmt: skip
    return NanoTorchEngine.of(model, manifest)


def checkpoint_engine(run: Path) -> NanoTorchEngine:
    """The averaged weights of a training run as an engine. Raises ModelError as load_average does."""
    return torch_engine(load_average(run), run.name)
