"""One picture's text on a CPU: every sequence has a row of keys and values, which the graph writes in place.

A row begins with the picture's visual tokens. Long prompts are read one by one, so that none is padded; then all rows
take a token a step. A row that goes on changes places with one that has ended, and rows that are full are lengthened;
nothing else is ever copied. A refinement reads only what its row does not hold: its proposal stands there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import onnxruntime as ort  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from ..decoding import Logits, Stepper, by_frame, decode_frames
from ..protocol import Limits, Offsets, Reply, Request
from ..reading import offsets_of
from ..refine import Draft
from ..vocabulary import Vocabulary

CPU_GRAPHS = ("vision_cpu", "text_cpu")
"""training/cpu_graphs.py writes them"""
CPU_PICTURE = ("rows", "table", "head")
"""what the vision graph gives and the text graph takes"""
_SPARE = 64
"""places that rows grow by"""


def cache_names(layer: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Names of a layer's keys and values as the text graph takes them, and as it gives them back."""
    return (f"keys_{layer}", f"values_{layer}"), (f"keys_{layer}_written", f"values_{layer}_written")


class CachedFrames:
    """Frames of getok_core.protocol over pictures that vision_cpu encoded."""

    def __init__(self, session: ort.InferenceSession, pictures: Sequence[Sequence[NDArray[np.float32]]],
                 vocabulary: Vocabulary, seconds: float):  # fmt: skip
        self._texts = [CachedText(session, picture) for picture in pictures]
        self._vocabulary, self.seconds = vocabulary, seconds

    def __enter__(self) -> CachedFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._texts = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests; those about one picture are decoded as one batch."""
        return decode_frames(self.steppers(), requests, self._vocabulary, limits)

    def steppers(self) -> list[Stepper]:
        """What decodes a batch, one a picture."""
        return list(self._texts)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """Every draft in a call of its own, of what the cache does not yet hold of it."""
        found: dict[int, Offsets] = {}
        for frame, mine in by_frame(len(self._texts), drafts):
            for index in mine:
                found[index] = offsets_of(self._texts[frame].read(*drafts[index].sequence(self._vocabulary)))
        return [found[index] for index in range(len(drafts))]


class CachedText:
    """Stepper of getok_core.decoding over one picture, and reader of single sequences."""

    def __init__(self, session: ort.InferenceSession, picture: Sequence[NDArray[np.float32]]):
        """picture: what vision_cpu gave: how rows begin (2 L, heads, P, d), table (V, dim), head (dim, V)."""
        self._session = cast(Any, session)
        self._beginning, self._table, self._head = picture
        count, heads, self._seen, d = self._beginning.shape
        self._cache = np.empty((count, 0, heads, self._seen, d), np.float32)
        self._said: list[list[int]] = []
        """tokens whose keys and values stand in each row, behind the picture's"""
        self._call: _Call | None = None
        """the next step of the rows that go on, which are the first"""

    def read(self, ids: Sequence[int], wanted: Sequence[int]) -> Logits:
        """One sequence -> logits (wanted, V) of these places. Of a row that begins alike only the rest is read."""
        self._make_room(1, len(ids))
        shared = [min(_shared_length(said, ids), len(ids) - 1, *wanted) for said in self._said]
        row = shared.index(max(shared))
        return self._read(row, ids, shared[row], np.asarray(wanted, np.int64))

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        shortest, longest = min(map(len, prompts)), max(map(len, prompts))
        self._make_room(len(prompts), longest + _SPARE)
        if shortest < longest or longest > len(prompts):
            last = [self._read(row, ids, 0, np.asarray([len(ids) - 1])) for row, ids in enumerate(prompts)]
            return np.concatenate(last)
        for said in self._said:  # fewer tokens than prompts: a step each takes fewer calls
            said.clear()
        steps = [self.step(np.arange(len(prompts)), np.asarray(tokens)) for tokens in zip(*prompts, strict=True)]
        return steps[-1]

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        for to, row in enumerate(rows):
            self._swap(to, int(row))
        for said, token in zip(self._said, tokens, strict=False):
            said.append(int(token))
        lengths = [len(said) for said in self._said[: len(rows)]]
        if self._seen + max(lengths) > self._cache.shape[3]:
            self._make_room(len(rows), max(lengths) + _SPARE)
        if self._call is None or self._call.rows != len(rows):
            self._call = self._bound(0, len(rows), 1, np.arange(len(rows)))
        return self._call.run(tokens[:, None], self._seen + np.asarray(lengths))

    def _read(self, row: int, ids: Sequence[int], known: int, wanted: NDArray[np.int64]) -> Logits:
        """A sequence into a row that knows its beginning."""
        self._said[row] = list(ids)
        call = self._bound(row, 1, len(ids) - known, wanted - known)
        return call.run(np.asarray(ids[known:]), self._seen + len(ids))

    def _swap(self, one: int, other: int) -> None:
        """Rows change places: those that go on come first, and what has ended stays for its refinement."""
        if one != other:
            said, pair = self._said, [one, other]
            used = slice(self._seen, self._seen + max(len(said[one]), len(said[other])))
            self._cache[:, pair, :, used] = self._cache[:, pair[::-1], :, used]
            said[one], said[other] = said[other], said[one]

    def _make_room(self, rows: int, text: int) -> None:
        """At least so many rows of so many places for text, each with the picture at its beginning."""
        count, held_rows, heads, held, d = self._cache.shape
        if rows > held_rows or self._seen + text > held:
            shape = (count, max(rows, held_rows), heads, max(self._seen + text, held), d)
            cache = np.empty(shape, np.float32)
            cache[:, :, :, : self._seen] = self._beginning[:, None]
            cache[:, :held_rows, :, self._seen : held] = self._cache[:, :, :, self._seen :]
            self._cache, self._call = cache, None
            self._said += [[] for _ in range(rows - held_rows)]

    def _bound(self, row: int, count: int, length: int, wanted: NDArray[np.int64]) -> _Call:
        """A call of the graph for so many rows and tokens a row."""
        given = {"table": self._table, "head": self._head, "wanted": wanted}
        return _Call(self._session, given, self._cache[:, row : row + count], length)


