"""Referring expressions: the words that name a thing by what it is, its colour and its place among others.

    expression := quantity colour? noun (place | relation "the" colour? noun)?
    quantity   := the | every | the nearest | the farthest | the leftmost | the rightmost

`the` means one thing, `every` all that fit. A model reads the expression in exactly these words, one token each.
"""

from __future__ import annotations

import re

OBSTACLE_NOUNS = (
    "car", "truck", "bus", "motorcycle", "bicycle", "pedestrian", "animal", "cone", "barrier", "debris",
)  # fmt: skip
VEHICLES = ("car", "truck", "bus")
"""what the noun vehicle stands for"""
NOUNS = (*OBSTACLE_NOUNS, "vehicle", "sign", "light")
LABELS = (*OBSTACLE_NOUNS, "other", "sign", "light")
"""what an answer calls the things it found"""
HUES = ("red", "blue", "yellow", "green", "white", "orange", "brown", "black", "grey")
"""colours of vehicles' paint and signs' faces, and states of lights"""
SUPERLATIVES = ("nearest", "farthest", "leftmost", "rightmost")
"""nearest and farthest by the lower edge of what is visible, leftmost and rightmost by its middle"""
PLACES = ("on the left", "on the right")
"""the half of the image that the middle of the box lies in"""
RELATIONS = ("left of", "right of", "nearer than", "beyond")
"""by the middle of the box, or by its lower edge"""
WORDS = tuple(f" {word}" for word in ("the", "every", *NOUNS, *HUES, *SUPERLATIVES, *PLACES, *RELATIONS))
"""pieces of an expression as tokens, each with its space before it"""

_HUE = rf"(?:({'|'.join(HUES)}|gray|amber)\s)?"
_NOUN = rf"({'|'.join(NOUNS)}|person|lorry|people)(s|es)?"
_EXPRESSION = re.compile(
    rf"(?:(the|every|all the|all|each|a|an|any)\s)?(?:({'|'.join(SUPERLATIVES)}|closest|furthest)\s)?{_HUE}{_NOUN}"
    rf"(?:\s(?:(?:to the )?({'|'.join((*PLACES, *RELATIONS))}|closer than|farther than|behind)"
    rf"(?:\s(?:the|a|an)\s{_HUE}{_NOUN})?))?"
)
_SAME = {"gray": "grey", "amber": "yellow", "person": "pedestrian", "people": "pedestrian", "lorry": "truck",
         "closest": "nearest", "furthest": "farthest", "closer than": "nearer than", "farther than": "beyond",
         "behind": "beyond"}  # fmt: skip


def canonical(text: str) -> str:
    """A user's words -> the expression a model reads, such as `the red truck left of the bus`; "" if they are none."""
    match = _EXPRESSION.fullmatch(" ".join(re.sub(r"[?.!]", " ", text.lower()).split()))
    if match is None:
        return ""
    quantity, superlative, hue, noun, plural, place, other_hue, other, _ = match.groups()
    if (place in (*RELATIONS, "closer than", "farther than", "behind")) != (other is not None):
        return ""
    many = (plural or noun == "people" or quantity in ("every", "all the", "all", "each", "any")) and not superlative
    words = ["every" if many else "the", superlative, hue, noun, place]
    words += ["the", other_hue, other] if other else []
    return " ".join(_SAME.get(word, word) for word in words if word)


def qualified(expression: str) -> bool:
    """True when an expression says more than a kind of thing: a colour, a superlative, a place or a relation."""
    return len(expression.split()) > 2
