"""Answer forms as arrays: what the automaton knows of a form, laid out so that a device can follow many at once.

The tries of all labels become one list of nodes whose edges are padded to one width; node 0 has no edges. The rules
themselves stay those of automaton.py; what follows them on a device is engines/device_automaton.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .automaton import ABSENT, LABEL, Automaton, Trie
from .geometry import KINDS
from .syntax import AnswerForm
from .vocabulary import KIND_TAGS, Vocabulary

NEVER = 1 << 30
"""tokens needed by what is not offered: more than any budget"""


@dataclass(frozen=True, eq=False)
class FormTables:
    """F forms and N trie nodes; kinds stand in the order of vocabulary.KIND_TAGS."""

    token: NDArray[np.int64]
    """(N, K) text ids that lead on from a node, padded with the vocabulary's size"""
    child: NDArray[np.int64]
    """(N, K) the node each leads to, 0 where that has no edges"""
    need: NDArray[np.int64]
    """(N, K) fewest tokens to the end of the answer after each, NEVER where padded"""
    whole: NDArray[np.bool_]
    """(N,) a label is whole here"""
    absent: NDArray[np.bool_]
    """(N,) the word none is whole here"""
    first: NDArray[np.int64]
    """(F,) node at which the first line begins"""
    again: NDArray[np.int64]
    """(F,) node at which every later line begins"""
    newline: NDArray[np.int64]
    """(F,) fewest tokens after a newline; NEVER in answers of text"""
    lines: NDArray[np.int64]
    """(F,) most instances"""
    flags: NDArray[np.bool_]
    """(F, 4): free text; text is enough; labels are closed; a box is never alone"""
    opens: NDArray[np.int64]
    """(F, 5) fewest tokens after a tag opens; NEVER for a kind the form has not"""
    closes: NDArray[np.int64]
    """(F, 5) fewest tokens from the last vertex of a tag to the end of the answer"""
    least: NDArray[np.int64]
    """(F, 5) fewest vertices"""
    most: NDArray[np.int64]
    """(F, 5) most vertices"""


@dataclass
class _Nodes:
    """Collects the nodes of tries."""

    edges: list[list[tuple[int, int, int]]] = field(default_factory=lambda: [[]])
    whole: list[bool] = field(default_factory=lambda: [False])
    absent: list[bool] = field(default_factory=lambda: [False])

    def add(self, node: Trie, automaton: Automaton) -> int:
        """A node and all below it -> its index."""
        if not node:
            return 0
        at = len(self.edges)
        self.edges.append([])
        self.whole.append(LABEL in node)
        self.absent.append(ABSENT in node)
        for token, child in node.items():
            if token >= 0:
                self.edges[at].append((token, self.add(child, automaton), automaton.need(child)))
        return at

    def columns(self, pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Tokens, children and needs, each (N, K)."""
        shape = len(self.edges), max(1, *map(len, self.edges))
        token, child, need = (np.full(shape, value, np.int64) for value in (pad, 0, NEVER))
        for row, edges in enumerate(self.edges):
            for column, edge in enumerate(edges):
                token[row, column], child[row, column], need[row, column] = edge
        return token, child, need


def form_tables(forms: Sequence[AnswerForm], vocabulary: Vocabulary) -> FormTables:
    """Forms in the order given -> their tables."""
    automata = [Automaton(form, vocabulary, 0) for form in forms]
    nodes = _Nodes()
    first = [nodes.add(one.first, one) for one in automata]
    again = [nodes.add(one.again, one) for one in automata]
    newline = [NEVER if one.form.kind == "text" else one.need(one.again) for one in automata]
    flags = [(one.free, one.text_is_enough, bool(one.form.labels), one.form.kind == "seg") for one in automata]
    per_kind = np.asarray([[_of_kind(one, kind) for kind in KIND_TAGS] for one in automata], np.int64).reshape(-1, 5, 4)
    token, child, need = nodes.columns(vocabulary.size)
    return FormTables(
        token, child, need, np.asarray(nodes.whole), np.asarray(nodes.absent), _ints(first), _ints(again),
        _ints(newline), _ints([form.instances for form in forms]), np.asarray(flags, np.bool_).reshape(-1, 4),
        per_kind[..., 0], per_kind[..., 1], per_kind[..., 2], per_kind[..., 3],
    )  # fmt: skip


def _of_kind(automaton: Automaton, kind: str) -> tuple[int, int, int, int]:
    """Needs of opening and closing a tag, fewest and most vertices."""
    least, close = KINDS[kind].least, automaton.close_need(kind)
    most = least if kind in ("pt", "box") else max(automaton.form.vertices, least)
    return (least + close if kind in automaton.kinds else NEVER), close, least, most


def _ints(values: Sequence[int]) -> NDArray[np.int64]:
    return np.asarray(values, np.int64)
