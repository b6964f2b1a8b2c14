"""One pass over many sequences laid end to end: prompts fill the cache, drafts are read, nothing is padded to a length.

A token sees the prefix and what stands before it in its own sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..decoding import Logits
from ..errors import ModelError
from ..protocol import Offsets
from ..reading import offsets_of
from ..refine import Draft
from ..vocabulary import DELETE
from .qwen_language import Cache, Write
from .qwen_network import MOST_PLACES, QwenNetwork
from .replayed import Replayed, Replays

SIZES = (64, 128, 192, 256, 384, 512, 768, 1024, 1536, MOST_PLACES)
"""tokens of a pass; a shorter one is filled up"""
PREPARED = 768
"""tokens of the longest pass that is made ready: a scene's; the memory that attention takes grows with their square"""


def least(sizes: Sequence[int], wanted: int) -> int:
    """The smallest of the sizes that is enough. Raises ModelError where none is."""
    for size in sizes:
        if size >= wanted:
            return size
    raise ModelError(f"{wanted} tokens or rows at once: at most {sizes[-1]} fit; ask for less")


def laid(sequences: Sequence[Sequence[int]], size: int, rest: int) -> NDArray[np.int64]:
    """Sequences end to end -> (3, size): ids, row and place of each token; what fills up belongs to row `rest`."""
    flat = np.zeros((3, size), np.int64)
    flat[1] = rest
    start = 0
    for row, ids in enumerate(sequences):
        end = start + len(ids)
        flat[0, start:end], flat[1, start:end], flat[2, start:end] = ids, row, np.arange(len(ids))
        start = end
    flat[2, start:] = np.arange(size - start)
    return flat


def seen_of(row: Tensor, place: Tensor) -> Tensor:
    """Rows and places (N,) -> (1, N, N) True for what stands before in the same row, or is the token itself."""
    return ((row[:, None] == row) & (place <= place[:, None]))[None]


