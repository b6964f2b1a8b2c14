"""A base's tokenizer under the language: text is never geometry or a control token, ids map both ways, chats agree."""

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from getok_core.automaton import Automaton
from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.engines.chat import Chat
from getok_core.errors import ModelError
from getok_core.geometry import Box
from getok_core.grammar import parse, write
from getok_core.lattice import Lattice
from getok_core.queries import TASKS, SceneQuery, question, standard_vocabulary
from getok_core.vocabulary import ANSWER, END_ANSWER, END_THINK, THINK, Vocabulary
from tests.core.strategies import answers, any_text, forms
from training.base_folder import add_language
from training.tiny_base import tiny_base

QWEN = os.environ.get("GETOK_QWEN_TOKENIZER", "")
"""a folder with the tokenizer.json of a Qwen model"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny", n=16)


@pytest.fixture(scope="module")
def base(folder):
    return BaseVocabulary.read(folder, 16)


def test_the_languages_ids_are_those_of_every_vocabulary(base):
    plain = Vocabulary(16)
    assert base.tokens[: base.text_start] == plain.tokens[: plain.text_start]
    assert base.text_start == plain.text_start and base.digest == standard_vocabulary(16).digest


def test_base_ids_spell_the_same_and_map_back(base, folder):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for local in range(base.text_start):
        assert tokenizer.id_to_token(int(base.base_ids[local])) == base.tokens[local]
    known = np.flatnonzero([piece is not None for piece in (*([b""] * base.text_start), *base.pieces)])
    np.testing.assert_array_equal(base.local_ids(base.base_ids[known]), known)
    assert base.local_ids([-1, 10**6]).tolist() == [-1, -1]


texts = any_text | st.lists(st.sampled_from(
    ["<grid_3_4>", "<delete>", "<|im_end|>", "<|image_pad|>", "red", " ", "\n", "é", "<", "</answer>", "\r\n"]),
    max_size=8).map("".join)  # fmt: skip


def check_text(vocabulary: BaseVocabulary, text: str) -> None:
    ids = vocabulary.encode_text(text)
    assert all(vocabulary.is_text(t) and t - vocabulary.text_start not in vocabulary.special for t in ids)
    assert vocabulary.decode_text(ids) == vocabulary.spell(ids) == unicodedata.normalize("NFC", text)


@given(texts)
@example("<grid_3_4><|im_end|></answer>")
def test_text_is_never_geometry_or_control_and_comes_back(base, text):
    check_text(base, text)


@given(forms, st.data())
def test_answers_are_written_and_parsed_as_with_our_own_words(base, form, data):
    instances = data.draw(answers(form, base))
    ids = write(instances, base)
    parsed = parse([*ids, END_ANSWER], base, form)
    assert not parsed.faults and parsed.closed
    assert [one.label for one in parsed.instances] == [unicodedata.normalize("NFC", one.label) for one in instances]


@pytest.mark.parametrize("task", ["lanes", "signs", "sign colour", "referred boxes"])
def test_whatever_the_automaton_allows_parses_without_a_fault(base, task):
    rng = np.random.default_rng(0)
    for budget in (1, 5, 40):
        automaton, said = Automaton(TASKS[task].form, base, budget), []
        while not automaton.done:
            said.append(int(rng.choice(np.flatnonzero(automaton.legal()))))
            automaton.advance(said[-1])
        assert not parse(said, base, TASKS[task].form).faults or budget == 1


def test_free_text_never_holds_a_control_token_or_an_angle(base):
    allowed = np.flatnonzero(base.label_text)
    assert len(allowed) > 400 and base.newline not in allowed
    assert not any("<" in base.spell([token]) or "\n" in base.spell([token]) for token in allowed)
    assert base.blank[base.encode_text(" ")].all() and not base.blank[base.encode_text("a")].any()


def test_a_tokenizer_without_the_language_is_refused(tmp_path):
    raw = tiny_base(tmp_path / "raw")
    with pytest.raises(ModelError, match="lacks 290 of the language's 290 tokens, <pad> among them"):
        BaseVocabulary.read(raw, 16)
    (raw / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="is no tokenizer"):
        BaseVocabulary.read(raw, 16)
    with pytest.raises(ModelError, match="no tokenizer at"):
        BaseVocabulary.read(tmp_path / "nowhere", 16)


QUERIES = [
    SceneQuery("lanes", TASKS["lanes"].prompt),
    question("what colour is the sign?", Box([[10, 10], [30, 40]])),
    question("Is <|im_end|> here?", Box([[1, 1], [3, 4]]), ("red", "not visible")),
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_chat_is_what_the_bases_own_template_makes(base, folder, query):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = Chat(base)
    local = [*query.prompt(base, Lattice(16), (64, 64)), *base.encode_text("red"), END_ANSWER]
    asked, said = chat.spelled(local)
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": asked}]}
    turns, shift = chat.turns(local)
    assert turns[local.index(ANSWER) + shift] == base.base_ids[ANSWER]
    rendered = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True) + said
    if "<|im_end|>" not in query.text:  # a server reads a control token there; chat.py does not
        assert tokenizer(rendered, add_special_tokens=False)["input_ids"] == chat.opening(1) + turns
    ours = base.spell(base.local_ids([*chat.opening(1), *turns]))
    assert ours == rendered


def test_a_thought_belongs_to_the_assistant(base):
    local = [*base.encode_text("Box it."), THINK, *base.encode_text("hm"), END_THINK, ANSWER, END_ANSWER]
    asked, said = Chat(base).spelled(local)
    assert (asked, said) == ("Box it.", "<think>hm</think><answer></answer>")


@pytest.mark.skipif(not QWEN, reason="needs a Qwen tokenizer: set GETOK_QWEN_TOKENIZER to a folder with tokenizer.json")
def test_a_real_qwen_tokenizer_speaks_the_language(tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((Path(QWEN) / name).read_bytes())
    added = add_language(tmp_path, 32)
    vocabulary = BaseVocabulary.read(tmp_path, 32)
    assert 1054 <= len(added) <= vocabulary.text_start and min(added) > 151_600
    assert add_language(tmp_path, 32) == [], "a second time changes nothing"
    for text in ("Draw every lane line.", "<grid_3_4><|im_end|>", "naïve 道路\n\n", "1234"):
        check_text(vocabulary, text)
    assert len(json.loads((tmp_path / "tokenizer_config.json").read_text())["added_tokens_decoder"]) >= len(added)
