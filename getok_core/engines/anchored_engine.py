"""Any engine, drawing lists in parallel: first a list's labels and first vertices, then all its objects side by side.

A list of many long objects takes as many steps as its anchors and its longest object, not as all tokens of all objects
(FORMAT.md, section 3). The list written in one sequence stays the reference.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..lattice import Lattice
from ..protocol import Engine, Frames, Limits, Reply, Request
from ..queries import TASKS, SceneQuery, anchored
from ..view import RGB
from ..vocabulary import CLOSE, END_ANSWER, OPEN
from .around import EngineAround, FramesAround

Prompt = tuple[int, ...]


class AnchoredEngine(EngineAround):
    """All but lists that have an anchors form is left to the engine behind."""

    def __init__(self, engine: Engine):
        super().__init__(engine)
        lattice = Lattice(self.manifest.lattice)

        def prompt(query: SceneQuery) -> Prompt:
            return query.prompt(self.vocabulary, lattice, self.manifest.view)

        lists = [SceneQuery(task.name, task.prompt) for task in TASKS.values() if task.anchors_prompt]
        self.prompts = {prompt(query): prompt(anchored(query)) for query in lists}
        """prompt of a list -> that of its anchors"""

    def open(self, images: Sequence[RGB]) -> Frames:
        """As the engine behind."""
        return _AnchoredFrames(self, self.engine.open(images))


@dataclass(frozen=True, eq=False)
class _Line:
    """One object's anchor, as it was said."""

    reply: Reply
    start: int
    tag: int
    """where `<pt>` stands"""
    end: int
    """where the newline or `</answer>` stands"""

    def begun(self, opens: int) -> tuple[int, ...]:
        """The object's first tokens: label, its own tag, first vertex."""
        return (*self.reply.ids[self.start : self.tag].tolist(), opens, int(self.reply.ids[self.tag + 1]))


class _AnchoredFrames(FramesAround):
    def __init__(self, engine: AnchoredEngine, frames: Frames):
        super().__init__(frames)
        self._engine = engine

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        began, prompts = time.monotonic(), self._engine.prompts
        lists = [one.draft is None and not one.begun and one.prompt in prompts for one in requests]
        first = [
            replace(one, prompt=prompts[one.prompt], form=one.form.anchors()) if is_list else one
            for one, is_list in zip(requests, lists, strict=True)
        ]
        replies = self._frames.propose(first, limits)
        lines = [self._lines(reply) if is_list else [] for reply, is_list in zip(replies, lists, strict=True)]
        objects = [
            replace(one, form=one.form.one(), begun=line.begun(OPEN[one.form.kind]))
            for one, its in zip(requests, lines, strict=True)
            for line in its
        ]
        if not objects:
            return replies
        left_s = None if limits.deadline_s is None else max(0.0, limits.deadline_s - (time.monotonic() - began))
        drawn = iter(self._frames.propose(objects, replace(limits, deadline_s=left_s)))
        seconds = time.monotonic() - began
        return [
            self._whole(reply, its, [next(drawn) for _ in its], seconds) if its else reply
            for reply, its in zip(replies, lines, strict=True)
        ]

    def _lines(self, reply: Reply) -> list[_Line]:
        """The anchors of an answer that are whole."""
        ends = np.flatnonzero((reply.ids == self._engine.vocabulary.newline) | (reply.ids == END_ANSWER))
        lines: list[_Line] = []
        start = 0
        for end in map(int, ends):
            tag = end - 3
            if tag >= start and reply.ids[tag] == OPEN["pt"] and reply.ids[end - 1] == CLOSE["pt"]:
                lines.append(_Line(reply, start, tag, end))
            start = end + 1
        return lines

    def _whole(self, reply: Reply, lines: Sequence[_Line], drawn: Sequence[Reply], seconds: float) -> Reply:
        """Anchors and the objects drawn from them -> the list as one answer; what a deadline left open is dropped."""
        rows: list[NDArray[np.float64]] = []
        for line, rest in zip(lines, drawn, strict=True):
            if rest.stop == "deadline":
                continue
            anchor = _columns(line.reply, line.start, line.tag + 2)
            anchor[line.tag - line.start, 0] = OPEN[_kind(rest)]
            separator = _columns(reply, line.end, line.end + 1)
            separator[:, 0] = self._engine.vocabulary.newline
            rows += [anchor, _columns(rest, 0, len(rest.ids) - 1), separator]
        stops = {reply.stop, *(rest.stop for rest in drawn)}
        stop = next(stop for stop in ("deadline", "cap", "end") if stop in stops)
        table = np.concatenate(rows) if rows else np.zeros((0, 4))
        if stop != "deadline" and len(table):
            table[-1, 0] = END_ANSWER
        return Reply(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3], stop, seconds)


def _columns(reply: Reply, start: int, end: int) -> NDArray[np.float64]:
    """Tokens of a reply with their three log-probabilities, (end - start, 4)."""
    columns = (reply.ids, reply.logp, reply.logp_legal, reply.logp_near)
    return np.stack([np.asarray(column[start:end], np.float64) for column in columns], axis=1)


def _kind(reply: Reply) -> str:
    """Which tag an object's last tokens close."""
    return next(kind for kind, token in CLOSE.items() if token == reply.ids[-2])
