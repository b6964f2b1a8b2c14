"""How the rows of new tokens start in a base's embedding and head; mean-resizing leaves the unused ones untouched.

A cell starts as the mean of the trained rows plus 2-D waves as strong as those rows vary (ours): cells near each other
start alike, and all start as long as an ordinary word. Any other token starts as the mean of the words that spell it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.engines.nano_network import plane_waves
from getok_core.vocabulary import GRID_START


@torch.no_grad()
def start_rows(weight: Tensor, vocabulary: BaseVocabulary, new: Sequence[int]) -> None:
    """Fills rows `new` (base ids) of weight (rows, dim) in place; all other rows stay as they are, to the bit.

    Rows that no token uses, here or in the base, are filled with the mean: whatever padding held says nothing.
    """
    trained = [base for base, piece in enumerate(vocabulary.pieces) if piece is not None and base not in set(new)]
    spread, mean = torch.std_mean(weight[trained].float(), dim=0)
    local = vocabulary.local_ids(new)
    cells = [at for at, token in enumerate(local) if vocabulary.is_grid(int(token))]
    words = [at for at, token in enumerate(local) if not vocabulary.is_grid(int(token))]
    rows = mean.repeat(len(new), 1)
    waves = math.sqrt(2) * plane_waves(vocabulary.n, vocabulary.n, weight.shape[1]).to(mean.device)
    rows[cells] += spread * waves[torch.as_tensor(local[cells] - GRID_START, device=mean.device)]
    for at in words:
        spelled = vocabulary.base_ids[vocabulary.encode_text(_wording(vocabulary.tokens[int(local[at])]))]
        rows[at] = weight[spelled.tolist()].float().mean(0)
    weight[list(new)] = rows.to(weight.dtype)
    used = 1 + max(*vocabulary.language, len(vocabulary.pieces) - 1)
    weight[used:] = mean.to(weight.dtype)


def _wording(spelling: str) -> str:
    """`</box>` -> end box; `<off_-1_0>` -> off -1 0."""
    return spelling.strip("<>").replace("/", "end ").replace("_", " ")
