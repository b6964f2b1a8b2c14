"""What an expression means is recomputed by brute force; mirrors swap left and right; no answer hangs by a hair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core import referring as language
from training.scenes import Thing, render
from training.scenes.referring import ABSENT, MARGIN, referring

WIDTH, HEIGHT = SIZE = (512, 256)
SWAPPED = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}


@st.composite
def things(draw) -> list[Thing]:
    found = []
    for ident in range(draw(st.integers(0, 9))):
        kind = draw(st.sampled_from(["obstacle", "obstacle", "sign", "light"]))
        label = draw(st.sampled_from({"obstacle": ("car", "truck", "bus", "cone"), "sign": ("stop", "circle"),
                                      "light": ("red", "green")}[kind]))  # fmt: skip
        hue = label if kind == "light" else draw(st.sampled_from(["", "red", "blue", "white"]))
        left, top = draw(st.floats(0, 400)), draw(st.floats(0, 200))
        box = np.array([left, top, left + draw(st.floats(6, 100)), top + draw(st.floats(6, 56))])
        found.append(Thing(ident + 2, ident, kind, label, hue, box, 10.0, 0.0, "clear"))
    return found


def brute_force(expression: str, shown: list[Thing]) -> set[int]:
    """Every thing tried against every word of an expression."""
    words = expression.split()
    for phrase in ("on the left", "on the right", "left of the", "right of the", "nearer than the", "beyond the"):
        if f" {phrase}" in expression:
            head, _, tail = expression.partition(f" {phrase}")
            words, place, other = head.split(), phrase, tail.split()
            break
    else:
        place, other = "", []

    def fits(thing: Thing, said: list[str]) -> bool:
        name = thing.label if thing.kind == "obstacle" else thing.kind
        noun, hues = said[-1], [word for word in said if word in language.HUES]
        return (name == noun or (noun == "vehicle" and name in ("car", "truck", "bus"))) and hues in ([], [thing.hue])

    def middle(thing: Thing) -> float:
        return (thing.box[0] + thing.box[2]) / 2

    beside = [thing for thing in shown if other and fits(thing, other)]
    assert len(beside) == (1 if other else 0)
    left = []
    for index, thing in enumerate(shown):
        holds = {
            "": lambda t: True,
            "on the left": lambda t: middle(t) < WIDTH / 2,
            "on the right": lambda t: middle(t) > WIDTH / 2,
            "left of the": lambda t: middle(t) < middle(beside[0]),
            "right of the": lambda t: middle(t) > middle(beside[0]),
            "nearer than the": lambda t: t.box[3] > beside[0].box[3],
            "beyond the": lambda t: t.box[3] < beside[0].box[3],
        }[place]
        if fits(thing, words[1:]) and holds(thing) and thing not in beside:
            left.append(index)
    extremes = {
        "nearest": lambda i: -shown[i].box[3],
        "farthest": lambda i: shown[i].box[3],
        "leftmost": lambda i: middle(shown[i]),
        "rightmost": lambda i: -middle(shown[i]),
    }
    if left and words[1] in extremes:
        return {min(left, key=extremes[words[1]])}
    return set(left)


@given(things(), st.integers(0, 2**31))
def test_the_things_meant_are_those_that_fit_every_word(shown, seed):
    for expression, indices in referring(shown, SIZE, np.random.default_rng(seed), 6):
        assert language.canonical(expression) == expression
        assert set(indices) == brute_force(expression, shown)
        if expression.startswith("the"):
            assert len(indices) <= 1
        bottoms = [shown[i].box[3] for i in indices]
        assert bottoms == sorted(bottoms, reverse=True)


@given(things(), st.integers(0, 2**31))
def test_a_mirrored_picture_swaps_left_and_right(shown, seed):
    mirrored = [replace(t, box=np.array([WIDTH - t.box[2], t.box[1], WIDTH - t.box[0], t.box[3]])) for t in shown]
    for expression, indices in referring(shown, SIZE, np.random.default_rng(seed), 6):
        swapped = " ".join(SWAPPED.get(word, word) for word in expression.split())
        assert set(indices) == brute_force(swapped, mirrored)


@settings(max_examples=40)
@given(things(), st.integers(0, 2**31), st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, -1)]))
def test_an_answer_stays_when_a_box_moves_a_little(shown, seed, way):
    step = np.tile(np.array(way) * SIZE, 2) * (MARGIN - 1e-6)
    for expression, indices in referring(shown, SIZE, np.random.default_rng(seed), 4):
        for index, thing in enumerate(shown):
            moved = [*shown[:index], replace(thing, box=thing.box + step), *shown[index + 1 :]]
            assert set(indices) == brute_force(expression, moved)


@given(things(), st.integers(0, 2**31))
def test_a_colour_nobody_can_make_out_is_not_asked_for(shown, seed):
    for expression, _ in referring(shown, SIZE, np.random.default_rng(seed), 6):
        if any(hue in expression.split() for hue in language.HUES):
            for name in {t.label if t.kind == "obstacle" else t.kind for t in shown if not t.hue}:
                hue_before = any(f"{hue} {name}" in expression for hue in language.HUES)
                assert not hue_before


def test_frames_give_varied_expressions_and_a_fifth_of_them_mean_nothing():
    rng, found = np.random.default_rng(0), []
    for seed in range(80):
        found += referring(render(seed).things, SIZE, rng, 4)
    counts = [len(indices) for _, indices in found]
    assert len(found) > 200 and max(counts) > 1
    assert counts.count(0) / len(counts) == pytest.approx(ABSENT, abs=0.08)
    words = {word for expression, _ in found for word in expression.split()}
    assert {"the", "every", "leftmost", "nearest", "beyond", "vehicle", "sign", "light", "red", "white"} <= words
