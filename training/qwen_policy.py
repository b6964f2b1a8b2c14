"""A Qwen-VL model as a policy of reinforcement learning: LoRA and the language's rows learn, the rest is held still.

Its start is an exported folder that speaks the language; the KL reference is that same model with the adapter switched
off, so it costs no memory. Replies come from the product's own torch engine over merged weights, made anew after each
update, or from a server (served_rollouts.py); probabilities are read through the model that learns. On many GPUs that
model may be sharded (sharding.py); the merged copy is whole on each, a server spares it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from peft import PeftConfig, PeftModel
from torch import Tensor, nn
from torch.utils import _pytree

from getok_core.engines.torch_engine import TorchEngine
from getok_core.errors import ModelError
from getok_core.lattice import Size
from getok_core.manifest import Manifest, read_manifest
from getok_core.protocol import Engine
from getok_core.view import RGB
from getok_core.vocabulary import END_ANSWER

from .adapter_files import write_adapter
from .base_batches import Inputs, collate
from .base_learner import ready, states
from .base_run import ADAPTER, RUN
from .base_samples import Example
from .checkpoint import replaced
from .model import RANK, Base, add_lora, learned, load_base, merged
from .policy import Policy, Reading
from .ranks import Ranks
from .served_rollouts import ServedEngine, Server
from .sharding import filled, shard, skeleton, spread, whole

RESUME = "grpo.pt"
"""steps, weights and moments in one file, which is replaced as a whole; the adapter beside it is what export takes"""
ROWS = 8
"""sequences in one pass, which bounds its memory"""
ALONE = Ranks()


class Reader(nn.Module):
    """A base with its adapter as one module that gives logits: what is sharded."""

    def __init__(self, model: PeftModel, image: int):
        """image: base id that stands for visual tokens."""
        super().__init__()
        self.model, self.image = model, image

    def forward(self, batch: Inputs, row: Tensor, place: Tensor) -> Tensor:
        """(K, base ids) float32 logits of what follows place (K,) of row (K,) of a batch."""
        base: Any = self.model.get_base_model()
        return base.get_output_embeddings()(states(base, batch, self.image)[row, place]).float()


class QwenPolicy:
    """A Qwen-VL base with an adapter that learns."""

    def __init__(self, folder: Path, device: str = "cpu", dtype: torch.dtype | str = "auto", rank: int = RANK,
                 ranks: Ranks = ALONE, server: Server | None = None):  # fmt: skip
        """folder: an exported model. server: draws the replies; the language's rows then stay, because a server of LoRA
        adapters takes none. Raises ModelError where there is no model or no server."""
        self.manifest: Manifest = read_manifest(folder)
        self.base: Base = load_base(folder, self.manifest.lattice, dtype)
        rows = () if server else self.base.new
        self.model: PeftModel = ready(add_lora(self.base.model, rows, rank, 2 * rank), True).to(device)
        self.device, self.ranks, self.server = torch.device(device), ranks, server
        self.bones = skeleton(self.model)
        self.reader = Reader(self.model, self.base.chat.image)
        if ranks.sharded:
            layers: Any = getattr(self.base.model, "_no_split_modules", None)  # the library's name for them
            shard(self.reader, layers or (), self.device)
        self._engine: Engine | None = None

    @property
    def view(self) -> Size:
        return self.manifest.view

    @property
    def at_once(self) -> int:
        return ROWS

    @property
    def _config(self) -> PeftConfig:
        return self.model.peft_config["default"]

    @property
    def engine(self) -> Engine:
        """What samples the weights as they are now: the product's engine over a merged copy, or the server."""
        if self._engine is None:
            self._engine = self._served(self.server) if self.server else self._merged()
        return self._engine

    def _served(self, server: Server) -> Engine:
        server.take(self.adapter(), self._config, self.ranks)
        return ServedEngine(self.manifest, server, self.base.vocabulary, self.read)

    def _merged(self) -> Engine:
        return TorchEngine.of(merged(filled(self.bones, self.model)).eval(), self.base.folder, self.manifest)

    def adapter(self) -> dict[str, Tensor]:
        """What learns, whole, under the names that adapter files have. All ranks must ask."""
        trained = {name: whole(weight.detach()) for name, weight in self.model.named_parameters()
                   if weight.requires_grad}  # fmt: skip
        return peft.get_peft_model_state_dict(self.model, trained, save_embedding_layers=False)

    def trained(self) -> list[torch.nn.Parameter]:
        """LoRA and the rows of the language's tokens."""
        lora, rows = learned(self.model)
        return [*lora, *rows]

    def settle(self) -> None:
        """What samples is out of date."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def frozen(self) -> Policy:
        """The model it began as: the same weights without the adapter."""
        return _Start(self)

    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        """As Policy.read, ROWS sequences at a time; where gradients are asked, all in the one pass they belong to."""
        size = max(1, len(readings)) if torch.is_grad_enabled() else ROWS
        passes = self.ranks.in_step(-(-len(readings) // size))
        return [row for at in range(passes) for row in self._read(images, readings[at * size : (at + 1) * size])]

    def _read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        if not readings:  # other ranks read more: their pass gathers this one's share of the weights
            width, height = self.view
            blank = np.zeros((height, width, 3), np.uint8)
            return self._read([blank], [Reading(0, [END_ANSWER], [0])])[:0]
        opening = self.base.chat.opening(self.base.pixels.visual_tokens(self.view))
        turns = [self.base.chat.turns(reading.ids) for reading in readings]
        ids = [np.asarray([*opening, *turn], np.int64) for turn, _ in turns]
        examples = [Example(one, one, images[reading.frame]) for one, reading in zip(ids, readings, strict=True)]
        batch = collate(examples, self.base.chat.end, self.base.pixels).on(self.device)
        places = [torch.as_tensor(reading.places, dtype=torch.int64) + shift + len(opening)
                  for reading, (_, shift) in zip(readings, turns, strict=True)]  # fmt: skip
        counts = [len(one) for one in places]
        row = torch.arange(len(readings)).repeat_interleave(torch.as_tensor(counts))
        logits = self.reader(batch, row.to(self.device), torch.cat(places).to(self.device))
        return list(torch.split(self._local(logits), counts))

    def _local(self, logits: Tensor) -> Tensor:
        """(T, rows) -> (T, V) of local ids; a token of the language has a text id as well, which never comes."""
        vocabulary = self.base.vocabulary
        doubled = np.isin(vocabulary.base_ids, vocabulary.language)
        doubled[: vocabulary.text_start] = False
        ids, never = (torch.from_numpy(array).to(self.device) for array in (vocabulary.base_ids, doubled))
        return logits[:, ids].masked_fill(never, -torch.inf)

    def save(self, out: Path, learn: torch.optim.Optimizer, done: int, writes: bool = True) -> None:
        """Adapter, optimiser and steps, whole; training.export_base takes the folder. Raises ModelError."""
        weights, moments = self.adapter(), _pytree.tree_map(whole, learn.state_dict())
        if not writes:
            return
        width, height = self.view
        dtype = str(self.base.model.dtype).removeprefix("torch.")
        run = {"base": str(self.base.folder), "lattice": self.manifest.lattice, "view": [width, height],
               "new_rows": list(self.base.new), "dtype": dtype, "rounds": 1}  # fmt: skip
        try:
            write_adapter(weights, self._config, out / ADAPTER)
            (out / RUN).write_text(json.dumps(run))
            state = {"step": done, "weights": weights, "optimiser": moments}
            replaced(out / RESUME, lambda path: torch.save(state, path))
        except OSError as error:
            raise ModelError(
                f"cannot write a checkpoint to {out}: {error}; name a folder that can be written"
            ) from None

    @torch.no_grad()
    def restore(self, out: Path, learn: torch.optim.Optimizer) -> int:
        """As Policy.restore; the checkpoint may come from another number of ranks."""
        if not (out / RESUME).is_file():
            return 0
        state: dict[str, Any] = torch.load(out / RESUME, weights_only=True, map_location="cpu")
        for name, live in peft.get_peft_model_state_dict(self.model, save_embedding_layers=False).items():
            live.copy_(spread(state["weights"][name], live))
        moments = state["optimiser"]["state"]
        for index, parameter in enumerate(self.trained()):
            mine = moments.get(index, {})
            mine |= {name: spread(value, parameter) for name, value in mine.items() if value.shape == parameter.shape}
        learn.load_state_dict(state["optimiser"])
        self.settle()
        return int(state["step"])


class _Start(QwenPolicy):
    """The same model with its adapter switched off."""

    def __init__(self, policy: QwenPolicy):
        self.__dict__ = dict(vars(policy), _engine=None)

    @torch.no_grad()
    def read(self, images: Sequence[RGB], readings: Sequence[Reading]) -> list[Tensor]:
        with self.model.disable_adapter():
            return super().read(images, readings)
