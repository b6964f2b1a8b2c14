"""A Qwen-VL model as a policy of reinforcement learning: LoRA and the language's rows learn, the rest is held still.

Its start is an exported folder that speaks the language; the KL reference is that same model with the adapter switched
off, so it costs no memory. Replies come from the product's own torch engine over merged weights, made anew after each
update; probabilities are read through the model that learns.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from peft import PeftModel
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from getok_core.engines.torch_engine import TorchEngine
from getok_core.errors import ModelError
from getok_core.lattice import Size
from getok_core.manifest import Manifest, read_manifest
from getok_core.protocol import Engine
from getok_core.view import RGB

from .base_batches import collate
from .base_learner import states
from .base_run import ADAPTER, RUN
from .base_samples import Example
from .checkpoint import replaced
from .model import RANK, Base, add_lora, learned, load_base, merged, save_adapter
from .policy import Policy, Reading

STATE, OPTIMISER = "grpo.json", "optimiser.pt"
ROWS = 8
"""sequences in one forward pass, which bounds its memory"""


class QwenPolicy:
    """A Qwen-VL base with an adapter that learns."""

    def __init__(self, folder: Path, device: str = "cpu", dtype: torch.dtype | str = "auto", rank: int = RANK):
        """folder: an exported model. Raises ModelError where it is none."""
        self.manifest: Manifest = read_manifest(folder)
        self.base: Base = load_base(folder, self.manifest.lattice, dtype)
        self.model: PeftModel = add_lora(self.base.model, self.base.new, rank, 2 * rank).to(device)
        self.device = torch.device(device)
        self._engine: Engine | None = None

    @property
    def view(self) -> Size:
        return self.manifest.view

    @property
    def engine(self) -> Engine:
        """The product's engine over a merged copy of the weights as they are now."""
        if self._engine is None:
            whole = merged(copy.deepcopy(self.model)).eval()
            self._engine = TorchEngine.of(whole, self.base.folder, self.manifest)
        return self._engine

    def trained(self) -> list[torch.nn.Parameter]:
        """LoRA and the rows of the language's tokens."""
        lora, rows = learned(self.model)
        return [*lora, *rows]

    def settle(self) -> None:
        """The engine's copy is out of date."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def frozen(self) -> Policy:
        """The model it began as: the same weights without the adapter."""
        return _Start(self)

    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        """As Policy.read, ROWS sequences at a time."""
        self.model.eval()  # no dropout: what is read must be what was sampled
        found: list[Tensor] = []
        for at in range(0, len(readings), ROWS):
            found += self._read(images, readings[at : at + ROWS])
        return found

    def _read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        opening = self.base.chat.opening(self.base.pixels.visual_tokens(self.view))
        turns = [self.base.chat.turns(reading.ids) for reading in readings]
        ids = [np.asarray([*opening, *turn], np.int64) for turn, _ in turns]
        examples = [Example(one, one, images[reading.frame]) for one, reading in zip(ids, readings, strict=True)]
        batch = collate(examples, self.base.chat.end, self.base.pixels).on(self.device)
        whole: Any = self.model.get_base_model()
        hidden = states(whole, batch, self.base.chat.image)
        found: list[Tensor] = []
        for row, (reading, (_, shift)) in enumerate(zip(readings, turns, strict=True)):
            places = torch.as_tensor(reading.places, device=self.device) + shift + len(opening)
            found.append(self._local(whole.get_output_embeddings()(hidden[row, places]).float()))
        return found

    def _local(self, logits: Tensor) -> Tensor:
        """(T, rows) -> (T, V) of local ids; a token of the language has a text id as well, which never comes."""
        vocabulary = self.base.vocabulary
        doubled = np.isin(vocabulary.base_ids, vocabulary.language)
        doubled[: vocabulary.text_start] = False
        ids, never = (torch.from_numpy(array).to(self.device) for array in (vocabulary.base_ids, doubled))
        return logits[:, ids].masked_fill(never, -torch.inf)

    def save(self, out: Path, learn: torch.optim.Optimizer, done: int) -> None:
        """Adapter, optimiser and steps; training.export_base takes the folder. Raises ModelError."""
        width, height = self.view
        dtype = str(self.base.model.dtype).removeprefix("torch.")
        run = {"base": str(self.base.folder), "lattice": self.manifest.lattice, "view": [width, height],
               "new_rows": list(self.base.new), "dtype": dtype, "rounds": 1}  # fmt: skip
        try:
            out.mkdir(parents=True, exist_ok=True)
            save_adapter(self.model, out / ADAPTER)
            replaced(out / OPTIMISER, lambda path: torch.save(learn.state_dict(), path))
            (out / RUN).write_text(json.dumps(run))
            replaced(out / STATE, lambda path: Path(path).write_text(json.dumps({"step": done})))
        except OSError as error:
            raise ModelError(
                f"cannot write a checkpoint to {out}: {error}; name a folder that can be written"
            ) from None

    def restore(self, out: Path, learn: torch.optim.Optimizer) -> int:
        """As Policy.restore."""
        if not (out / STATE).is_file():
            return 0
        weights: dict[str, Tensor] = load_file(out / ADAPTER / "adapter_model.safetensors")
        peft.set_peft_model_state_dict(self.model, weights)
        learn.load_state_dict(torch.load(out / OPTIMISER, weights_only=True))
        self.settle()
        return int(json.loads((out / STATE).read_text())["step"])


class _Start(QwenPolicy):
    """The same model with its adapter switched off."""

    def __init__(self, policy: QwenPolicy):
        self.manifest, self.base, self.model, self.device = policy.manifest, policy.base, policy.model, policy.device
        self._engine = None

    @torch.no_grad()
    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        with self.model.disable_adapter():
            return super().read(images, readings)
