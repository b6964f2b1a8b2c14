"""Ids and spellings: a bijection; a user's text never becomes geometry, and comes back as it was."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from getok_core.lattice import STEPS
from getok_core.queries import TASKS, WORDS
from getok_core.vocabulary import OFFSETS, Vocabulary, offset_ids, offset_of, step_id
from tests.core.strategies import BARE, VOCABULARY, any_text, vocabularies

spoken = any_text | st.lists(st.sampled_from([*WORDS, "<grid_3_4>", "s", " ", "1", "<", "é", "\n"]), max_size=8).map(
    "".join
)
"""text that often holds words, whole, cut and run together"""


@given(vocabularies)
def test_ids_and_spellings_are_a_bijection(vocabulary):
    assert len(vocabulary.tokens) == vocabulary.size == len(set(vocabulary.tokens))


@given(vocabularies, st.data())
def test_cells_and_ids_are_a_bijection_named_column_then_row(vocabulary, data):
    cell = st.tuples(*[st.integers(0, vocabulary.n - 1)] * 2)
    ij = np.array(data.draw(st.lists(cell, min_size=1, max_size=10)))
    ids = vocabulary.grid_ids(ij)
    np.testing.assert_array_equal(vocabulary.cells(ids), ij)
    assert [vocabulary.tokens[t] for t in ids] == [f"<grid_{i}_{j}>" for i, j in ij]
    assert all(vocabulary.is_grid(t) and not vocabulary.is_text(t) for t in ids)


def test_offsets_and_steps_are_spelled_as_they_move():
    ids = offset_ids(np.array(OFFSETS))
    assert [VOCABULARY.tokens[t] for t in ids] == [f"<off_{du}_{dv}>" for du, dv in OFFSETS]
    np.testing.assert_array_equal(offset_of(ids), OFFSETS)
    assert [VOCABULARY.tokens[step_id(k)] for k in STEPS] == [f"<step_{k}>" for k in STEPS]


@pytest.mark.parametrize("cell", [(-1, 0), (0, -1), (32, 0), (0, 32)])
def test_a_cell_outside_the_lattice_is_refused(cell):
    with pytest.raises(ValueError, match=r"0\.\.31"):
        VOCABULARY.grid_ids(np.array([cell]))


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match="got 6"):
        step_id(6)


@given(vocabularies, spoken)
@example(VOCABULARY, "<grid_3_4><delete><off_0_0></answer><think>")
def test_text_is_never_geometry_and_comes_back_as_it_was(vocabulary, text):
    ids = vocabulary.encode_text(text)
    assert all(vocabulary.is_text(t) for t in ids)
    assert vocabulary.decode_text(ids) == text
    assert vocabulary.spell(ids) == text


def test_every_token_spelled_by_a_user_stays_text():
    for spelling in VOCABULARY.tokens:
        assert all(VOCABULARY.is_text(t) for t in VOCABULARY.encode_text(spelling))


def test_a_lone_surrogate_becomes_a_question_mark():
    assert VOCABULARY.decode_text(VOCABULARY.encode_text("a\ud800b")) == "a?b"


@given(spoken)
def test_a_word_is_taken_only_where_no_letter_or_digit_touches_it(text):
    at = 0
    for token in VOCABULARY.encode_text(text):
        piece = VOCABULARY.decode_text([token]) if token >= VOCABULARY.text_start + 256 else None
        if piece is not None:
            start = len(text.encode()[:at].decode())
            end = start + len(piece)
            assert text[start:end] == piece
            assert not (start and text[start - 1].isalnum() and piece[0].isalnum())
            assert not (end < len(text) and text[end].isalnum() and piece[-1].isalnum())
        at += 1 if piece is None else len(piece.encode())


def test_words_by_hand():
    def pieces(text: str) -> list[str]:
        return [VOCABULARY.tokens[t] for t in VOCABULARY.encode_text(text)]

    assert pieces("car") == ["car"]
    assert pieces("cars") == ["<0x63>", "<0x61>", "<0x72>", "<0x73>"]
    assert pieces("car,red") == ["car", ",", "red"]
    assert pieces("stop red clear") == ["stop", " red", " clear"]
    for task in TASKS.values():
        assert pieces(task.prompt) == [task.prompt]


@given(st.lists(st.integers(-10, 5000), max_size=30))
def test_any_ids_can_be_spelled_and_read_as_text(ids):
    VOCABULARY.spell(ids).encode()
    VOCABULARY.decode_text(ids).encode()


def test_an_id_outside_the_vocabulary_is_spelled_as_such():
    assert VOCABULARY.spell([-1, 10**9]) == "<?-1><?1000000000>"


@given(vocabularies)
def test_label_text_holds_no_bracket_and_no_control_character(vocabulary):
    for token in np.flatnonzero(vocabulary.label_text):
        spelled = vocabulary.decode_text([int(token)])
        assert vocabulary.is_text(int(token))
        assert "<" not in spelled
        assert spelled.isprintable()
    assert not vocabulary.label_text[vocabulary.newline]


def test_digest_tells_lattices_and_words_apart():
    made = (
        VOCABULARY,
        BARE,
        Vocabulary(32),
        Vocabulary(32, ("a", "b")),
        Vocabulary(32, ("b", "a")),
        Vocabulary(32, ("ab",)),
    )
    assert len({vocabulary.digest for vocabulary in made}) == len(made)
    assert Vocabulary(32, WORDS).digest == VOCABULARY.digest


@pytest.mark.parametrize("words", [("a", "a"), ("",), ("<grid_0_0>",), ("a\nb",), ("\ud800",)])
def test_words_that_would_break_the_bijection_or_the_grammar_are_refused(words):
    with pytest.raises(ValueError, match="word"):
        Vocabulary(32, words)
