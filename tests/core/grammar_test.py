"""The grammar: parsing is total, what is written comes back, each fault has its example."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core import grammar
from getok_core.geometry import KINDS
from getok_core.grammar import parse, write
from getok_core.syntax import AnswerForm, Instance, Parsed, Part, distinct_vertices, enough
from getok_core.vocabulary import ANSWER, CLOSE, END_ANSWER, END_THINK, OPEN, PAD, THINK
from tests.core.strategies import VOCABULARY, answers, any_text, as_data, bent, forms, token_noise, vocabularies

TEXT = VOCABULARY.encode_text
NEWLINE = VOCABULARY.newline


def tag(kind: str, *cells: tuple[int, int]) -> list[int]:
    return [OPEN[kind], *VOCABULARY.grid_ids(np.array(cells).reshape(-1, 2)).tolist(), CLOSE[kind]]


def check(parsed: Parsed, ids: list[int], form: AnswerForm | None, vocabulary=VOCABULARY) -> None:
    """What holds of every parse, whatever was said."""
    for one in parsed.instances:
        assert one.label or one.parts
        assert "<" not in one.label
        assert one.label.isprintable()
        assert [part.kind for part in one.parts] in ([], ["box", "seg"], *([kind] for kind in KINDS))
        for part in one.parts:
            assert enough(part.kind, part.ij)
            assert ((part.ij >= 0) & (part.ij < vocabulary.n)).all()
            assert vocabulary.grid_ids(part.ij).tolist() == [ids[at] for at in part.at]
            assert part.kind != "box" or (part.ij[1] >= part.ij[0]).all()
        assert all(vocabulary.is_text(ids[at]) for at in one.label_at)
    if form is not None:
        assert len(parsed.instances) <= form.instances
        if form.labels and form.kind != "any":
            assert all(one.label in form.labels for one in parsed.instances)


@given(vocabularies, st.data(), st.none() | forms)
def test_parsing_is_total_on_arbitrary_integers(vocabulary, data, form):
    ids = data.draw(token_noise(vocabulary))
    check(parse(ids, vocabulary, form), ids, form, vocabulary)


@given(st.data(), forms)
def test_parsing_is_total_on_answers_that_went_wrong(data, form):
    ids = data.draw(bent([*write(data.draw(answers(form, VOCABULARY)), VOCABULARY), END_ANSWER], VOCABULARY))
    check(parse(ids, VOCABULARY, form), ids, form)


@given(vocabularies, st.data(), forms)
def test_what_is_written_comes_back(vocabulary, data, form):
    some = data.draw(answers(form, vocabulary))
    ids = write(some, vocabulary)
    for wrapped in (ids, [*ids, END_ANSWER], [ANSWER, *ids, END_ANSWER], [ANSWER, *ids, END_ANSWER, PAD, PAD]):
        parsed = parse(wrapped, vocabulary, form)
        assert not parsed.faults
        assert as_data(parsed.instances) == as_data(some)
        assert parsed.closed == (END_ANSWER in wrapped)
        assert bool(parsed.none_at) == (not some)
        check(parsed, wrapped, form, vocabulary)


@given(st.data(), forms, any_text)
def test_a_thought_is_read_and_changes_nothing(data, form, thought):
    some = data.draw(answers(form, VOCABULARY))
    ids = [THINK, *TEXT(thought), END_THINK, ANSWER, *write(some, VOCABULARY), END_ANSWER]
    parsed = parse(ids, VOCABULARY, form)
    assert parsed.thought == thought
    assert as_data(parsed.instances) == as_data(some)
    assert not parsed.faults
    check(parsed, ids, form)


@given(st.data(), forms)
def test_a_cut_answer_keeps_its_whole_lines(data, form):
    some = data.draw(answers(form, VOCABULARY))
    ids = write(some, VOCABULARY)
    cut = data.draw(st.integers(0, len(ids)))
    parsed = parse(ids[:cut], VOCABULARY)
    whole = ids[:cut].count(NEWLINE)
    assert as_data(parsed.instances)[:whole] == as_data(some)[:whole]
    assert len(parsed.instances) <= whole + 1
    assert not parsed.closed
    assert {fault.kind for fault in parsed.faults} <= {"unclosed", "empty line"}


CAR = Instance("car", (Part("box", np.array([[1, 2], [3, 4]])),))

FAULTS: dict[str, tuple[list[int], AnswerForm | None, list[str]]] = {
    # name: tokens, form, labels of the instances that are kept
    "stray token": (tag("pt", (1, 1)) + VOCABULARY.grid_ids(np.array([[2, 2]])).tolist(), None, [""]),
    "second geometry on one line": (tag("pt", (1, 1)) + tag("pl", (1, 1), (2, 2)), None, []),
    "wrong number of vertices": (tag("pl", (1, 1), (1, 1)), None, []),
    "inverted box": (tag("box", (3, 4), (1, 2)), None, []),
    "unclosed": (tag("pl", (1, 1), (2, 2))[:-1], None, []),
    "malformed label": ([*TEXT("a<b"), *tag("pt", (1, 1))], None, []),
    "empty line": ([*TEXT("red"), NEWLINE, NEWLINE, *TEXT("blue")], None, ["red", "blue"]),
    "tokens after the answer": ([*TEXT("red"), END_ANSWER, *TEXT("blue")], None, ["red"]),
    "geometry inside a thought": ([THINK, *tag("pt", (1, 1)), END_THINK, *TEXT("red")], None, ["red"]),
    "too many instances": ([*TEXT("a"), NEWLINE, *TEXT("b")], AnswerForm("text", instances=1), ["a"]),
    "no geometry": (TEXT("car"), AnswerForm("box", ("car",)), []),
    "unexpected geometry": ([*TEXT("car"), *tag("pt", (1, 1))], AnswerForm("box", ("car",)), []),
    "unknown label": ([*TEXT("cat"), *tag("pt", (1, 1))], AnswerForm("pt", ("car",)), []),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_by_hand(kind):
    ids, form, kept = FAULTS[kind]
    parsed = parse(ids, VOCABULARY, form)
    assert [fault.kind for fault in parsed.faults] == [kind]
    assert [one.label for one in parsed.instances] == kept


def test_the_specification_names_every_fault():
    specification = Path(grammar.__file__).with_name("FORMAT.md").read_text()
    assert not [kind for kind in FAULTS if f"`{kind}`" not in specification]


def test_no_other_fault_exists():
    @given(st.data(), st.none() | forms)
    def search(data, form):
        parsed = parse(data.draw(token_noise(VOCABULARY)), VOCABULARY, form)
        assert {fault.kind for fault in parsed.faults} <= set(FAULTS)

    search()


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        ([THINK, *TEXT("hm")], "unclosed"),
        ([*TEXT("car"), *tag("box", (1, 1), (2, 2), (3, 3))], "wrong number of vertices"),
        ([*TEXT("car"), *tag("box", (1, 1))], "wrong number of vertices"),
        (tag("poly", (1, 1), (2, 2), (1, 1)), "wrong number of vertices"),
        (tag("seg"), "wrong number of vertices"),
        ([*tag("seg", (1, 1)), *tag("box", (1, 1), (2, 2))], "second geometry on one line"),
        ([OPEN["pt"], *TEXT("x"), CLOSE["pt"]], "stray token"),
        ([OPEN["pt"], OPEN["box"]], "stray token"),
        ([-5], "stray token"),
        ([ANSWER, NEWLINE], "empty line"),
        ([*TEXT("  "), NEWLINE], "empty line"),
    ],
)
def test_more_faulty_answers_keep_nothing(ids, fault):
    parsed = parse(ids, VOCABULARY)
    assert fault in {found.kind for found in parsed.faults}
    assert not parsed.instances


def test_a_fault_names_the_token():
    (fault,) = parse([*tag("pt", (1, 1)), OPEN["pt"] + 1000], VOCABULARY).faults
    assert fault.detail == VOCABULARY.tokens[OPEN["pt"] + 1000]
    (fault,) = parse([10**12], VOCABULARY).faults[:1]
    assert fault.detail == "<?1000000000000>"


def test_one_bad_line_does_not_spoil_its_neighbours():
    ids = [*TEXT("car"), *tag("box", (1, 2), (3, 4)), NEWLINE, *TEXT("bus"), *tag("box", (9, 9), (1, 1)), NEWLINE,
           *TEXT("cone"), *tag("box", (5, 5), (5, 5)), END_ANSWER]  # fmt: skip
    parsed = parse(ids, VOCABULARY, AnswerForm("box", ("car", "bus", "cone")))
    assert [one.label for one in parsed.instances] == ["car", "cone"]
    assert [fault.kind for fault in parsed.faults] == ["inverted box"]


def test_none_is_the_empty_answer_only_when_alone():
    assert parse(TEXT("none"), VOCABULARY).instances == ()
    assert parse(TEXT("none"), VOCABULARY).none_at == (0,)
    assert write((), VOCABULARY) == TEXT("none")
    parsed = parse([*TEXT("none"), NEWLINE, *TEXT("red")], VOCABULARY)
    assert [one.label for one in parsed.instances] == ["none", "red"]
    assert not parsed.none_at


def test_nothing_said_is_nothing_seen():
    parsed = parse([], VOCABULARY)
    assert (parsed.instances, parsed.faults, parsed.closed) == ((), (), False)
    assert parse([END_ANSWER], VOCABULARY).closed


def test_a_free_label_that_cannot_be_printed_is_mended():
    broken = [VOCABULARY.text_start + 0xC3, *TEXT("a\u0085b")]
    (one,) = parse(broken, VOCABULARY).instances
    assert one.label == "\ufffda\ufffdb"


@pytest.mark.parametrize(
    "bad",
    [
        Instance("a<b"),
        Instance("a\nb"),
        Instance("\ud800"),
        Instance(""),
        Instance(" car"),
        Instance("car "),
        Instance("car", (Part("pl", np.array([[1, 1], [1, 1]])),)),
        Instance("car", (Part("box", np.array([[3, 3], [1, 4]])),)),
        Instance("car", (Part("pt", np.array([[40, 1]])),)),
        Instance("car", (Part("pt", np.array([[1, 1]])), Part("pt", np.array([[2, 2]])))),
        Instance("car", (Part("seg", np.array([[1, 1]])), Part("box", np.array([[1, 1], [2, 2]])))),
    ],
)
def test_what_could_not_be_read_back_is_not_written(bad):
    with pytest.raises(ValueError, match=r"got|vertices"):
        write([CAR, bad], VOCABULARY)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_distinct_vertices_leave_out_immediate_repetition_only(cells):
    ij = np.array(cells, np.int64).reshape(-1, 2)
    kept = ij[distinct_vertices(ij)]
    assert (np.diff(kept, axis=0) != 0).any(axis=1).all()
    assert [c for at, c in enumerate(cells) if not at or c != cells[at - 1]] == [tuple(c) for c in kept.tolist()]


def test_forms_of_anchors_and_of_one_object():
    form = AnswerForm("pl", ("curb",), 8, 16)
    assert form.anchors() == AnswerForm("pt", ("curb",), 8, 1)
    assert form.one() == AnswerForm("pl", ("curb",), 1, 16, False)
