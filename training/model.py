"""A Qwen-VL base that learns the language: loaded, its new rows started, LoRA added, saved, merged.

Qwen2.5-VL, Qwen3-VL and Qwen3.5 of any size go through the same lines; only this file knows which base it holds. What
learns is LoRA on the language layers and the rows of new tokens, in the embedding and in the head, tied or not. All
other weights, old rows included, stay as they were to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel

from getok_core.engines.base_vocabulary import TOKENIZER, BaseVocabulary
from getok_core.engines.chat import Chat
from getok_core.engines.qwen_pixels import PREPROCESSOR, Pixels
from getok_core.errors import ModelError
from getok_core.manifest import NAME, read_manifest

from .base_folder import FAMILIES, read_json, with_language
from .new_rows import start_rows

LAYERS = (
    r".*\blanguage_model\.layers\.\d+\.(self_attn|linear_attn|mlp)"
    r"\.([qkvo]_proj|gate_proj|up_proj|down_proj|in_proj_\w+|out_proj)"
)
"""regular expression of the linear layers that get LoRA: those of the language model, none of the vision tower"""
RANK, ALPHA = 64, 128
"""the paper's rank; it does not give alpha: twice the rank is ours"""
ROWS_OF = 64
"""embedding rows come in multiples of this"""


@dataclass(frozen=True, eq=False)
class Base:
    """A base model that has a row for every token of the language."""

    model: PreTrainedModel
    vocabulary: BaseVocabulary
    pixels: Pixels
    folder: Path
    """where its files came from"""
    new: tuple[int, ...]
    """base ids whose rows the language brought, in the order of their local ids"""

    @property
    def chat(self) -> Chat:
        return Chat(self.vocabulary)


# -- load ----------------------------------------------------------------------------------------------------------


def load_base(source: Path | str, n: int = 32, dtype: torch.dtype | str = "auto", **how: Any) -> Base:
    """A folder or hub name -> a base with a started row for each token of the language of n cells a side.

    A folder that this repository exported keeps the rows it learned. how: passed on to from_pretrained, such as
    attn_implementation. Raises ModelError in one line on what is no Qwen-VL model, or cannot be fetched.
    """
    folder = fetched(source)
    vocabulary, new, fresh = read_language(folder, n)
    _checked_family(folder)
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, **how
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} cannot be loaded: {_line(error)}; copy it again") from None
    make_room(model, max(vocabulary.language))
    if fresh:
        for weight in row_weights(model):
            start_rows(weight, vocabulary, new)
    return Base(model, vocabulary, Pixels.read(folder), folder, new)


def weightless(config: PreTrainedConfig, new: Sequence[int]) -> PeftModel:
    """A base of that configuration and what learns on it, on the meta device: shapes and counts, no memory."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
        make_room(model, max(new))
        return add_lora(model, new)


def fetched(source: Path | str) -> Path:
    """A folder as it is; a hub name such as Qwen/Qwen2.5-VL-7B-Instruct is downloaded, or found where it was before."""
    if Path(source).is_dir():
        return Path(source)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) or str(source).startswith("."):
        raise ModelError(f"no model at {source}: name a folder, or a hub name such as Qwen/Qwen2.5-VL-7B-Instruct")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(str(source), allow_patterns=["*.json", "*.safetensors", "*.jinja"]))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ModelError(f"{source} is no folder and cannot be downloaded: {_line(error)}; name a folder") from None


def read_language(folder: Path, n: int) -> tuple[BaseVocabulary, tuple[int, ...], bool]:
    """The vocabulary over a folder's tokenizer; the base ids the language brought; True where their rows are not
    learned yet. Raises ModelError."""
    if (folder / NAME).is_file():
        manifest = read_manifest(folder)
        if manifest.lattice != n:
            raise ModelError(f"{folder} speaks {manifest.lattice} x {manifest.lattice} cells, {n} were asked for")
        vocabulary = BaseVocabulary.read(folder, n)
        first, end = manifest.training.get("new_rows") or (min(vocabulary.language), max(vocabulary.language) + 1)
        return vocabulary, tuple(range(first, end)), False
    content = read_json(folder / TOKENIZER)
    try:
        raw, added = with_language(content, n)
        vocabulary = BaseVocabulary.of(raw, n, sha256((folder / TOKENIZER).read_bytes()).hexdigest())
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / TOKENIZER} is no tokenizer ({_line(error)}): copy it again") from None
    return vocabulary, tuple(added), True


def _checked_family(folder: Path) -> None:
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in FAMILIES:
        raise ModelError(f"{folder} holds a {kind} model: this code trains {', '.join(FAMILIES)}")
    if not (folder / PREPROCESSOR).is_file():
        raise ModelError(f"{folder} has no {PREPROCESSOR}: copy the whole model folder")


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def make_room(model: PreTrainedModel, last: int) -> None:
    """Gives embedding and head a row for every token up to base id `last`; a base that has more keeps them."""
    needed = -(-(1 + last) // ROWS_OF) * ROWS_OF
    if needed > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(needed, mean_resizing=False)


def row_weights(model: PreTrainedModel) -> list[Tensor]:
    """Embedding and head, (rows, dim) each; one matrix where they are tied."""
    weights = [model.get_input_embeddings().weight]
    return weights if tied(model) else [*weights, model.get_output_embeddings().weight]


def tied(model: PreTrainedModel) -> bool:
    """True where embedding and head are one matrix."""
    return model.get_input_embeddings().weight is model.get_output_embeddings().weight


# -- learn, save, merge --------------------------------------------------------------------------------------------


def add_lora(model: PreTrainedModel, new: Sequence[int], rank: int = RANK, alpha: int = ALPHA,
             dropout: float = 0.0) -> PeftModel:  # fmt: skip
    """A model with what learns: LoRA on its language layers, and its rows `new`, if any. Changes the model in place."""
    # A plain list follows a tied head, and would leave a head of its own untrained.
    rows: Any = list(new) if tied(model) else {"embed_tokens": list(new), "lm_head": list(new)}
    rows = rows if new else None
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=LAYERS, bias="none",
                        task_type="CAUSAL_LM", trainable_token_indices=rows)  # fmt: skip
    return get_peft_model(model, config)


def load_adapter(base: Base, folder: Path, trainable: bool = False) -> PeftModel:
    """The base with what `save_adapter` wrote. Raises ModelError where that does not fit or is not there."""
    try:
        return PeftModel.from_pretrained(base.model, str(folder), is_trainable=trainable, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"no adapter at {folder}: {_line(error)}; train one with python -m training.sft_base"
        ) from None


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Writes LoRA and new rows alone: a few hundred megabytes where the base has fifteen gigabytes."""
    model.save_pretrained(str(folder), save_embedding_layers=False)


def merged(model: PeftModel) -> PreTrainedModel:
    """The base's own class again, with LoRA and rows inside; logits agree to 2e-6 in fp32, bf16 rounds."""
    return model.merge_and_unload(safe_merge=True)


def learned(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """What trains: parameters of LoRA, and rows of new tokens."""
    lora, rows = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (rows if "trainable_tokens" in name else lora).append(parameter)
    return lora, rows


def load_config(folder: Path) -> PreTrainedConfig:
    """config.json of a base. Raises ModelError as load_base does."""
    _checked_family(folder)
    return AutoConfig.from_pretrained(folder, local_files_only=True)
