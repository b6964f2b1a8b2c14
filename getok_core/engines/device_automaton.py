"""The grammar's automaton for a batch of answers, in tensors: no answer waits for the host to learn what is legal.

Follows getok_core.automaton token by token. A state is a tuple of tensors, and a step makes a new one, so that guesses
can be followed and dropped. Every operation has a fixed shape: it can be captured in a CUDA graph.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

import torch
from torch import Tensor

from ..automaton import SEEDS_NEED
from ..form_tables import NEVER, FormTables
from ..vocabulary import CLOSE, END_ANSWER, GRID_START, KIND_TAGS, OPEN, PAD, Vocabulary

IN_LABEL, IN_TAG, AFTER_BOX, AFTER_INSTANCE, DONE = range(5)
POINT, BOX, SEEDS = (KIND_TAGS.index(kind) for kind in ("pt", "box", "seg"))
MOST_LINES = 64
"""instances of which a state remembers how they began; forms of more are left to the host"""


class State(NamedTuple):
    """B answers on their way; C = n * n cells."""

    form: Tensor
    """(B,) row of the form's tables"""
    left: Tensor
    """(B,) tokens that may still come"""
    at: Tensor
    """(B,) IN_LABEL .. DONE"""
    node: Tensor
    spelled: Tensor
    lines: Tensor
    kind: Tensor
    vertices: Tensor
    """(B,) how many the open tag has"""
    last: Tensor
    """(B,) the cell before, -1 at a tag's start"""
    seen: Tensor
    """(B, C) cells of the open tag"""
    began: Tensor
    """(B,) the line has its first vertex, of a box both"""
    firsts: Tensor
    """(B, 5, C) cells with which instances of a kind began"""
    corners: Tensor
    """(B, MOST_LINES, 2) both corners of every first box, -1 where there is none"""


