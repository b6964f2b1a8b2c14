"""One-pass offsets for the answers of a batch of scenes, as the product reads them for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from getok_core.engines.nano_network import Nano, Picture
from getok_core.geometry import XY
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.reading import offsets_of, packed
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import Vocabulary

WHOLE = (1, 1)
"""size of an image whose pixels are parts of it"""


Proposal = tuple[Sequence[int], Sequence[int], AnswerForm]
"""prompt, answer in grid tokens, and the form it should have"""


def refined(
    model: Nano, picture: Picture, proposals: Sequence[Proposal], vocabulary: Vocabulary, rounds: int
) -> list[list[tuple[str, XY]]]:
    """Proposals over a picture of one image, or one each -> kind and vertices (N, 2), in parts of the image."""
    drafts = [_draft(*proposal, vocabulary) for proposal in proposals]
    for _ in range(rounds):
        drafts = _round(model, picture, drafts, vocabulary)
    lattice = Lattice(vocabulary.n)
    return [[(part.kind, draft.points(part, lattice, WHOLE)) for part in draft.parts] for draft in drafts]


def _draft(prompt: Sequence[int], said: Sequence[int], form: AnswerForm, vocabulary: Vocabulary) -> Draft:
    parsed = parse(said, vocabulary, form)
    return Draft.of(tuple(prompt), tuple(said[:-1] if parsed.closed else said), parsed.instances)


@torch.no_grad()
def _round(model: Nano, picture: Picture, drafts: list[Draft], vocabulary: Vocabulary) -> list[Draft]:
    sequences = [draft.sequence(vocabulary) for draft in drafts]
    device = model.embedding.weight.device
    ids, position, mask = (torch.from_numpy(array).to(device) for array in packed([ids for ids, _ in sequences]))
    hidden, _ = model.hidden(ids, position, picture, mask=mask)
    logits = model.logits(hidden, picture)
    moved = []
    for row, (draft, (own, reads)) in enumerate(zip(drafts, sequences, strict=True)):
        at = np.asarray(reads, np.int64) + ids.shape[1] - len(own)
        offsets = offsets_of(logits[row, torch.from_numpy(at).to(device)].float().cpu().numpy())
        moved.append(draft.apply(offsets.ids))
    return moved
