"""Referring expressions about a frame with the things each of them means: true by a margin, some of nothing at all.

    "the red truck left of the bus" -> one thing     "every car on the left" -> all that fit     "the blue bus" -> none

An expression is left out when its answer hangs on less than MARGIN of the image, or on a colour nobody can make out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from getok_core.referring import HUES, NOUNS, PLACES, RELATIONS, SUPERLATIVES, VEHICLES

from .chance import chosen
from .things import Thing

MARGIN = 0.02
"""of the image's sides: how far any box may move without changing what an expression means"""
ABSENT = 0.2
"""share of the expressions that mean nothing in the frame"""
TRIES = 10


class Unclear(Exception):
    """What an expression means cannot be said with certainty."""


@dataclass(frozen=True)
class Expression:
    """The parts of one expression of getok_core.referring's grammar; "" for a part that is not there."""

    quantity: str
    superlative: str
    hue: str
    noun: str
    place: str = ""
    other_hue: str = ""
    other: str = ""

    def __str__(self) -> str:
        """Its words in canonical order."""
        words = [self.quantity, self.superlative, self.hue, self.noun, self.place]
        words += ["the", self.other_hue, self.other] if self.other else []
        return " ".join(word for word in words if word)


def noun_of(thing: Thing) -> str:
    """The noun that names a thing."""
    return thing.label if thing.kind == "obstacle" else thing.kind


def referring(
    things: Sequence[Thing], size: tuple[int, int], rng: np.random.Generator, count: int
) -> list[tuple[str, tuple[int, ...]]]:
    """At most count different expressions about things, each with the indices meant, near to far; () for none.

    size is (width, height) of the image in pixels. A frame without things gives one expression at the most.
    """
    found: dict[str, tuple[int, ...]] = {}
    wanted = count if things else min(count, 1)
    for _ in range(TRIES * wanted):
        if len(found) == wanted:
            break
        absent = not things or rng.random() < ABSENT
        tried = _absent(things, rng) if absent else _present(things, rng)
        try:
            indices = meant(tried, things, size)
        except Unclear:
            continue
        if bool(indices) != absent:
            found.setdefault(str(tried), indices)
    return list(found.items())


def meant(expression: Expression, things: Sequence[Thing], size: tuple[int, int]) -> tuple[int, ...]:
    """Indices of the things an expression means, near to far. Raises Unclear when that hangs on too little."""
    fitting = _named(expression.noun, expression.hue, things)
    if expression.place in PLACES:
        fitting = _where(fitting, [(things[i].box[::2].mean() / size[0] - 0.5) for i in fitting], expression.place)
    elif expression.place:
        fitting = _related(expression, fitting, things, size)
    if expression.superlative and fitting:
        fitting = [_outermost(expression.superlative, fitting, things, size)]
    elif expression.quantity == "the" and len(fitting) > 1:
        raise Unclear
    return tuple(sorted(fitting, key=lambda i: -things[i].box[3]))


def _named(noun: str, hue: str, things: Sequence[Thing]) -> list[int]:
    alike = [i for i, thing in enumerate(things) if noun_of(thing) in (VEHICLES if noun == "vehicle" else (noun,))]
    if hue and any(not things[i].hue for i in alike):
        raise Unclear
    return [i for i in alike if hue in ("", things[i].hue)]


def _where(indices: list[int], offsets: Sequence[float], place: str) -> list[int]:
    """Those whose offset, in shares of the image and positive to the right or away, agrees with a place or relation."""
    if any(abs(offset) <= MARGIN for offset in offsets):
        raise Unclear
    sign = -1 if place in ("on the left", "left of", "nearer than") else 1
    return [i for i, offset in zip(indices, offsets, strict=True) if sign * offset > 0]


def _related(expression: Expression, indices: list[int], things: Sequence[Thing], size: tuple[int, int]) -> list[int]:
    others = _named(expression.other, expression.other_hue, things)
    if len(others) != 1:
        raise Unclear
    other = things[others[0]].box
    indices = [i for i in indices if i != others[0]]
    if expression.place in ("left of", "right of"):
        offsets = [(things[i].box[::2].mean() - other[::2].mean()) / size[0] for i in indices]
    else:
        offsets = [(other[3] - things[i].box[3]) / size[1] for i in indices]
    return _where(indices, offsets, expression.place)


def _outermost(superlative: str, indices: list[int], things: Sequence[Thing], size: tuple[int, int]) -> int:
    if superlative in ("leftmost", "rightmost"):
        ranks = [things[i].box[::2].mean() / size[0] for i in indices]
    else:
        ranks = [things[i].box[3] / size[1] for i in indices]
    if superlative in ("leftmost", "farthest"):
        ranks = [-rank for rank in ranks]
    first, *rest = sorted(range(len(indices)), key=lambda k: -ranks[k])
    if rest and ranks[first] - ranks[rest[0]] <= MARGIN:
        raise Unclear
    return indices[first]


def _present(things: Sequence[Thing], rng: np.random.Generator) -> Expression:
    """Words that fit one thing, rare kinds as often as common ones."""
    nouns = sorted({noun_of(thing) for thing in things} & set(NOUNS))
    if not nouns:
        return Expression("the", "", "", chosen(rng, NOUNS))
    noun = chosen(rng, nouns)
    alike = [thing for thing in things if noun_of(thing) == noun]
    thing = alike[int(rng.integers(len(alike)))]
    hue = thing.hue if rng.random() < 0.5 else ""
    return _completed("vehicle" if noun in VEHICLES and rng.random() < 0.2 else noun, hue, things, rng)


def _absent(things: Sequence[Thing], rng: np.random.Generator) -> Expression:
    """Words that may fit nothing: a kind or colour that is not there, or a place where none stands."""
    nouns = sorted({noun_of(thing) for thing in things} & set(NOUNS))
    kind = rng.random()
    if not nouns or kind < 0.3:
        hue = chosen(rng, HUES) if rng.random() < 0.3 else ""
        return _completed(chosen(rng, NOUNS), hue, things, rng)
    coloured = sorted({noun_of(thing) for thing in things if thing.hue})
    if coloured and kind < 0.7:
        return _completed(chosen(rng, coloured), chosen(rng, HUES), things, rng)
    return _completed(chosen(rng, nouns), "", things, rng)


def _completed(noun: str, hue: str, things: Sequence[Thing], rng: np.random.Generator) -> Expression:
    """A noun with a quantity and, mostly, a superlative, a place or a relation to another thing."""
    kind = rng.random()
    superlative = chosen(rng, SUPERLATIVES) if kind < 0.3 else ""
    quantity = "the" if superlative or rng.random() < 0.55 else "every"
    if kind < 0.22 or kind > 0.8 or not things:
        return Expression(quantity, superlative, hue, noun)
    single = _single(things) if kind > 0.45 else []
    if not single:
        return Expression(quantity, superlative, hue, noun, chosen(rng, PLACES))
    other_hue, other = chosen(rng, single)
    if (other, other_hue) == (noun, hue):
        return Expression(quantity, superlative, hue, noun)
    return Expression(quantity, superlative, hue, noun, chosen(rng, RELATIONS), other_hue, other)


def _single(things: Sequence[Thing]) -> list[tuple[str, str]]:
    """Hue and noun of things that these words tell from all others."""
    named = [
        (hue, noun_of(thing)) for thing in things for hue in dict.fromkeys(("", thing.hue)) if noun_of(thing) in NOUNS
    ]
    return [one for one in named if named.count(one) == 1]
