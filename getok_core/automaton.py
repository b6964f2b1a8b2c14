"""The grammar as an automaton: which tokens may come next, with room to close always kept. FORMAT.md, section 5.

It knows the tokens left: a token is legal only when the answer can still be closed after it. With a budget too small
for any answer it allows the end alone, so an empty answer is the worst that can happen.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .geometry import KINDS
from .grammar import NONE
from .refine import Draft
from .syntax import AnswerForm
from .vocabulary import CLOSE, DELETE, END_ANSWER, GRID_START, OFFSET_START, OFFSETS, OPEN, Vocabulary

Legal = NDArray[np.bool_]
"""(vocabulary.size,) True where a token may come next"""

Choice = tuple[Any, int]
"""what indexes a group of tokens in a Legal mask; the fewest tokens that must follow any of them to close the answer"""

Trie = dict[int, Any]
LABEL, ABSENT = -1, -2
"""keys of a trie node at which a label, or the word none, is whole"""

SEEDS_NEED = 3
"""tokens of the smallest <seg>, and fewest from its start to the end of the answer"""

KIND_OF = {token: kind for kind, token in OPEN.items()}


class _At(Enum):
    LABEL = auto()
    VERTICES = auto()
    AFTER_BOX = auto()
    AFTER_INSTANCE = auto()
    DONE = auto()


class Automaton:
    """Follows one answer, token by token, up to and with `</answer>`."""

    def __init__(self, form: AnswerForm, vocabulary: Vocabulary, budget: int) -> None:
        """budget: how many tokens may still come, `</answer>` included."""
        self.form, self.vocabulary, self.left = form, vocabulary, budget
        self.kinds = kinds_of(form.kind)
        self.text_is_enough = form.kind in ("text", "any")
        self.free = self.text_is_enough and not form.labels
        self._after_label = 1 if self.text_is_enough else 3 + min(KINDS[kind].least for kind in self.kinds)
        self.first = label_trie(form.labels, form.may_be_none and not self.free, vocabulary)
        """labels of the first line, among them the word none"""
        self.again = label_trie(form.labels, False, vocabulary)
        """labels of every later line"""
        self._lines = 1
        self._beginnings: set[tuple[str, int, int]] = set()
        self._legal: Legal | None = None
        self._begin(self.first)

    @property
    def done(self) -> bool:
        return self._at is _At.DONE

    def _begin(self, trie: Trie) -> None:
        """The start of a line."""
        self._at, self._node, self._spelled = _At.LABEL, trie, False
        self._kind, self._count, self._last = "", 0, -1
        self._seen: set[int] = set()
        self._began = False

    # -- which tokens may come ---------------------------------------------------------------------------------------

    def legal(self) -> Legal:
        """(size,) bool. All False once done."""
        if self._legal is None:
            self._legal = self._mask()
        return self._legal

    def _mask(self) -> Legal:
        mask = np.zeros(self.vocabulary.size, np.bool_)
        if self.done:
            return mask
        for tokens, need in self._choices():
            if 1 + need <= self.left:
                mask[tokens] = True
        if not mask.any():
            mask[END_ANSWER] = True
        return mask

    def _choices(self) -> list[Choice]:
        if self._at is _At.LABEL:
            return self._label_choices()
        if self._at is _At.VERTICES:
            return self._vertex_choices()
        if self._at is _At.AFTER_BOX:
            return [(OPEN["seg"], SEEDS_NEED), *([] if self.form.kind == "seg" else self._line_ends())]
        return self._line_ends()

    def _line_ends(self) -> list[Choice]:
        choices: list[Choice] = [(END_ANSWER, 0)]
        if self._lines < self.form.instances and self.form.kind != "text":
            choices.append((self.vocabulary.newline, self.need(self.again)))
        return choices

    def _label_choices(self) -> list[Choice]:
        choices: list[Choice] = [(t, self.need(child)) for t, child in self._node.items() if t >= 0]
        if self.free:
            blank = self.vocabulary.blank
            choices.append((self.vocabulary.label_text & ~blank, 1))
            choices.append((blank, 1 if self._spelled else 2))
        if ABSENT in self._node:
            choices.append((END_ANSWER, 0))
        if LABEL in self._node or (not self.form.labels and not self._spelled) or self.free:
            choices += [(OPEN[kind], KINDS[kind].least + self.close_need(kind)) for kind in self.kinds]
            if self.text_is_enough and self._spelled:
                choices += self._line_ends()
        return choices

    def need(self, node: Trie) -> int:
        """Fewest tokens to the end of the answer from a trie node."""
        if ABSENT in node:
            return 1
        if LABEL in node:
            return self._after_label
        if self.free:
            return 1 + self._after_label
        children = [1 + self.need(child) for child in node.values()]
        return min(children) if self.form.labels else min([*children, self._after_label])

    def close_need(self, kind: str) -> int:
        """Fewest tokens from the last vertex of a tag to the end of the answer."""
        return 2 + (SEEDS_NEED if kind == "box" and self.form.kind == "seg" else 0)

    def _vertex_choices(self) -> list[Choice]:
        kind, n = self._kind, self.vocabulary.n
        least = KINDS[kind].least
        most = least if kind in ("pt", "box") else max(self.form.vertices, least)
        missing = max(0, least - (self._count if kind in ("pt", "box") else len(self._seen)))
        close = self.close_need(kind)
        choices: list[Choice] = [] if missing else [(CLOSE[kind], close - 1)]
        if self._count == most:
            return choices
        cells = np.ones((n, n), np.bool_)
        if not self._began:
            cells.reshape(-1)[self._taken(kind)] = False
        if kind == "box" and self._count:
            cells[: self._last // n], cells[:, : self._last % n] = False, False
        elif kind != "box" and self._count:
            cells.reshape(-1)[self._last] = False
        fresh: Legal = cells.flatten()
        if kind != "box":
            fresh[list(self._seen)] = False
            # A vertex seen before adds nothing to the distinct ones, so it needs a place more; seeds never repeat.
            if kind != "seg" and self._count + 1 + missing <= most:
                choices.append((GRID_START + np.flatnonzero(cells & ~fresh.reshape(n, n)), missing + close))
        choices.append((GRID_START + np.flatnonzero(fresh), max(0, missing - 1) + close))
        return choices

    # -- one step ----------------------------------------------------------------------------------------------------

    def advance(self, token: int) -> None:
        """Takes the token chosen. Raises ValueError when it was not legal."""
        _check(token, self.legal(), self.vocabulary)
        self._legal = None
        self.left -= 1
        if token == END_ANSWER:
            self._at = _At.DONE
        elif self._at is _At.VERTICES:
            self._take_vertex(token)
        elif token == self.vocabulary.newline:
            self._lines += 1
            self._begin(self.again)
        elif token in KIND_OF:
            self._at, self._kind, self._count, self._last, self._seen = _At.VERTICES, KIND_OF[token], 0, -1, set()
        else:
            self._node = self._node.get(token, {})
            self._spelled |= not self.vocabulary.blank[token]

    def _taken(self, kind: str) -> list[int]:
        """Cells with which an instance would begin as one before it did, or could not go on differently."""
        mine = [(corner, cell) for other, corner, cell in self._beginnings if other == kind]
        if kind != "box":
            return [cell for _, cell in mine]
        if self._count:
            return [cell for corner, cell in mine if corner == self._last]
        n, corners = self.vocabulary.n, [corner for corner, _ in mine]
        return [corner for corner in corners if corners.count(corner) == (n - corner % n) * (n - corner // n)]

    def _take_vertex(self, token: int) -> None:
        if token == CLOSE[self._kind]:
            self._at = _At.AFTER_BOX if self._kind == "box" and "seg" in self.kinds else _At.AFTER_INSTANCE
            return
        corner, self._last = self._last, token - GRID_START
        self._seen.add(self._last)
        self._count += 1
        if not self._began and (self._kind != "box" or self._count == 2):
            self._began = True
            self._beginnings.add((self._kind, corner, self._last))


def _check(token: int, legal: Legal, vocabulary: Vocabulary) -> None:
    if not 0 <= token < vocabulary.size or not legal[token]:
        raise ValueError(f"{vocabulary.spell([token])!r} is not legal here: choose among legal()")


def kinds_of(kind: str) -> tuple[str, ...]:
    """Tags an answer form may open."""
    return {"text": (), "any": tuple(KINDS), "seg": ("box", "seg")}.get(kind, (kind,))


@lru_cache(maxsize=128)
def label_trie(labels: tuple[str, ...], absent: bool, vocabulary: Vocabulary) -> Trie:
    root: Trie = {}
    for label, end in [*((label, LABEL) for label in labels), *([(NONE, ABSENT)] if absent else [])]:
        node = root
        for token in vocabulary.encode_text(label):
            node = node.setdefault(token, {})
        node[end] = {}
    return root


class OffsetAutomaton:
    """The paper's sequential form of a refinement: the draft's tags again, one offset or `<delete>` a vertex."""

    def __init__(self, draft: Draft, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._script = draft.sequential_script(vocabulary)
        self._next = 0

    @property
    def done(self) -> bool:
        return self._next == len(self._script)

    def legal(self) -> Legal:
        """(size,) bool. All False once done."""
        mask = np.zeros(self.vocabulary.size, np.bool_)
        if not self.done:
            token = self._script[self._next]
            mask[slice(DELETE, OFFSET_START + len(OFFSETS)) if token is None else token] = True
        return mask

    def advance(self, token: int) -> None:
        """Takes the token chosen. Raises ValueError when it was not legal."""
        _check(token, self.legal(), self.vocabulary)
        self._next += 1
