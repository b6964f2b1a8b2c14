"""Text that a server wrote -> the language's local ids, by their spelling, each with its share of the probability.

A server counts in tokens of its own. A token of the language is one of them; words and bytes of ours may be parts of
one or span several, and then the log-probability is shared out by length, so that every label keeps its whole sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import Pattern

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary
from .answer_regex import language_regex


@dataclass(frozen=True)
class Said:
    """One token as a server said it."""

    text: bytes
    logp: float
    instead: dict[str, float]
    """what else it could have said there -> its log-probability; itself may be among them"""


@dataclass(frozen=True, eq=False)
class Spelled:
    """T local ids; arrays (T,)."""

    ids: NDArray[np.int64]
    logp: NDArray[np.float64]
    logp_near: NDArray[np.float64]
    """as logp, but for a grid token the mass of those of its 3 x 3 neighbours that the server named"""


def ids_of(text: str, vocabulary: Vocabulary) -> list[int]:
    """Any text -> local ids: spellings of the language become its tokens, all else text. Any vocabulary will do."""
    return [token for run, _ in _runs(text, vocabulary) for token in run]


def spelled(text: str, said: Sequence[Said], unsaid: float, vocabulary: Vocabulary) -> Spelled:
    """Any text -> ids with probabilities. said: the server's tokens, which together spell the text or begin with it.

    Where they do not, or none are given, every log-probability is `unsaid`.
    """
    spans = list(_spans(text, vocabulary))
    ids = np.asarray([token for token, _, _ in spans], np.int64)
    if not b"".join(one.text for one in said).startswith(text.encode("utf-8", "replace")):
        flat = np.full(len(ids), unsaid)
        return Spelled(ids, flat, flat)
    lengths = np.asarray([len(one.text) for one in said], np.int64)
    a_byte = np.repeat([one.logp / max(len(one.text), 1) for one in said], lengths)
    logp = np.asarray([a_byte[start:end].sum() for _, start, end in spans], np.float64)
    near: NDArray[np.float64] = np.array(logp)
    alone = {(end - len(one.text), end): one for one, end in zip(said, lengths.cumsum().tolist(), strict=True)}
    for index, (token, start, end) in enumerate(spans):
        if vocabulary.is_grid(token) and (start, end) in alone:
            near[index] = _near(token, alone[start, end], vocabulary)
    return Spelled(ids, logp, near)


def _near(token: int, said: Said, vocabulary: Vocabulary) -> float:
    ((i, j),) = vocabulary.cells([token])
    names = (f"<grid_{i + di}_{j + dj}>" for di in (-1, 0, 1) for dj in (-1, 0, 1) if di or dj)
    return min(0.0, float(np.logaddexp.reduce([said.logp, *(said.instead[n] for n in names if n in said.instead)])))


def _runs(text: str, vocabulary: Vocabulary) -> Iterator[tuple[list[int], int]]:
    """A token of the language, or a run of text: its ids, and the length of a token's spelling, 0 of text."""
    raw = text.encode("utf-8", "replace").decode()
    pattern, language = _language(vocabulary)
    done = 0
    for match in pattern.finditer(raw):
        yield vocabulary.encode_text(raw[done : match.start()]), 0
        yield [language[match[0]]], len(match[0])
        done = match.end()
    yield vocabulary.encode_text(raw[done:]), 0


def _spans(text: str, vocabulary: Vocabulary) -> Iterator[tuple[int, int, int]]:
    """Local id, and where its spelling starts and ends in the text's UTF-8 bytes; of the language's own vocabulary."""
    at = 0
    for run, length in _runs(text, vocabulary):
        for token in run:
            size = length or _bytes_of(token, vocabulary)
            yield token, at, at + size
            at += size


@lru_cache(maxsize=8)
def _language(vocabulary: Vocabulary) -> tuple[Pattern[str], dict[str, int]]:
    return language_regex(vocabulary), {text: at for at, text in enumerate(vocabulary.tokens[: vocabulary.text_start])}


def _bytes_of(token: int, vocabulary: Vocabulary) -> int:
    local = token - vocabulary.text_start
    return 1 if local < 256 else len(vocabulary.words[local - 256].encode())
