"""A form of answer as a regular expression, for servers that hold a model to one.

It follows FORMAT.md, section 3, as far as a regular expression can: that cells differ, that a box is not inverted and
that no instance repeats another is left to the parser, which makes faults of it. Only syntax that every server's engine
knows is used: literals, classes, groups, alternatives and counts.
"""

from __future__ import annotations

import re

from ..geometry import KINDS
from ..grammar import NONE
from ..syntax import AnswerForm
from ..vocabulary import CLOSE, DELETE, END_ANSWER, GRID_START, OFFSET_START, OFFSETS, OPEN, Vocabulary

FREE = r"[^<\x00-\x20\x7f]([^<\x00-\x1f\x7f]*[^<\x00-\x20\x7f])?"
"""text that may stand in a label or a free answer"""


def answer_regex(form: AnswerForm, vocabulary: Vocabulary) -> str:
    """What may follow `<answer>`, up to and with `</answer>`."""
    end = _spelled(END_ANSWER, vocabulary)
    lines = 1 if form.kind == "text" else form.instances
    body = _lines(_instance(form, vocabulary), lines)
    if form.may_be_none:
        body = f"({NONE}|{body})"
    return body + end


def script_regex(script: list[int | None], vocabulary: Vocabulary) -> str:
    """What a refinement that is written out may say: fixed tokens, and an offset or `<delete>` where None stands."""
    moves = _one_of(range(DELETE, OFFSET_START + len(OFFSETS)), vocabulary)
    return "".join(moves if token is None else _spelled(token, vocabulary) for token in script)


def language_regex(vocabulary: Vocabulary) -> re.Pattern[str]:
    """Finds every spelling of a token of the language in a text; never one of a text's own bytes or words."""
    return re.compile(f"{_cell(vocabulary)}|{_one_of(range(GRID_START), vocabulary)}")


def _instance(form: AnswerForm, vocabulary: Vocabulary) -> str:
    label = "|".join(map(_literal, form.labels)) if form.labels else FREE
    if form.kind == "text":
        return f"({label})"
    kinds = tuple(KINDS) if form.kind == "any" else (form.kind,)
    tags = "|".join(_tag(kind, form.vertices, vocabulary) for kind in kinds if kind != "seg")
    if "seg" in kinds:
        seeds = f"({_tag('box', 2, vocabulary)})?{_tag('seg', form.vertices, vocabulary)}"
        tags = f"{tags}|{seeds}" if tags else seeds
    if form.kind == "any":
        return f"(({label}){'' if form.labels else '?'}({tags})|{label})"
    return f"({label})({tags})" if form.labels else f"({tags})"


def _tag(kind: str, most: int, vocabulary: Vocabulary) -> str:
    least = KINDS[kind].least
    most = least if kind in ("pt", "box") else max(most, least)
    cells = f"({_cell(vocabulary)}){{{least},{most}}}"
    return _spelled(OPEN[kind], vocabulary) + cells + _spelled(CLOSE[kind], vocabulary)


def _cell(vocabulary: Vocabulary) -> str:
    numbers = "|".join(map(str, range(vocabulary.n - 1, -1, -1)))
    return f"<grid_({numbers})_({numbers})>"


def _lines(line: str, most: int) -> str:
    return line if most == 1 else f"{line}(\n{line}){{0,{most - 1}}}"


def _one_of(tokens: range, vocabulary: Vocabulary) -> str:
    return "(" + "|".join(_spelled(token, vocabulary) for token in tokens) + ")"


def _spelled(token: int, vocabulary: Vocabulary) -> str:
    return _literal(vocabulary.tokens[token])


def _literal(text: str) -> str:
    """As re.escape, but that it leaves alone what other engines refuse to see escaped, such as a space."""
    return re.sub(r"[\\.^$*+?()\[\]{}|]", r"\\\g<0>", text)
