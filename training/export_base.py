"""A run of training.sft_base -> a model folder: LoRA and new rows merged, as the Hugging Face library and vLLM load it.

Reached by `python -m training.export --base RUN OUT`. Fails, and leaves the old folder as it was, unless the merged
model says what the adapter says. The base's own config.json stays, but for the number of rows.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from getok_core.engines.qwen_pixels import PREPROCESSOR
from getok_core.errors import ModelError
from getok_core.lattice import Lattice
from getok_core.manifest import NAME, Manifest, read_manifest
from getok_core.queries import STANDING

from .base_folder import FAMILIES, TEMPLATE, TOKENIZER_CONFIG, add_language, read_json, seal
from .base_run import ADAPTER, RUN
from .model import Base, load_adapter, load_base, merged

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}
"""largest difference of logits before and after merging, beside their spread: bf16 rounds the merged weights"""
COPIED = (".json", ".txt")
"""small files that a base's folder may have beside its weights"""
LEFT = (NAME, "chat_template.json")
"""what is written anew: a server's chat must be the frame that training used, whatever the base's own template adds"""


def export_base(run: Path, out: Path, name: str = "") -> tuple[Manifest, float]:
    """Writes the folder `out`; returns its manifest, and how much merging changed logits. Raises ModelError."""
    settings = read_json(run / RUN)
    base = load_base(settings["base"], settings["lattice"], getattr(torch, settings["dtype"]))
    model = load_adapter(base, run / ADAPTER)
    before = probe(model, base)
    whole = merged(model)
    worst = float((probe(whole, base) - before).abs().max() / before.std())
    if not worst <= TOLERANCE[before.dtype]:
        raise ModelError(f"merging {run} changes logits by {worst:.1e} of their spread: the adapter may be damaged")
    with tempfile.TemporaryDirectory(prefix=out.name, dir=_parent(out)) as scratch:
        folder = Path(scratch) / "model"
        whole.save_pretrained(folder)
        _write_files(base, folder, tuple(settings["view"]), whole.get_input_embeddings().weight.shape[0])
        training = {"new_rows": [min(base.new), max(base.new) + 1]}
        manifest = seal(folder, name or run.name, _family(base, settings["base"]), settings["lattice"],
                        tuple(settings["view"]), settings["dtype"], training, settings["rounds"])  # fmt: skip
        if out.exists():
            shutil.rmtree(out)
        shutil.move(str(folder), out)
    return manifest, worst


@torch.no_grad()
def probe(model: nn.Module, base: Base) -> torch.Tensor:
    """Logits (T, rows) over a question about lanes and every new token."""
    prompt = STANDING[0].prompt(base.vocabulary, Lattice(base.vocabulary.n), (1, 1))
    ids = [*base.chat.opening(0), *base.chat.turns(prompt)[0], *base.new]
    return model.eval()(input_ids=torch.tensor([ids])).logits[0]


def _write_files(base: Base, folder: Path, view: tuple[int, int], rows: int) -> None:
    """Configuration, tokenizer and preprocessor beside the weights."""
    for path in base.folder.iterdir():
        if path.suffix in COPIED and path.name not in LEFT and not path.name.endswith(".index.json"):
            shutil.copyfile(path, folder / path.name)
    config = read_json(folder / "config.json")
    for part in (config, config.get("text_config", {})):
        if "vocab_size" in part:
            part["vocab_size"] = rows
    _write(folder / "config.json", config)
    preprocessor = read_json(folder / PREPROCESSOR)
    # One size of image: a server that resizes again finds nothing to do.
    preprocessor |= {"min_pixels": view[0] * view[1], "max_pixels": view[0] * view[1]}
    if "size" in preprocessor:
        preprocessor["size"] = {"shortest_edge": view[0] * view[1], "longest_edge": view[0] * view[1]}
    _write(folder / PREPROCESSOR, preprocessor)
    _write(folder / TOKENIZER_CONFIG, {**read_json(folder / TOKENIZER_CONFIG), "chat_template": TEMPLATE})
    add_language(folder, base.vocabulary.n)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1))


def _family(base: Base, source: str) -> str:
    """What a run began from: what its manifest says, its own name, such as Qwen2.5-VL-7B-Instruct, or its family's."""
    if (base.folder / NAME).is_file():
        return read_manifest(base.folder).base
    named = source.rstrip("/").rpartition("/")[2]
    return named if named.startswith("Qwen") else FAMILIES[base.model.config.model_type]


def _parent(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{out.parent} cannot be written: {error.strerror or error}") from None
    return out.parent
