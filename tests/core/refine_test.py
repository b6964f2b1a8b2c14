"""Drafts keep vertices and offsets together through deletions in any round; targets reach the truth; the hit test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.geometry import KINDS
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.refine import Draft, hit, offset_targets, reach
from getok_core.syntax import Instance, Part
from getok_core.vocabulary import CLOSE, DELETE, END_ANSWER, END_OFFSET, OFFSET, OPEN, offset_ids, offset_of, step_id
from tests.core.strategies import VOCABULARY, drafts, fractions_inside, lattices, offset_tokens, sizes

ZERO = int(offset_ids(np.array([0, 0])))


def of(*tags: tuple[str, list[list[int]]], step: int = 1) -> Draft:
    return Draft.of((), (), tuple(Instance("", (Part(kind, np.array(ij)),)) for kind, ij in tags), step)


def plain(draft: Draft) -> list[tuple[int, str, list[tuple[int, list[int], list[list[int]]]]]]:
    """Parts as plain data: instance, kind, and for each vertex its index, cell and offsets."""
    return [
        (p.instance, p.kind, list(zip(p.vertex.tolist(), p.ij.tolist(), p.offsets.tolist(), strict=True)))
        for p in draft.parts
    ]


def applied_by_hand(before, tokens: list[int]):
    """The same round vertex by vertex, in plain Python."""
    rest, after, lost = iter(tokens), [], set()
    for instance, kind, vertices in before:
        answers = [(vertex, next(rest)) for vertex in vertices]
        kept = [(i, ij, [*done, list(offset_of(np.array(t)))]) for (i, ij, done), t in answers if t != DELETE]
        if len(kept) >= KINDS[kind].least:
            after.append((instance, kind, kept))
        if len(kept) < KINDS[kind].least or (kind == "box" and len(kept) < len(vertices)):
            lost.add(instance)
    return [one for one in after if one[0] not in lost]


@given(st.data(), drafts(), st.integers(1, 4))
def test_vertices_and_offsets_stay_together_through_deletions_in_any_round(data, draft, rounds):
    for done in range(rounds):
        expected = applied_by_hand(plain(draft), tokens := data.draw(offset_tokens(draft.slots)).tolist())
        draft = draft.apply(np.array(tokens, np.int64))
        assert plain(draft) == expected
        assert draft.slots == sum(len(vertices) for *_, vertices in expected)
        assert draft.steps == tuple(range(1, done + 2))
        assert draft.step == done + 2


@given(st.data(), drafts(), st.integers(0, 3))
def test_each_slot_is_read_at_the_last_token_of_its_vertex(data, draft, rounds):
    for _ in range(rounds):
        draft = draft.apply(data.draw(offset_tokens(draft.slots)))
    ids, reads = draft.sequence(VOCABULARY)
    head = [*draft.prompt, *draft.proposal, END_ANSWER, OFFSET, step_id(draft.step)]
    assert ids[: len(head)] == head
    assert len(reads) == draft.slots
    wanted = [(p.ij[v], p.offsets[v]) for p in draft.parts for v in range(len(p.ij))]
    for read, (cell, offsets) in zip(reads, wanted, strict=True):
        spelled = ids[read - rounds : read + 1]
        assert spelled == [*VOCABULARY.grid_ids(cell).tolist(), *offset_ids(offsets).tolist()]
    tags = [token for token in ids[len(head) :] if token in OPEN.values() or token in CLOSE.values()]
    assert tags == [token for p in draft.parts for token in (OPEN[p.kind], CLOSE[p.kind])]
    assert len(ids) == len(head) + len(tags) + draft.slots * (1 + rounds)


@given(drafts())
def test_the_sequential_form_asks_for_one_token_a_vertex_between_the_same_tags(draft):
    script = draft.sequential_script(VOCABULARY)
    assert script.count(None) == draft.slots
    assert script == [t for p in draft.parts for t in (OPEN[p.kind], *[None] * len(p.ij), CLOSE[p.kind])] + [END_OFFSET]
    one_pass, _ = draft.sequence(VOCABULARY)
    assert draft.sequential_prompt(VOCABULARY) == [*one_pass, END_OFFSET, OFFSET, step_id(draft.step)]


@given(st.data(), drafts())
def test_the_sequential_answer_is_the_script_with_an_offset_in_every_gap(data, draft):
    tokens = data.draw(offset_tokens(draft.slots))
    said, script = draft.sequential_answer(tokens, VOCABULARY), draft.sequential_script(VOCABULARY)
    assert [token for token, gap in zip(said, script, strict=True) if gap is None] == tokens.tolist()
    assert all(gap in (None, token) for token, gap in zip(said, script, strict=True))


@given(drafts())
def test_the_proposal_in_a_draft_parses_to_its_parts(draft):
    parts = [part for one in parse(draft.proposal, VOCABULARY).instances for part in one.parts]
    assert [(p.kind, p.ij.tolist()) for p in parts] == [(p.kind, p.ij.tolist()) for p in draft.parts]


@given(st.data(), drafts(), lattices, sizes)
def test_points_are_the_decoded_offsets(data, draft, lattice, size):
    for _ in range(2):
        draft = draft.apply(data.draw(offset_tokens(draft.slots)))
    for part in draft.parts:
        uv = draft.uv(part)
        by_hand = part.ij + 0.5 + part.offsets[:, 0] / 2 + part.offsets[:, 1] / 4
        np.testing.assert_array_equal(uv, by_hand)
        np.testing.assert_allclose(draft.points(part, lattice, size), lattice.to_pixels(uv, size))


def test_deletions_by_hand():
    draft = of(("pl", [[1, 1], [2, 2], [3, 3]]), ("box", [[4, 4], [5, 5]]), ("seg", [[7, 7]]))
    right = int(offset_ids(np.array([1, 0])))
    draft = draft.apply(np.array([ZERO, DELETE, right, ZERO, DELETE, right]))
    assert plain(draft) == [
        (0, "pl", [(0, [1, 1], [[0, 0]]), (2, [3, 3], [[1, 0]])]),
        (2, "seg", [(0, [7, 7], [[1, 0]])]),
    ]
    assert draft.uv(draft.parts[0]).tolist() == [[1.5, 1.5], [4.0, 3.5]]
    draft = draft.apply(np.array([DELETE, ZERO, ZERO]))
    assert [part.kind for part in draft.parts] == ["seg"], "a line of one vertex is dropped"
    draft = draft.apply(np.array([DELETE]))
    assert draft.parts == ()
    assert draft.slots == 0


def test_a_draft_of_nothing_goes_through_further_rounds():
    draft = of(("pt", [[1, 1]])).apply(np.array([DELETE])).apply(np.zeros(0, np.int64))
    assert draft.parts == ()
    assert draft.steps == (1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_dropped_when_too_few_vertices_are_left(kind):
    least = KINDS[kind].least
    draft = of((kind, [[i, i] for i in range(least)]))
    assert draft.apply(np.full(least, ZERO)).slots == least
    for lost in range(least):
        tokens = np.full(least, ZERO)
        tokens[lost] = DELETE
        assert draft.apply(tokens).parts == ()


@pytest.mark.parametrize("stranger", [-1, 0, END_ANSWER, DELETE - 1, DELETE + 10, 10**6])
def test_an_id_that_is_no_offset_moves_nothing(stranger):
    assert plain(of(("pt", [[3, 4]])).apply(np.array([stranger]))) == [(0, "pt", [(0, [3, 4], [[0, 0]])])]


@pytest.mark.parametrize("slots", [0, 1, 3])
def test_another_number_of_offsets_is_refused(slots):
    with pytest.raises(ValueError, match="2 slots"):
        of(("box", [[1, 1], [2, 2]])).apply(np.full(slots, ZERO))


# -- targets -------------------------------------------------------------------------------------------------------


def rounds_towards(uv: np.ndarray, goal: np.ndarray, step: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Applies targets for so many rounds -> where the vertices end, and which were deleted on the way."""
    deleted = np.zeros(len(uv), bool)
    for r in range(rounds):
        ids = offset_targets(uv, goal, step + r, rounds - r)
        deleted |= ids == DELETE
        moved = uv + np.where((ids == DELETE)[:, None], 0, offset_of(ids)) * 2.0 ** -(step + r)
        assert (np.abs(moved - goal) <= np.abs(uv - goal) + 1e-12).all(), "a target never raises the distance"
        uv = moved
    return uv, deleted


