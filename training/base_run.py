"""Where a run of a large base is kept: checkpoints that are never half written, its log, and what it learned."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin

from getok_core.errors import DataError, ModelError

from .base_folder import read_json
from .base_learner import Learner
from .model import Base

STATE, LOG, RUN, ADAPTER = "state.json", "log.jsonl", "run.json", "adapter"


def check_sharding(path: Path | None) -> None:
    """Raises ModelError where there is nothing to shard over: accelerate would leave the file out without a word."""
    if path is not None and not torch.cuda.is_available():
        raise ModelError(f"{path} shards over GPUs and none is here: leave --sharding out")


def sharding_plugins(path: Path | None, args: argparse.Namespace) -> dict[str, Any]:
    """A file of training/recipes, DeepSpeed's own or fsdp's -> what Accelerator takes. Raises ModelError."""
    if path is None:
        return {}
    said = read_json(path)
    if "fsdp" in said:
        return {"fsdp_plugin": FullyShardedDataParallelPlugin(**said["fsdp"])}
    if "zero_optimization" not in said:
        raise ModelError(f"{path} has neither zero_optimization nor fsdp: name a file of training/recipes")
    said |= {"train_micro_batch_size_per_gpu": args.batch, "gradient_accumulation_steps": args.accumulate}
    return {"deepspeed_plugin": DeepSpeedPlugin(hf_ds_config=said)}


class BaseRun:
    """The folder of one run. Rank 0 writes; all ranks call every method."""

    def __init__(self, folder: Path, accelerator: Accelerator, learner: torch.nn.Module, base: Base,
                 args: argparse.Namespace):  # fmt: skip
        self.folder, self.accelerator, self.learner = folder, accelerator, learner
        settings = {"base": str(args.base), "lattice": args.lattice, "view": [args.view] * 2,
                    "new_rows": list(base.new), "dtype": args.dtype, "rounds": args.rounds}  # fmt: skip
        accelerator.register_save_state_pre_hook(_leave_out_frozen)
        accelerator.register_load_state_pre_hook(_load_trained)
        if accelerator.is_main_process:
            self._begin(settings)
        accelerator.wait_for_everyone()

    def _begin(self, settings: dict[str, Any]) -> None:
        path = self.folder / RUN
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.is_file() and (old := read_json(path)) != settings:
                differ = ", ".join(key for key in settings if old.get(key) != settings[key])
                raise DataError(f"{self.folder} holds a run with another {differ}: name another --out, or remove it")
            path.write_text(json.dumps(settings))
        except OSError as error:
            raise DataError(f"{self.folder} cannot be written: {error.strerror or error}") from None

    def resume(self) -> int:
        """Steps done; weights, optimiser and random state are as they were after them."""
        if not (self.folder / STATE).is_file():
            return 0
        step = int(read_json(self.folder / STATE)["step"])
        # DeepSpeed is told that frozen weights are not in the checkpoint; elsewhere _load_trained knows.
        partly = self.accelerator.distributed_type == DistributedType.DEEPSPEED
        how = {"load_module_strict": False} if partly else {}
        self.accelerator.load_state(str(self.folder / f"checkpoint-{step}"), **how)
        return step

    def save(self, step: int) -> None:
        """A checkpoint after so many steps; the one before it goes when this one is whole."""
        self.accelerator.save_state(str(self.folder / f"checkpoint-{step}"), exclude_frozen_parameters=True)
        if self.accelerator.is_main_process:
            partial = self.folder / (STATE + ".part")
            partial.write_text(json.dumps({"step": step}))
            partial.replace(self.folder / STATE)
            for old in self.folder.glob("checkpoint-*"):
                if old.name != f"checkpoint-{step}":
                    shutil.rmtree(old, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def finish(self, step: int) -> None:
        """Writes the adapter: LoRA and new rows, which is all that export needs beside the base."""
        weights = self.accelerator.get_state_dict(self.learner)
        learner = self.accelerator.unwrap_model(self.learner)
        if self.accelerator.is_main_process:
            trained = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
            learner.model.save_pretrained(str(self.folder / ADAPTER), state_dict=trained, save_embedding_layers=False)
        self.save(step)
        self.say(f"{self.folder / ADAPTER} is whole: merge it with python -m training.export --base {self.folder} OUT")

    def log(self, step: int, values: dict[str, float]) -> None:
        """A line for people and one for log.jsonl."""
        if self.accelerator.is_main_process:
            with (self.folder / LOG).open("a") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")
            print(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()), flush=True)

    def say(self, text: str) -> None:
        """Once, whatever the number of ranks."""
        self.accelerator.print(text, flush=True)


def _leave_out_frozen(models: list[torch.nn.Module], weights: list[dict[str, torch.Tensor]], folder: str) -> None:
    """Before saving: what does not train is not written again with every checkpoint."""
    for model, state in zip(models, weights, strict=False):
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        for name in [name for name in state if name.removeprefix("module.") not in trained and name not in trained]:
            del state[name]


def _load_trained(models: list[torch.nn.Module], folder: str) -> None:
    """Before loading: takes over models whose checkpoint holds only what trains."""
    from safetensors.torch import load_file

    for model in list(models):
        path = Path(folder) / "model.safetensors"
        if isinstance(model, Learner | torch.nn.parallel.DistributedDataParallel) and path.is_file():
            plain = model.module if isinstance(model, torch.nn.parallel.DistributedDataParallel) else model
            plain.load_state_dict(load_file(str(path)), strict=False)
            models.remove(model)