class DeviceAutomaton:
    """The rules for one vocabulary and the forms that it holds at present."""

    def __init__(self, vocabulary: Vocabulary, device: torch.device):
        self.tables: dict[str, Tensor] = {}
        self.vocabulary, self.device = vocabulary, device
        n = vocabulary.n
        cell = torch.arange(n * n, device=device)
        self._cell, self._column, self._row = cell, cell % n, cell // n
        self._boxes_from = (n - self._column) * (n - self._row)
        """(C,) how many boxes have their first corner in a cell"""
        self._opening = torch.tensor([OPEN[kind] for kind in KIND_TAGS], device=device)
        self._closing = torch.tensor([CLOSE[kind] for kind in KIND_TAGS], device=device)
        self._blank = torch.from_numpy(vocabulary.blank).to(device)
        self._words = torch.from_numpy(vocabulary.label_text & ~vocabulary.blank).to(device)

    def hold(self, tables: FormTables) -> bool:
        """Takes other forms into the tensors that are there. True when they were too small and new ones were made."""
        columns = {column.name: getattr(tables, column.name) for column in fields(tables)}
        fit = bool(self.tables) and all(
            all(size <= room for size, room in zip(column.shape, self.tables[name].shape, strict=True))
            for name, column in columns.items()
        )
        if not fit:
            nodes, edges = (_room(size) for size in tables.token.shape)
            shapes = {"token": (nodes, edges), "child": (nodes, edges), "need": (nodes, edges), "whole": (nodes,),
                      "absent": (nodes,)}  # fmt: skip
            for name, column in columns.items():
                shape = shapes.get(name, (_room(len(column)), *column.shape[1:]))
                self.tables[name] = torch.zeros(shape, dtype=torch.from_numpy(column).dtype, device=self.device)
        self.tables["token"].fill_(self.vocabulary.size)
        self.tables["need"].fill_(NEVER)
        for name, column in columns.items():
            self.tables[name][tuple(slice(size) for size in column.shape)] = torch.from_numpy(column).to(self.device)
        return not fit

    def start(self, forms: Tensor, budgets: Tensor) -> State:
        """Rows of forms and budgets (B,), each `</answer>` included -> answers not yet begun."""
        b, cells = len(forms), self.vocabulary.n**2
        zero = torch.zeros_like(forms)
        off = torch.zeros(b, dtype=torch.bool, device=self.device)
        empty = torch.zeros(b, cells, dtype=torch.bool, device=self.device)
        firsts = torch.zeros(b, len(KIND_TAGS), cells, dtype=torch.bool, device=self.device)
        corners = torch.full((b, MOST_LINES, 2), -1, device=self.device)
        node = self.tables["first"][forms]
        return State(forms, budgets, zero, node, off, zero + 1, zero, zero, zero - 1, empty, off, firsts, corners)

    # -- which tokens may come ---------------------------------------------------------------------------------------

    def legal(self, s: State) -> Tensor:
        """(B, V) True where a token may come next; all False once done."""
        t, vocabulary = self.tables, self.vocabulary
        room = s.left - 1
        in_label, flags = s.at == IN_LABEL, t["flags"][s.form]
        mask = torch.zeros(len(s.form), vocabulary.size + 1, dtype=torch.bool, device=self.device)
        mask.scatter_(1, t["token"][s.node], in_label[:, None] & (t["need"][s.node] <= room[:, None]))
        mask = mask[:, :-1]
        free = in_label & flags[:, 0]
        blank_fits = free & (torch.where(s.spelled, 1, 2) <= room)
        mask |= (free & (room >= 1))[:, None] & self._words | blank_fits[:, None] & self._blank
        named = in_label & (t["whole"][s.node] | (~flags[:, 2] & ~s.spelled) | flags[:, 0])
        mask[:, self._opening] = named[:, None] & (t["opens"][s.form] <= room[:, None])
        after_box = s.at == AFTER_BOX
        mask[:, OPEN["seg"]] |= after_box & (room >= SEEDS_NEED)
        line_ends = (named & flags[:, 1] & s.spelled) | (after_box & ~flags[:, 3]) | (s.at == AFTER_INSTANCE)
        more = (s.lines < t["lines"][s.form]) & (t["newline"][s.form] <= room)
        mask[:, vocabulary.newline] |= line_ends & more
        self._vertices(s, room, mask)
        ends = (line_ends | (in_label & t["absent"][s.node])) & (room >= 0)
        mask[:, END_ANSWER] = (ends | ~mask.any(1)) & (s.at != DONE)
        return mask

    def _vertices(self, s: State, room: Tensor, mask: Tensor) -> None:
        """Marks cells and the closing tag of answers in an open tag."""
        t, in_tag, box = self.tables, s.at == IN_TAG, s.kind == BOX
        of_kind = (s.form, s.kind)
        close, least, most = t["closes"][of_kind], t["least"][of_kind], t["most"][of_kind]
        distinct = torch.where(box | (s.kind == POINT), s.vertices, s.seen.sum(1))
        missing = (least - distinct).clamp(min=0)
        mask[:, self._closing] = (
            (in_tag & (missing == 0) & (close - 1 <= room))[:, None]
            & (s.kind[:, None] == torch.arange(len(KIND_TAGS), device=self.device))
        )  # fmt: skip
        last, follows = s.last[:, None], (s.vertices > 0)[:, None]
        n = self.vocabulary.n
        within = (self._row >= last // n) & (self._column >= last % n)
        cells = torch.where(box[:, None], within, self._cell != last) | ~follows
        cells &= s.began[:, None] | ~self._taken(s)
        cells &= (in_tag & (s.vertices < most))[:, None]
        fresh = cells & (box[:, None] | ~s.seen)
        again = cells & ~fresh & ((s.kind != SEEDS) & (s.vertices + 1 + missing <= most))[:, None]
        again &= (missing + close <= room)[:, None]
        fresh = fresh & ((missing - 1).clamp(min=0) + close <= room)[:, None]
        mask[:, GRID_START : self.vocabulary.text_start] = fresh | again

    def _taken(self, s: State) -> Tensor:
        """(B, C) cells with which an instance would begin as one before it did, or could not go on differently."""
        b, cells = s.seen.shape
        known = s.corners[..., 0] >= 0
        first, second = s.corners[..., 0].clamp(min=0), s.corners[..., 1].clamp(min=0)
        used = torch.zeros(b, cells, dtype=torch.int64, device=self.device).scatter_add(1, first, known.long())
        matches = (known & (first == s.last[:, None])).long()
        closing = torch.zeros(b, cells, dtype=torch.int64, device=self.device).scatter_add(1, second, matches) > 0
        of_box = torch.where((s.vertices > 0)[:, None], closing, used == self._boxes_from)
        others = s.firsts[torch.arange(b, device=self.device), s.kind]
        return torch.where((s.kind == BOX)[:, None], of_box, others)

    # -- one step ----------------------------------------------------------------------------------------------------

    def advance(self, s: State, token: Tensor, taken: Tensor) -> State:
        """Tokens (B,), legal ones -> the answers after them; those where `taken` (B,) is False stay as they are."""
        t, newline = self.tables, self.vocabulary.newline
        end, in_tag = token == END_ANSWER, s.at == IN_TAG
        vertex = in_tag & (token >= GRID_START) & taken
        closes, line = in_tag & ~vertex & taken, (token == newline) & ~in_tag & taken
        tag = (token[:, None] == self._opening) & (~in_tag & taken)[:, None]
        opens = tag.any(1)
        word = taken & ~(end | in_tag | line | opens)
        has_seeds = t["opens"][s.form, SEEDS] < NEVER
        after = torch.where((s.kind == BOX) & has_seeds, AFTER_BOX, AFTER_INSTANCE)
        at = torch.where(end & taken, DONE, s.at)
        at = torch.where(closes, after, torch.where(line, IN_LABEL, torch.where(opens, IN_TAG, at)))
        led = (t["token"][s.node] == token[:, None]).long()
        child = (t["child"][s.node] * led).sum(1)
        node = torch.where(word, child, torch.where(line, t["again"][s.form], s.node))
        spelled = (s.spelled | (word & ~self._blank[token])) & ~line
        cell = torch.where(vertex, token - GRID_START, -1)
        here = cell[:, None] == self._cell
        vertices = torch.where(vertex, s.vertices + 1, torch.where(opens, 0, s.vertices))
        begins = vertex & ~s.began & ((s.kind != BOX) | (vertices == 2))
        of_kind = s.kind[:, None] == torch.arange(len(KIND_TAGS), device=self.device)
        pair = torch.stack([s.last, cell], dim=1)[:, None]
        slot = torch.arange(MOST_LINES, device=self.device) == (s.lines - 1)[:, None]
        return State(
            s.form,
            s.left - taken.long(),
            at,
            node,
            spelled,
            s.lines + line.long(),
            torch.where(opens, tag.long().argmax(1), s.kind),
            vertices,
            torch.where(vertex, cell, torch.where(opens, -1, s.last)),
            (s.seen | here) & ~opens[:, None],
            (s.began | begins) & ~line,
            s.firsts | ((begins & (s.kind != BOX))[:, None] & of_kind)[..., None] & here[:, None],
            torch.where((begins & (s.kind == BOX))[:, None, None] & slot[..., None], pair, s.corners),
        )

    def guess(self, s: State, legal: Tensor) -> Tensor:
        """(B,) the token that most likely follows where the grammar leaves little choice, `<pad>` where it does not.

        The only legal one; after an instance a newline, which is right until the list ends; after a vertex the closing
        tag, which is right once; after the first word of a label the second of the first label in the list that has it.
        """
        guess = torch.where(legal.sum(1) == 1, legal.long().argmax(1), PAD)
        newline, close = self.vocabulary.newline, self._closing[s.kind]
        closes = (s.at == IN_TAG) & legal.gather(1, close[:, None])[:, 0]
        guess = torch.where(closes, close, guess)
        guess = torch.where((s.at == AFTER_INSTANCE) & legal[:, newline], newline, guess)
        word = self.tables["token"][s.node, 0]
        within = (s.at == IN_LABEL) & s.spelled & (word < self.vocabulary.size)
        within &= legal.gather(1, word.clamp(max=self.vocabulary.size - 1)[:, None])[:, 0]
        guess = torch.where(within, word, guess)
        return guess.masked_fill(s.at == DONE, PAD)


def _room(size: int) -> int:
    """The next power of two, so that other forms mostly fit."""
    return 1 << max(4, (size - 1).bit_length())
