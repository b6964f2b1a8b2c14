"""The only place that spells a token. Local ids are canonical: a manifest maps them to a base model's own ids.

Order of ids: `<pad>`, tags, `<delete>`, nine offsets, seven steps, n x n cells (row by row), 256 bytes, words. Text is
words first (longest match), bytes for the rest, so it can spell anything and never a geometry token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .lattice import IJ, STEPS

KIND_TAGS = ("pt", "box", "pl", "poly", "seg")
TAGS = tuple(f"<{slash}{tag}>" for tag in ("think", "answer", *KIND_TAGS, "offset") for slash in ("", "/"))
OFFSETS = tuple((du, dv) for dv in (-1, 0, 1) for du in (-1, 0, 1))
"""(du, dv) of the nine offset tokens in the order of their ids"""

PAD = 0
_TAG_ID = {tag: 1 + index for index, tag in enumerate(TAGS)}
THINK, END_THINK = _TAG_ID["<think>"], _TAG_ID["</think>"]
ANSWER, END_ANSWER = _TAG_ID["<answer>"], _TAG_ID["</answer>"]
OFFSET, END_OFFSET = _TAG_ID["<offset>"], _TAG_ID["</offset>"]
OPEN = {kind: _TAG_ID[f"<{kind}>"] for kind in KIND_TAGS}
CLOSE = {kind: _TAG_ID[f"</{kind}>"] for kind in KIND_TAGS}
DELETE = 1 + len(TAGS)
OFFSET_START = DELETE + 1
STEP_START = OFFSET_START + len(OFFSETS)
GRID_START = STEP_START + len(STEPS)


@dataclass(frozen=True)
class Vocabulary:
    """Token ids of one lattice size n and one list of words."""

    n: int = 32
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.words:
            if not word or "<" in word or not word.isprintable():
                raise ValueError(f"a word is printable text without '<', got {word!r}: leave it out")
        if len(set(self.words)) != len(self.words):
            raise ValueError(f"{len(self.words)} words, but only {len(set(self.words))} different ones: list each once")

    @cached_property
    def text_start(self) -> int:
        """first id that is text; all ids before it are the language's own"""
        return GRID_START + self.n * self.n

    @cached_property
    def size(self) -> int:
        return self.text_start + 256 + len(self.words)

    @cached_property
    def newline(self) -> int:
        return self.text_start + ord("\n")

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Spelling of every id; bytes are spelled `<0x41>`."""
        cells = (f"<grid_{i}_{j}>" for j in range(self.n) for i in range(self.n))
        return (
            "<pad>",
            *TAGS,
            "<delete>",
            *(f"<off_{du}_{dv}>" for du, dv in OFFSETS),
            *(f"<step_{k}>" for k in STEPS),
            *cells,
            *(f"<0x{byte:02X}>" for byte in range(256)),
            *self.words,
        )

    @cached_property
    def digest(self) -> str:
        """sha256 of every spelling in the order of ids: what a manifest must agree with."""
        return hashlib.sha256("\0".join(self.tokens).encode()).hexdigest()

    # -- geometry ------------------------------------------------------------------------------------------------

    def grid_ids(self, ij: IJ) -> NDArray[np.int64]:
        """Cells (N, 2) as column, row -> ids (N,). Raises ValueError for a cell outside the lattice."""
        ij = np.asarray(ij, np.int64).reshape(-1, 2)
        if ij.size and not ((ij >= 0) & (ij < self.n)).all():
            raise ValueError(f"cells must lie in 0..{self.n - 1}, got {ij.min()}..{ij.max()}")
        return GRID_START + ij[:, 1] * self.n + ij[:, 0]

    def cells(self, ids: Iterable[int]) -> IJ:
        """Grid ids -> cells (N, 2) as column, row."""
        flat = np.asarray(list(ids), np.int64) - GRID_START
        return np.stack([flat % self.n, flat // self.n], axis=-1).reshape(-1, 2)

    def is_grid(self, token: int) -> bool:
        return GRID_START <= token < self.text_start

    def is_text(self, token: int) -> bool:
        return self.text_start <= token < self.size

    # -- text ----------------------------------------------------------------------------------------------------

    @cached_property
    def _word_ids(self) -> dict[str, int]:
        return {word: self.text_start + 256 + index for index, word in enumerate(self.words)}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.words), default=0)

    def encode_text(self, text: str) -> list[int]:
        """Any text -> ids. A word is taken only where no letter or digit touches it; the rest becomes UTF-8 bytes."""
        ids: list[int] = []
        at = 0
        while at < len(text):
            for end in range(min(len(text), at + self._longest), at, -1):
                if text[at:end] in self._word_ids and not _touches(text, at, end):
                    ids.append(self._word_ids[text[at:end]])
                    at = end
                    break
            else:
                ids.extend(self.text_start + byte for byte in text[at].encode("utf-8", "replace"))
                at += 1
        return ids

    def decode_text(self, ids: Sequence[int]) -> str:
        """Text ids -> text; ids that are not text are left out, broken UTF-8 becomes U+FFFD."""
        raw = b""
        for token in ids:
            if self.is_text(token):
                local = token - self.text_start
                raw += bytes([local]) if local < 256 else self.words[local - 256].encode()
        return raw.decode("utf-8", "replace")

    @cached_property
    def label_text(self) -> NDArray[np.bool_]:
        """(size,) True for text that may stand in a label or free answer: no `<`, no control character."""
        mask = np.zeros(self.size, np.bool_)
        mask[self.text_start :] = True
        for byte in (*range(32), ord("<"), 127):
            mask[self.text_start + byte] = False
        return mask

    @cached_property
    def blank(self) -> NDArray[np.bool_]:
        """(size,) True for text that is nothing but spaces: a label needs more."""
        mask = np.zeros(self.size, np.bool_)
        mask[self.text_start + ord(" ")] = True
        for index, word in enumerate(self.words):
            mask[self.text_start + 256 + index] = not word.strip(" ")
        return mask

    def spell(self, ids: Iterable[int]) -> str:
        """Any ids -> readable text; an id outside the vocabulary is spelled `<?7>`."""
        out = b""
        for token in map(int, ids):
            if self.is_text(token):
                local = token - self.text_start
                out += bytes([local]) if local < 256 else self.words[local - 256].encode()
            else:
                out += (self.tokens[token] if 0 <= token < self.size else f"<?{token}>").encode()
        return out.decode("utf-8", "replace")


def _touches(text: str, start: int, end: int) -> bool:
    """True when the piece text[start:end] would cut a run of letters or digits in two."""
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return before or after


def offset_ids(offsets: IJ) -> NDArray[np.int64]:
    """Offsets (..., 2) in {-1, 0, 1} -> ids (...)."""
    offsets = np.asarray(offsets, np.int64)
    return OFFSET_START + (offsets[..., 1] + 1) * 3 + offsets[..., 0] + 1


def offset_of(ids: NDArray[np.int64]) -> IJ:
    """Offset ids (...) -> offsets (..., 2)."""
    flat = np.asarray(ids, np.int64) - OFFSET_START
    return np.stack([flat % 3 - 1, flat // 3 - 1], axis=-1)


def step_id(k: int) -> int:
    """Step k in -1..5 -> id. Raises ValueError for another k."""
    if k not in STEPS:
        raise ValueError(f"step must lie in {STEPS[0]}..{STEPS[-1]}, got {k}")
    return STEP_START + STEPS.index(k)
