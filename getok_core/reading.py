"""Forward passes over many sequences: how they are laid side by side, and what a refinement reads from it.

Whatever runs the network: it takes ids, positions and a mask, and gives logits of every place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .decoding import Logits, by_frame
from .protocol import Offsets
from .refine import Draft
from .vocabulary import DELETE, OFFSET_START, OFFSETS, PAD, Vocabulary

Ids = NDArray[np.int64]
Seen = NDArray[np.bool_]
Read = Callable[[Ids, Ids, Seen], Logits]
"""ids and positions (B, T), mask (B, T, T), True where seen -> logits (B, T, V), over one picture"""


def packed(sequences: Sequence[Sequence[int]]) -> tuple[Ids, Ids, Seen]:
    """Sequences of any length -> ids, positions (B, T), padded on the left, and mask (B, T, T), True where seen."""
    length = max(map(len, sequences))
    ids = np.full((len(sequences), length), PAD, np.int64)
    pads = np.asarray([length - len(sequence) for sequence in sequences])
    for row, sequence in enumerate(sequences):
        ids[row, pads[row] :] = sequence
    place = np.arange(length)
    position = np.maximum(place - pads[:, None], 0)
    mask = (place[:, None] >= place) & (place >= pads[:, None])[:, None, :]
    return ids, position, mask


MOST_TOKENS, MOST_PADS = 1024, 48
"""of one call, pads included"""


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Places of sequences that share a call: short ones with short ones.

    One long question neither slows the others down nor multiplies the memory of a call; a runtime that reserves what
    its largest call took, reserves little.
    """
    groups: list[list[int]] = []
    pads = 0
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        group, length = groups[-1] if groups else [], lengths[place]
        pads += len(group) * (length - lengths[group[-1]]) if group else 0
        if not group or pads > MOST_PADS or (len(group) + 1) * length > MOST_TOKENS:
            groups.append([])
            pads = 0
        groups[-1].append(place)
    return groups


def refine_frames(frames: Sequence[Read], drafts: Sequence[Draft], vocabulary: Vocabulary) -> list[Offsets]:
    """Offsets in the order of the drafts; a pass over drafts of like length reads them. Raises as by_frame."""
    found: dict[int, Offsets] = {}
    for frame, mine in by_frame(len(frames), drafts):
        sequences = [drafts[index].sequence(vocabulary) for index in mine]
        for group in alike([len(ids) for ids, _ in sequences]):
            ids, position, mask = packed([sequences[place][0] for place in group])
            logits = frames[frame](ids, position, mask)
            for row, place in enumerate(group):
                own, places = sequences[place]
                found[mine[place]] = offsets_of(logits[row, np.asarray(places) + ids.shape[1] - len(own)])
    return [found[index] for index in range(len(drafts))]


def offsets_of(logits: Logits) -> Offsets:
    """Logits (slots, V) -> an offset or `<delete>` for each: deleted when that outweighs all offsets together.

    Where a logit is no finite number the id is `<pad>`, which moves nothing.
    """
    ten = logits[:, DELETE : OFFSET_START + len(OFFSETS)].astype(np.float64)
    logp = ten - np.logaddexp.reduce(ten, axis=1, keepdims=True)
    best = np.where(logp[:, 0] > np.log(0.5), 0, 1 + logp[:, 1:].argmax(axis=1))
    ids = np.where(np.isfinite(ten).all(axis=1), best + DELETE, PAD)
    return Offsets(ids, logp[np.arange(len(best)), best])
