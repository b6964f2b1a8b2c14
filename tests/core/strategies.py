"""Hypothesis strategies: points, forms, answers, drafts. GETOK_PROFILE=thorough searches far longer."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from getok_core.geometry import KINDS
from getok_core.grammar import NONE, write
from getok_core.lattice import STEPS, Lattice
from getok_core.queries import LANE_LABELS, TASKS, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm, Instance, Part, unlike
from getok_core.vocabulary import ANSWER, DELETE, GRID_START, Vocabulary

settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("GETOK_PROFILE", "fast"))

VOCABULARY = standard_vocabulary()
BARE = Vocabulary(16)
"""no words: all text is bytes"""
vocabularies = st.sampled_from([VOCABULARY, BARE, standard_vocabulary(64)])

sizes = st.tuples(st.integers(1, 4096), st.integers(1, 4096))
lattices = st.sampled_from([Lattice(16), Lattice(32), Lattice(64)])
rounds = st.integers(0, STEPS[-1])

# fractions of the image's side; dyadic ones lie on borders, centres and ties of every lattice
_inside = st.floats(0, 1) | st.integers(0, 64 * 64).map(lambda i: i / (64 * 64))
_anywhere = _inside | st.floats(-3, 4)


def _pixels(fraction: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.tuples(fraction, fraction), min_size=1, max_size=8).map(lambda f: np.array(f, np.float64))


fractions_inside = _pixels(_inside)
"""(N, 2) in 0..1: multiply by the image's size"""
fractions_anywhere = _pixels(_anywhere)
"""(N, 2), also outside 0..1"""

# -- labels and forms ----------------------------------------------------------------------------------------------

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
labels = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), min_size=1, max_size=8)
    .filter(str.isprintable)
    .map(lambda text: text.strip(" "))
    .filter(bool)
) | st.sampled_from(["stop", "stop sign", "none", "none of these", "solid white", "red light", "a car"])

label_lists = st.sampled_from([
    (), LANE_LABELS, ("red",), ("stop", "stop sign", "stop sign ahead"), ("a", "ab", "abc", "none"), ("none",),
    ("none", "none of these", "not visible"), ("a" * 30, "b"),
])  # fmt: skip
made_forms = st.builds(
    AnswerForm,
    kind=st.sampled_from([*KINDS, "text", "any"]),
    labels=label_lists,
    instances=st.integers(1, 4),
    vertices=st.integers(1, 6),
    may_be_none=st.booleans(),
)
task_forms = st.sampled_from([
    *(task.form for task in TASKS.values()),
    *(task.form.anchors() for task in TASKS.values() if task.anchors_prompt),
    *(task.form.one() for task in TASKS.values()),
])  # fmt: skip
forms = made_forms | task_forms

# -- answers -------------------------------------------------------------------------------------------------------


@st.composite
def parts(draw: st.DrawFn, kind: str, n: int, most: int = 6) -> Part:
    """A tag as targets write it: no immediate repetition, no seed twice, enough distinct vertices, no inverted box."""
    cell = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    if kind == "box":
        (i0, j0), (i1, j1) = draw(cell), draw(cell)
        return Part(kind, np.array([[min(i0, i1), min(j0, j1)], [max(i0, i1), max(j0, j1)]]))
    least = KINDS[kind].least
    most = 1 if kind == "pt" else max(most, least)
    distinct = draw(st.lists(cell, min_size=least, max_size=most, unique=True))
    if kind in ("pl", "poly") and len(distinct) < most and draw(st.booleans()):
        distinct.append(distinct[0])  # a vertex may come back, though not at once
    return Part(kind, np.array(distinct))


@st.composite
def instances(draw: st.DrawFn, form: AnswerForm, vocabulary: Vocabulary) -> Instance:
    """One line that the form allows."""
    free = form.kind in ("text", "any")
    kinds: tuple[str, ...] = {"text": (), "seg": draw(st.sampled_from([("seg",), ("box", "seg")]))}.get(
        form.kind, (form.kind,)
    )
    if form.kind == "any":
        kinds = draw(st.sampled_from([(), ("box", "seg"), *((kind,) for kind in KINDS)]))
    if form.labels:
        label = draw(st.sampled_from(form.labels))
    else:
        label = draw(labels if not kinds else labels | st.just("")) if free else ""
    return Instance(label, tuple(draw(parts(kind, vocabulary.n, form.vertices)) for kind in kinds))


@st.composite
def answers(draw: st.DrawFn, form: AnswerForm, vocabulary: Vocabulary) -> tuple[Instance, ...]:
    """A whole answer that the form allows; the lone word none is the empty answer."""
    most = 1 if form.kind == "text" else form.instances
    some = draw(st.lists(instances(form, vocabulary), min_size=0 if form.may_be_none else 1, max_size=min(most, 4)))
    lone_none = len(some) == 1 and some[0].label == NONE and not some[0].parts
    return () if lone_none else tuple(one for one, fresh in zip(some, unlike(some), strict=True) if fresh)


def as_data(some: Sequence[Instance]) -> list[tuple[str, list[tuple[str, list[list[int]]]]]]:
    """Instances as plain data, to compare them."""
    return [(one.label, [(part.kind, np.asarray(part.ij).tolist()) for part in one.parts]) for one in some]


# -- token sequences -----------------------------------------------------------------------------------------------


def token_noise(vocabulary: Vocabulary) -> st.SearchStrategy[list[int]]:
    """Arbitrary integers, mostly tokens of the language, among them few kinds of cell."""
    cells = st.integers(GRID_START, GRID_START + 3)
    text = st.integers(vocabulary.text_start, vocabulary.size - 1)
    structure = st.integers(0, GRID_START - 1)
    wild = st.integers() | st.sampled_from([-1, 2**63, -(2**63), 10**30, vocabulary.size])
    return st.lists(structure | structure | cells | text | st.just(vocabulary.newline) | wild, max_size=40)


@st.composite
def bent(draw: st.DrawFn, ids: list[int], vocabulary: Vocabulary) -> list[int]:
    """A sequence with up to three tokens dropped, doubled, replaced or inserted."""
    ids = list(ids)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(ids) - 1)))
        noise = draw(token_noise(vocabulary))
        ids[at : at + draw(st.integers(0, 2))] = noise[: draw(st.integers(0, 2))]
    return ids


# -- drafts --------------------------------------------------------------------------------------------------------


@st.composite
def drafts(draw: st.DrawFn, vocabulary: Vocabulary = VOCABULARY, step: int = 1) -> Draft:
    """A fresh draft of up to four instances of any kind."""
    some = draw(st.lists(instances(AnswerForm("any", vertices=6), vocabulary), min_size=1, max_size=4))
    some = [one for one, fresh in zip(some, unlike(some), strict=True) if fresh]
    prompt = (*vocabulary.encode_text("Box every obstacle."), ANSWER)
    return Draft.of(prompt, tuple(write(some, vocabulary)), tuple(some), step)


def offset_tokens(slots: int) -> st.SearchStrategy[np.ndarray]:
    """(slots,) ids of offsets and, now and then, `<delete>`."""
    token = st.integers(DELETE + 1, DELETE + 9) | st.integers(DELETE, DELETE + 9)
    return st.lists(token, min_size=slots, max_size=slots).map(lambda ids: np.array(ids, np.int64))