def grouped(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of sequences, in groups of at most MOST_PLACES tokens. Raises ModelError where one alone is longer."""
    group: list[int] = []
    for index, length in enumerate(lengths):
        if length > MOST_PLACES:
            raise ModelError(f"a sequence of {length} tokens: at most {MOST_PLACES} follow the image; ask for less")
        if sum(lengths[one] for one in group) + length > MOST_PLACES:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


class Passes:
    """The passes of one network over its present prefix."""

    def __init__(self, network: QwenNetwork, prefix: Cache, replays: Replays):
        """prefix: the tensors in which the image in work always lies."""
        self.network, self.prefix, self._replays = network, prefix, replays
        device, language = network.device, network.language
        self._flat = torch.zeros(3, MOST_PLACES, dtype=torch.int64, device=device)
        self._goes = torch.zeros(MOST_PLACES, dtype=torch.int64, device=device)
        self._ten = torch.zeros(MOST_PLACES, language.head[:10].shape[0], device=device)

    def prepare(self, cache: Cache, ends: Tensor) -> None:
        """Makes the passes of usual sizes, over prompts into this cache and over drafts."""
        for size in (size for size in SIZES if size <= PREPARED):
            self._filling(size, cache, ends)
            self._refining(size)

    def _filling(self, size: int, cache: Cache, ends: Tensor) -> Replayed:
        return self._replays.of(("fill", size, cache.keys.data_ptr()), lambda: self._fill(size, cache, ends))

    def _refining(self, size: int) -> Replayed:
        return self._replays.of(("refine", size), lambda: self._refine(size))

    def fill(self, sequences: Sequence[Sequence[int]], cache: Cache, ends: Tensor) -> None:
        """Base ids of sequences -> keys and values in rows 0, 1, .. of the cache, last states in rows of `ends`.

        The last rows of cache and of ends, (rows, D), take what fills a pass up.
        """
        rest = len(ends) - 1
        groups = [[sequences[index] for index in group] for group in grouped([len(ids) for ids in sequences])]
        sizes = [least(SIZES, sum(map(len, group))) for group in groups]
        # All graphs before any of them counts: making one writes over what another has filled.
        works = [self._filling(size, cache, ends) for size in sizes]
        done = 0
        for of_group, size, work in zip(groups, sizes, works, strict=True):
            group = list(range(done, done + len(of_group)))
            done += len(of_group)
            flat = laid(of_group, size, rest)
            flat[1] = np.where(flat[1] == rest, rest, np.asarray([*group, rest])[np.minimum(flat[1], len(group))])
            goes = np.full(size, rest)
            goes[np.cumsum([len(ids) for ids in of_group]) - 1] = group
            self._flat[:, :size].copy_(self._sent(flat))
            self._goes[:size].copy_(self._sent(goes))
            work()

    def _fill(self, size: int, cache: Cache, ends: Tensor) -> Callable[[], None]:
        def work() -> None:
            ids, row, place = self._flat[:, None, :size]
            write = Write(cache, row, place.clamp(max=cache.keys.shape[3] - 1), read_back=False)
            states = self._read(ids, row[0], place, write)
            ends.index_copy_(0, self._goes[:size], states[0])

        return work

    def refine(self, drafts: Sequence[Draft]) -> list[Offsets]:
        """Offsets in the order of the drafts, which are about the image in work."""
        vocabulary, chat = self.network.vocabulary, self.network.chat
        read: dict[int, Offsets] = {}
        sequences = [draft.sequence(vocabulary) for draft in drafts]
        turned = [chat.turns(ids) for ids, _ in sequences]
        for group in grouped([len(ids) for ids, _ in turned]):
            of_group = [turned[index] for index in group]
            logits = self._offset_logits([ids for ids, _ in of_group])
            start = 0
            for index, (ids, shift) in zip(group, of_group, strict=True):
                at = np.asarray(sequences[index][1], np.int64) + shift + start
                wide = np.zeros((len(at), DELETE + logits.shape[1]), np.float32)
                wide[:, DELETE:] = logits[at]
                read[index] = offsets_of(wide)
                start += len(ids)
        return [read[index] for index in range(len(drafts))]

    def _offset_logits(self, sequences: Sequence[Sequence[int]]) -> Logits:
        """(N, 10) logits of `<delete>` and the offsets after every token."""
        size = least(SIZES, sum(map(len, sequences)))
        work = self._refining(size)
        self._flat[:, :size].copy_(self._sent(laid(sequences, size, len(sequences))))
        work()
        return self._ten[:size].cpu().numpy()

    def _refine(self, size: int) -> Callable[[], None]:
        def work() -> None:
            ids, row, place = self._flat[:, None, :size]
            self._ten[:size].copy_(self.network.offset_logits(self._read(ids, row[0], place, None)[0]))

        return work

    def last_logits(self, sequences: Sequence[Sequence[int]]) -> Logits:
        """Base ids of sequences -> logits (B, V) of what follows each, nothing kept: the plain way."""
        found: list[Logits] = []
        for group in grouped([len(ids) for ids in sequences]):
            lengths = [len(sequences[index]) for index in group]
            flat = self._sent(laid([sequences[index] for index in group], sum(lengths), 0))
            ids, row, place = flat[:, None]
            ends = torch.from_numpy(np.cumsum(lengths) - 1).to(self.network.device)
            states = self._read(ids, row[0], place, None)[0, ends]
            found.append(self.network.logits(states).cpu().numpy())
        return np.concatenate(found)

    def _read(self, ids: Tensor, row: Tensor, place: Tensor, write: Write | None) -> Tensor:
        position = (place + self.network.base_position).clamp(max=len(self.network.language.cos) - 1)
        return self.network.language.read(ids, position, self.prefix, seen_of(row, place[0]), write)

    def _sent(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self.network.device, non_blocking=True)


class PlainStepper:
    """Stepper of getok_core.decoding that keeps nothing: every step reads all sequences anew. What is fast must agree.

    Also serves what the device does not follow: offsets one after another, and sampling without a grammar.
    """

    def __init__(self, passes: Passes):
        self._passes, self._sequences = passes, list[list[int]]()

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        """Local prompts of B sequences -> logits (B, V) of what follows each."""
        self._sequences = [list(prompt) for prompt in prompts]
        return self._read()

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        """Keeps only `rows` (K,) of the batch, appends a token to each -> logits (K, V)."""
        pairs = zip(map(int, rows), map(int, tokens), strict=True)
        self._sequences = [[*self._sequences[row], token] for row, token in pairs]
        return self._read()

    def _read(self) -> Logits:
        turns = self._passes.network.chat.turns
        return self._passes.last_logits([turns(ids)[0] for ids in self._sequences])
