"""A LoRA adapter as the two files that peft and vLLM read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from peft import PeftConfig
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

WEIGHTS = "adapter_model.safetensors"


def write_adapter(weights: Mapping[str, Tensor], config: PeftConfig, folder: Path) -> None:
    """weights: whole, by the names that peft gives them in files. The configuration is written last: a folder without
    one is not whole. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.contiguous().cpu() for name, weight in weights.items()}, str(folder / WEIGHTS))
    config.save_pretrained(str(folder))