@given(lattices, fractions_inside, st.integers(1, 5))
def test_targets_lead_from_the_canonical_cell_to_within_the_bound(lattice, fractions, rounds):
    goal = lattice.to_cells(fractions, (1, 1))
    code = lattice.encode(fractions, (1, 1), rounds)
    uv, deleted = rounds_towards(code.ij + 0.5, goal, 1, rounds)
    assert not deleted.any()
    assert (np.abs(uv - goal) <= 2.0 ** -(rounds + 1) + 1e-9).all()
    np.testing.assert_allclose(lattice.to_pixels(uv, (1, 1)), lattice.decode(code.ij, (1, 1), code.offsets), atol=1e-12)


away = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=8).map(np.array)


@given(away, st.integers(-1, 3), st.integers(1, 3))
def test_a_vertex_within_reach_of_the_rounds_left_is_never_deleted(rest, step, rounds):
    start = np.full(rest.shape, 16.5)
    near = (np.abs(rest) <= reach(step, rounds)).all(axis=1)
    far = (np.abs(rest) > reach(step, rounds) + 2.0 ** -(step + rounds)).any(axis=1)
    uv, deleted = rounds_towards(start, start + rest, step, rounds)
    assert not (deleted & near).any()
    assert deleted[far].all()
    assert (np.abs(uv - start - rest)[~deleted] <= 2.0 ** -(step + rounds) + 1e-9).all()


