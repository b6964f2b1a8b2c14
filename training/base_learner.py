"""What one batch teaches: the sum of cross-entropies over its targets. Knows no optimiser, no ranks and no files."""

from __future__ import annotations

from typing import Any

from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional as F

from .base_batches import Inputs
from .segments import IGNORE


def states(whole: Any, batch: Inputs, image: int) -> Tensor:
    """What the last layer of a base leaves at every token of a batch: (B, T, width). image: as of Learner."""
    return whole.model(
        input_ids=batch.ids,
        attention_mask=batch.seen,
        pixel_values=None if batch.patches is None else batch.patches.to(whole.dtype),
        image_grid_thw=batch.grids,
        mm_token_type_ids=(batch.ids == image).int(),
        use_cache=False,
    ).last_hidden_state


class Learner(nn.Module):
    """A base with its adapter as one module that maps a batch to its loss: what an engine of many GPUs wraps."""

    def __init__(self, model: PeftModel, image: int):
        """image: base id that stands for visual tokens."""
        super().__init__()
        self.model, self.image = model, image
        self._no_split_modules = model.get_base_model()._no_split_modules
        """names of the layers that FSDP shards one by one"""

    def forward(self, batch: Inputs) -> Tensor:
        """Sum of the losses of all targets, in fp32. Logits are made only where one is asked."""
        whole = self.model.get_base_model()
        hidden = states(whole, batch, self.image)
        asked = batch.targets != IGNORE
        # Where a batch asks nothing, its first token keeps every weight in the graph: all ranks reduce the same ones.
        hidden = hidden[asked] if asked.any() else hidden[:, 0] * 0
        logits = whole.get_output_embeddings()(hidden).float()
        if not asked.any():
            return 0 * logits.sum()
        return F.cross_entropy(logits, batch.targets[asked], reduction="sum")


def ready(model: PeftModel, checkpointing: bool) -> PeftModel:
    """Sets a model up for training; checkpointing: a layer's activations are computed again instead of kept."""
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()