class _Call:
    """The text graph bound to memory that it reads from and writes to."""

    def __init__(self, session: Any, given: dict[str, NDArray[Any]], cache: NDArray[np.float32], length: int):
        """cache (2 L, rows, heads, room, d); length: tokens a row."""
        self._session, self._binding = session, session.io_binding()
        rows, answers, words = cache.shape[1], len(given["wanted"]), len(given["table"])
        self._ids, self._ends = np.empty((rows, length), np.int64), np.empty(rows, np.int32)
        self._longest = np.empty((), np.int32)
        self._logits: Logits = np.empty((answers, words), np.float32)
        self._given = {**given, "ids": self._ids, "ends": self._ends, "longest": self._longest}
        self._cache = cache  # kept, as all that is bound: onnxruntime only borrows it
        for name, values in self._given.items():
            self._binding.bind_ortvalue_input(name, _borrowed(values))
        self._binding.bind_ortvalue_output("logits", _borrowed(self._logits))
        for at, part in enumerate(cache):
            before, after = cache_names(at // 2)
            self._binding.bind_ortvalue_input(before[at % 2], _borrowed(part))
            self._binding.bind_ortvalue_output(after[at % 2], _borrowed(part))

    @property
    def rows(self) -> int:
        return len(self._ends)

    def run(self, ids: NDArray[np.int64], lengths: NDArray[np.int64] | int) -> Logits:
        """Tokens (rows, length), lengths of the rows with them, the picture's included -> logits (wanted, V)."""
        self._ids[:], self._ends[:], self._longest[...] = ids, np.subtract(lengths, 1), np.max(lengths)
        self._session.run_with_iobinding(self._binding)
        return np.array(self._logits)


def _borrowed(values: NDArray[Any]) -> Any:
    """The same memory as an array of onnxruntime's."""
    return cast(Any, ort).OrtValue.ortvalue_from_numpy(values)


def _shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences have in common from their first on."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
