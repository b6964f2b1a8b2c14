"""Checkpoints of a run: weights and their average as safetensors, the optimiser beside them; never half written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.engines.nano_torch import read_nano
from getok_core.errors import ModelError
from getok_core.queries import PROMPT_VERSION, standard_vocabulary


class Ema:
    """Running average of a model's weights."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes a step towards the model's weights; early on the average forgets faster."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        pairs = [(self.weights[name], p) for name, p in model.named_parameters() if p.requires_grad]
        torch._foreach_lerp_([a for a, _ in pairs], [p.detach() for _, p in pairs], 1 - decay)


def save_training(out: Path, model: Nano, learn: torch.optim.Optimizer, ema: Ema, state: dict[str, Any],
                  config: NanoConfig) -> None:  # fmt: skip
    """Writes a checkpoint; the old one stays until the new one is whole. Raises ModelError when the disk refuses."""
    meta = {
        "config": json.dumps(config.to_json()),
        "state": json.dumps({**state, "updates": ema.updates}),
        "vocabulary": standard_vocabulary(config.n).digest,
        "prompt_version": str(PROMPT_VERSION),
    }
    weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    averaged = {**weights, **{name: tensor.contiguous() for name, tensor in ema.weights.items()}}
    try:
        replaced(out / "optimiser.pt", lambda path: torch.save(learn.state_dict(), path))
        replaced(out / "weights.safetensors", lambda path: save_file(weights, path, meta))
        replaced(out / "average.safetensors", lambda path: save_file(averaged, path, meta))
    except OSError as error:
        raise ModelError(f"cannot write a checkpoint to {out}: {error}; the one before it is kept") from None


def replaced(path: Path, write: Callable[[str], object]) -> None:
    """Writes beside `path` and then takes its place, so that a half-written file never stands there."""
    partial = path.with_suffix(path.suffix + ".part")
    write(str(partial))
    os.replace(partial, path)


def read_meta(path: Path) -> dict[str, Any]:
    """Config and state of a weights file. Raises ModelError when it is corrupt or of another vocabulary or prompt."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            meta = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"checkpoint {path} cannot be read: {error}; delete it or name another") from None
    config = NanoConfig(**json.loads(meta.get("config", "{}")))
    ours = standard_vocabulary(config.n).digest
    if meta.get("vocabulary") != ours or meta.get("prompt_version") != str(PROMPT_VERSION):
        raise ModelError(
            f"checkpoint {path} speaks vocabulary {meta.get('vocabulary', '?')[:8]}, prompt version"
            f" {meta.get('prompt_version')}; this code speaks {ours[:8]}, {PROMPT_VERSION}: train anew"
        )
    return {"config": config, "state": json.loads(meta["state"])}


def load_training(out: Path, model: Nano, learn: torch.optim.Optimizer, ema: Ema) -> dict[str, Any]:
    """Restores a run when `out` holds one; returns its state, or {}.

    The average alone, in half precision too, is enough to go on from. Without its optimiser, or with other weights
    frozen, the optimiser begins anew. Raises ModelError when the network has other sizes.
    """
    average = out / "average.safetensors"
    path = next((path for path in (out / "weights.safetensors", average) if path.is_file()), None)
    if path is None:
        return {}
    meta, asked = read_meta(path), model.config
    trained = replace(meta["config"], frozen_blocks=asked.frozen_blocks, frozen_kernels=asked.frozen_kernels)
    if trained != asked:
        raise ModelError(f"{out} holds a network of other sizes, {trained}: name another folder, or begin anew")
    model.load_state_dict(load_file(str(path)))
    averaged = load_file(str(average))
    ema.weights = {name: averaged[name].to(tensor) for name, tensor in ema.weights.items()}
    ema.updates = int(meta["state"]["updates"])
    if (out / "optimiser.pt").is_file() and meta["config"] == asked:
        learn.load_state_dict(torch.load(out / "optimiser.pt", weights_only=True))
    return meta["state"]


def load_average(out: Path) -> Nano:
    """The averaged weights of a run, ready to evaluate. `out` is the run's folder or a safetensors file."""
    path = out / "average.safetensors" if out.is_dir() else out
    if not path.is_file():
        raise ModelError(f"no checkpoint at {path}: train one with python -m training.sft --out {out}")
    read_meta(path)
    return read_nano(path)
