"""1-D bins: each coordinate one of 1,000 numbers that x and y share, as Pix2seq has them.

    box bin_012 bin_310 bin_451 bin_640 car; pt bin_500 bin_501 cone

To a base model the bins are 1,000 tokens to be added; without "<", which only tokens of the language hold. The nano's
own bins, one token each, are training.ablation.spelling.Bins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from getok_core.geometry import KINDS, XY, Shape
from getok_core.queries import SceneQuery
from getok_core.view import RGB, View

from .said import Said, Thing
from .words import in_words, is_none, thing_of

BINS = 1000
WANTED = "Answer with a kind, bins of x and y and a label for each object, or none."
_ITEM = re.compile(rf"(?:box((?: bin_\d{{3}}){{4}}) )?({'|'.join(KINDS)})((?: bin_\d{{3}} bin_\d{{3}})+)(?: (.*))?")


@dataclass(frozen=True)
class Bins:
    """Two bins a vertex."""

    name = "1-D bins"
    spoken = True
    answers_at_once = True

    def ask(self, query: SceneQuery, kind: str, image: RGB, view: View) -> tuple[RGB, SceneQuery]:
        return image, in_words(query, lambda region: _region(region, view), WANTED if kind != "text" else "")

    def step(self, view: View) -> tuple[float, float]:
        return 0.5 * view.size[0] / BINS, 0.5 * view.size[1] / BINS

    def write(self, things: Sequence[Thing], view: View) -> str:
        return "; ".join(_item(one, view) for one in things) or "none"

    def parse(self, text: str, view: View) -> Said:
        if is_none(text):
            return Said(text="none")
        things: list[Thing] = []
        faults = 0
        for piece in text.split(";"):
            item = _ITEM.fullmatch(piece.strip())
            thing = _thing(item, view) if item else None
            things += [thing] if thing else []
            faults += thing is None
        return Said(tuple(things), "" if things else text.strip(), faults)


def _spelled(xy: XY, view: View) -> str:
    numbers = np.clip(np.floor(xy / np.asarray(view.size) * BINS), 0, BINS - 1).astype(int)
    return " ".join(f"bin_{number:03d}" for number in np.ravel(numbers).tolist())


def _region(region: Shape, view: View) -> str:
    return f"At {region.kind} {_spelled(region.xy, view)}."


def _item(thing: Thing, view: View) -> str:
    box = f"box {_spelled(thing.box.reshape(2, 2), view)} " if thing.box is not None else ""
    label = " ".join(thing.label.replace(";", ",").split())
    return f"{box}{thing.kind} {_spelled(thing.xy, view)} {label}".strip()


def _thing(item: re.Match[str], view: View) -> Thing | None:
    before, kind, vertices, label = item.groups()
    if before is not None and kind != "seg":
        return None
    box = _places(before, view) if before else None
    return thing_of(kind, _places(vertices, view), label or "", box)


def _places(bins: str, view: View) -> XY:
    numbers = np.asarray([int(one) for one in re.findall(r"\d{3}", bins)], np.float64).reshape(-1, 2)
    return (numbers + 0.5) / BINS * np.asarray(view.size, np.float64)