def test_reach_is_the_sum_of_the_steps_left():
    assert reach(1, 1) == 0.5
    assert reach(1, 3) == 0.875
    assert reach(-1, 2) == 3.0


def test_targets_by_hand():
    at = np.array([[4.5, 4.5]] * 5)
    goal = np.array([[4.5, 4.5], [4.9, 4.1], [4.75, 4.25], [5.3, 4.5], [np.nan, 4.5]])
    moves = [[0, 0], [1, -1], [0, 0]]  # the third lies half a step away: ties to zero
    ids = offset_targets(at, goal, 1)
    assert offset_of(ids[:3]).tolist() == moves
    assert ids[3:].tolist() == [DELETE, DELETE], "0.8 cells is out of reach of one round; NaN belongs to nothing"
    assert offset_of(offset_targets(at[:1], goal[3:4], 1, 3)).tolist() == [[1, 0]], "three rounds reach it"
    half_a_step_short = offset_targets(at[:1], at[:1] + np.array([0.7, 0]), 1)
    assert offset_of(half_a_step_short).tolist() == [[1, 0]], "what is left is the half step of any code: kept"


def test_tracking_steps_move_by_two_cells_and_by_one():
    draft = of(("pt", [[10, 10]]), step=-1)
    goal = np.array([[13.6, 8.4]])
    for rounds_left in (4, 3, 2, 1):
        draft = draft.apply(offset_targets(draft.uv(draft.parts[0]), goal, draft.step, rounds_left))
    (part,) = draft.parts
    assert draft.steps == (-1, 0, 1, 2)
    assert part.offsets.tolist() == [[[1, -1], [1, 0], [0, 0], [0, 0]]]
    assert draft.uv(part).tolist() == [[13.5, 8.5]]
    assert draft.points(part, Lattice(32), (320, 320)).tolist() == [[135.0, 85.0]]


def test_the_next_step_can_be_named():
    draft = of(("pt", [[10, 10]]), step=0).apply(np.array([ZERO]), next_step=3)
    assert (draft.steps, draft.step) == ((0,), 3)


# -- hit test, equation 4 ------------------------------------------------------------------------------------------


def test_hit_by_hand():
    mask = np.zeros((20, 20), bool)
    mask[10, 10] = True  # the pixel from (10, 10) to (11, 11)
    step = (5.0, 4.0)
    hits = [(10.5, 10.5), (5.5, 10.5), (15.99, 14.99), (10.0, 6.0), (15.5, 6.5)]
    misses = [(8.0, 10.5), (11.0, 11.0), (5.5, 5.9), (20.6, 10.5), (10.5, 2.5)]
    assert hit(mask, np.array(hits), step).all()
    assert not hit(mask, np.array(misses), step).any()


def test_a_point_outside_the_image_hits_nothing():
    full = np.ones((4, 6), bool)
    assert hit(full, np.array([[-0.5, 2.0], [6.5, 2.0]]), (0.4, 0.4)).tolist() == [False, False]
    assert hit(full, np.array([[-0.5, 2.0], [6.5, 2.0]]), (1.0, 1.0)).tolist() == [True, True]
    assert not hit(full, np.array([[-9.0, -9.0], [99.0, 1.0]]), (1.0, 1.0)).any()


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 30))
def test_hit_is_any_of_nine_look_ups(seed, height, width):
    generator = np.random.default_rng(seed)
    mask = generator.random((height, width)) < 0.1
    centres = generator.uniform(-2, 32, (20, 2))
    step = tuple(generator.uniform(0.5, 5, 2))

    def look_up(x: float, y: float) -> bool:
        return 0 <= x < width and 0 <= y < height and bool(mask[int(y), int(x)])

    nine = [
        any(look_up(x + du * step[0], y + dv * step[1]) for du in (-1, 0, 1) for dv in (-1, 0, 1)) for x, y in centres
    ]
    assert hit(mask, centres, step).tolist() == nine
