"""Greedy answers without a grammar, many scenes in one batch: what a spelling is worth when nothing helps it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from getok_core.engines.nano_network import Nano, Picture
from getok_core.reading import packed
from getok_core.vocabulary import END_ANSWER


@torch.no_grad()
def answers(model: Nano, picture: Picture, prompts: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """One answer a prompt, its end included if it came within `most` tokens. picture: of one image, or one a prompt."""
    device = model.embedding.weight.device
    ids, position, mask = (torch.from_numpy(array).to(device) for array in packed(prompts))
    hidden, past = model.hidden(ids, position, picture, mask=mask)
    token = _next(model, hidden, picture)
    said, ended = [token], token == END_ANSWER
    seen, at = mask[:, -1:], position[:, -1:] + 1
    while len(said) < most and not (len(said) % 16 == 0 and bool(ended.all())):
        seen = torch.cat([seen, seen.new_ones(len(seen), 1, 1)], dim=2)
        hidden, past = model.hidden(token[:, None], at, picture, past, seen)
        token, at = _next(model, hidden, picture), at + 1
        said.append(token)
        ended = ended | (token == END_ANSWER)
    return [_until_end(row) for row in torch.stack(said, dim=1).tolist()]


def _next(model: Nano, hidden: Tensor, picture: Picture) -> Tensor:
    return model.logits(hidden[:, -1:], picture)[:, 0].argmax(-1)


def _until_end(row: list[int]) -> list[int]:
    return row[: row.index(END_ANSWER) + 1] if END_ANSWER in row else row
