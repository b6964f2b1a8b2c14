"""Three ways to write a vertex: one grid token, the digits of its pixels, or one bin an axis; and back.

All write the same vertices, in parts of the image (N, 2) in 0..1. Reading back puts each vertex in a cell of a fine
lattice, so that the product's own parser judges every spelling, and keeps its exact place beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import XY
from getok_core.lattice import Size
from getok_core.queries import standard_vocabulary
from getok_core.vocabulary import GRID_START, OFFSET, OPEN, Vocabulary

FINE = standard_vocabulary(64)
"""what answers are read back to"""
BINS = 1000
_VERTEX = re.compile(r"\((\d{1,4}),(\d{1,4})\)")


class Read(NamedTuple):
    """An answer of T tokens as FINE spells it."""

    ids: list[int]
    places: XY
    """(T, 2) exact place, in parts of the image, of each token that is a vertex; NaN elsewhere"""


class Spelling(Protocol):
    """How vertices are written; n is the lattice whose cells decide which vertices are."""

    n: int

    @property
    def vocabulary(self) -> Vocabulary:
        """words, tags and cells"""
        ...

    @property
    def tokens(self) -> int:
        """ids the network knows"""
        ...

    @property
    def step(self) -> tuple[float, float]:
        """how fine it speaks, in parts of the image"""
        ...

    @property
    def coordinates(self) -> NDArray[np.bool_]:
        """(tokens,) True for ids that spell vertices"""
        ...

    def vertices(self, places: XY) -> tuple[list[int], NDArray[np.float32]]:
        """Places (N, 2) -> ids (T), and (T, 2) true positions in cells of those that are cells, NaN elsewhere."""
        ...

    def read(self, ids: Sequence[int]) -> Read:
        """An answer -> the same in FINE; what is no vertex inside a tag becomes a stray token there."""
        ...


class _Standard:
    """Spells with the standard vocabulary of its lattice."""

    n: int

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return standard_vocabulary(self.n)

    @cached_property
    def tokens(self) -> int:
        return self.vocabulary.size


@dataclass(frozen=True)
class Grid(_Standard):
    """One token a vertex: its cell."""

    n: int = 32
    smooth: bool = True
    """targets are spread over neighbouring cells"""

    @property
    def step(self) -> tuple[float, float]:
        return 1 / self.n, 1 / self.n

    @cached_property
    def coordinates(self) -> NDArray[np.bool_]:
        return (np.arange(self.tokens) >= GRID_START) & (np.arange(self.tokens) < self.vocabulary.text_start)

    def vertices(self, places: XY) -> tuple[list[int], NDArray[np.float32]]:
        goals = (places * self.n).astype(np.float32)
        return self.vocabulary.grid_ids(cells(places, self.n)).tolist(), goals if self.smooth else _nowhere(len(goals))

    def read(self, ids: Sequence[int]) -> Read:
        vocabulary = self.vocabulary

        def vertex(run: list[int]) -> Iterator[tuple[float, float] | None]:
            for token in run:
                (cell,) = vocabulary.cells([token]) if vocabulary.is_grid(token) else (None,)
                yield None if cell is None else tuple((cell + 0.5) / self.n)

        return _read(ids, vocabulary, vertex)


@dataclass(frozen=True)
class Text(_Standard):
    """Digits: `(x,y),(x,y)` in whole pixels of the network's input, a byte a token."""

    size: Size
    """width, height of the network's input"""
    n: int = 32

    @property
    def step(self) -> tuple[float, float]:
        return 1 / self.size[0], 1 / self.size[1]

    @cached_property
    def coordinates(self) -> NDArray[np.bool_]:
        mask = np.zeros(self.tokens, np.bool_)
        mask[self.vocabulary.encode_text("(0123456789),")] = True
        return mask

    def vertices(self, places: XY) -> tuple[list[int], NDArray[np.float32]]:
        pixels = np.round(places * self.size).astype(int).tolist()
        ids = self.vocabulary.encode_text(",".join(f"({x},{y})" for x, y in pixels))
        return ids, _nowhere(len(ids))

    def read(self, ids: Sequence[int]) -> Read:
        width, height = self.size

        def vertex(run: list[int]) -> Iterator[tuple[float, float] | None]:
            said = "".join(self.vocabulary.decode_text([token]) or "?" for token in run)
            for piece in said.replace("),(", ")\n(").split("\n"):
                numbers = _VERTEX.fullmatch(piece)
                x, y = map(int, numbers.groups()) if numbers else (-1, -1)
                yield (x / width, y / height) if 0 <= x <= width and 0 <= y <= height else None

        return _read(ids, self.vocabulary, vertex)


@dataclass(frozen=True)
class Bins(_Standard):
    """Two tokens a vertex, x then y, from one range of bins that both axes share; their ids follow the vocabulary's."""

    n: int = 32

    @cached_property
    def tokens(self) -> int:
        return self.vocabulary.size + BINS

    @property
    def step(self) -> tuple[float, float]:
        return 1 / BINS, 1 / BINS

    @cached_property
    def coordinates(self) -> NDArray[np.bool_]:
        return np.arange(self.tokens) >= self.vocabulary.size

    def vertices(self, places: XY) -> tuple[list[int], NDArray[np.float32]]:
        ids = (cells(places, BINS) + self.vocabulary.size).ravel().tolist()
        return ids, _nowhere(len(ids))

    def read(self, ids: Sequence[int]) -> Read:
        def vertex(run: list[int]) -> Iterator[tuple[float, float] | None]:
            for pair in (run[at : at + 2] for at in range(0, len(run), 2)):
                bins = np.asarray(pair) - self.vocabulary.size
                yield tuple((bins + 0.5) / BINS) if len(bins) == 2 and (bins >= 0).all() else None

        return _read(ids, self.vocabulary, vertex)


def cells(places: XY, n: int) -> NDArray[np.int64]:
    """Places in parts of the image (N, 2) -> cells of an n x n lattice, clamped to it."""
    return np.clip(np.floor(np.asarray(places) * n), 0, n - 1).astype(np.int64)


def _nowhere(count: int) -> NDArray[np.float32]:
    return np.full((count, 2), np.nan, np.float32)


def _read(ids: Sequence[int], vocabulary: Vocabulary,
          vertex: Callable[[list[int]], Iterator[tuple[float, float] | None]]) -> Read:  # fmt: skip
    """Runs between tags are read as vertices; all else is the same token of FINE."""
    out: list[int] = []
    places: list[tuple[float, float]] = []
    run: list[int] | None = None

    def say(token: int, place: tuple[float, float] = (np.nan, np.nan)) -> None:
        out.append(token)
        places.append(place)

    def spoken(run: list[int]) -> None:
        for place in vertex(run) if run else ():
            if place is None:
                say(OFFSET)
            else:
                say(int(FINE.grid_ids(cells(np.asarray([place]), FINE.n))[0]), place)

    for token in ids:
        if run is not None and (token < GRID_START or token == vocabulary.newline):
            spoken(run)
            run = None
        if run is not None:
            run.append(token)
        elif vocabulary.is_grid(token) or token >= vocabulary.size:
            say(OFFSET)
        else:
            say(token + FINE.text_start - vocabulary.text_start if token >= vocabulary.text_start else token)
        if token in OPEN.values():
            run = []
    spoken(run or [])
    return Read(out, np.asarray(places, np.float64).reshape(-1, 2))
