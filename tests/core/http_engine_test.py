"""An engine behind a server says what the same engine says here; what goes wrong on the way is one clear line."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Event, Thread

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.engines import load_engine
from getok_core.engines.answer_regex import answer_regex, script_regex
from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.engines.chat import Chat
from getok_core.engines.chat_client import ChatClient
from getok_core.engines.http_engine import UNSAID, HttpEngine
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.engines.sequential_engine import SequentialEngine
from getok_core.engines.spelled import Said, ids_of, spelled
from getok_core.errors import ModelError, QueryError
from getok_core.geometry import Box
from getok_core.grammar import parse, write
from getok_core.lattice import Lattice
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Request
from getok_core.queries import LANE_LABELS, TASKS, SceneQuery, question, standard_vocabulary
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import ANSWER, END_ANSWER
from tests.core.chat_server import choice, serving, words_of
from tests.core.strategies import answers, forms

VOCABULARY = standard_vocabulary()
IMAGE = np.random.default_rng(3).integers(0, 255, (256, 512, 3), np.uint8)
ASKED = [SceneQuery(name, TASKS[name].prompt) for name in ("lanes", "obstacles", "sign colour", "traffic density")]


def engine_at(address: str, **options: object) -> HttpEngine:
    engine = HttpEngine(replace(NoiseEngine(tokens=60).manifest, name="noise"), address, **options)  # type: ignore[arg-type]
    engine.client = replace(engine.client, pause_s=0.01)
    engine.load()
    return engine


def said_by_noise() -> tuple[list[Request], dict[str, str]]:
    """Requests, and what noise answers to each, by the words asked."""
    requests = [Request(query.prompt(VOCABULARY, Lattice(), (512, 256)), query.form) for query in ASKED]
    with NoiseEngine().open([IMAGE]) as frames:
        replies = frames.propose(requests, Limits(60))
    pairs = zip(requests, replies, strict=True)
    return requests, {VOCABULARY.spell(asked.prompt[:-1]): VOCABULARY.spell(said.ids) for asked, said in pairs}


# -- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.11.2", "0.8.5", ""])
def test_an_engine_behind_a_server_says_what_it_says_here(version) -> None:
    requests, texts = said_by_noise()
    say = lambda body: choice(texts[words_of(body)])  # noqa: E731
    with serving(say, version) as chat, engine_at(chat.address).open([IMAGE]) as frames:
        replies = frames.propose(requests, Limits(60))
    with NoiseEngine().open([IMAGE]) as frames:
        wanted = frames.propose(requests, Limits(60))
    assert [reply.ids.tolist() for reply in replies] == [reply.ids.tolist() for reply in wanted]
    assert all(reply.stop == "end" and (reply.logp == UNSAID).all() for reply in replies)
    url = chat.asked[0]["messages"][0]["content"][0]["image_url"]["url"]
    sent = cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert (cv2.cvtColor(sent, cv2.COLOR_BGR2RGB) == IMAGE).all()
    for body in chat.asked:
        assert (body["temperature"], body["top_p"], body.get("repetition_penalty")) == (0, 1, 1.0 if version else None)
        regexes = [body.get("structured_outputs", {}).get("regex"), body.get("guided_regex")]
        assert [one is not None for one in regexes] == [version == "0.11.2", version == "0.8.5"]
        assert (body["messages"][-1] == {"role": "assistant", "content": "<answer>"}) == bool(version)


def test_a_refinement_is_written_out_after_the_proposal() -> None:
    script = "<pl><off_1_0><delete><off_0_-1></pl></offset>"

    def say(body):
        begun = body["messages"][-1]["content"]
        return choice(script if "<offset>" in begun else "curb<pl><grid_1_30><grid_5_20><grid_9_9></pl></answer>")

    with serving(say) as chat:
        perceiver = Perceiver(SequentialEngine(engine_at(chat.address)), refinements=1)
        seen = perceiver.look(IMAGE, (), [ASKED[0]])[0]
    assert len(seen.lanes[0].points) == 2 and not seen.faults
    assert seen.lanes[0].points[0].tolist() == [2 * 512 / 32, 30.5 * 256 / 32]
    refinement = chat.asked[1]
    assert refinement["messages"][-1]["content"].endswith("</pl></offset><offset><step_1>")
    assert re.fullmatch(refinement["structured_outputs"]["regex"], script) and refinement["stop"] == ["</offset>"]


def test_what_leaves_a_refinements_script_moves_nothing() -> None:
    proposal = ids_of("curb<pl><grid_1_30><grid_5_20></pl>", VOCABULARY)
    draft = Draft.of((ANSWER,), tuple(proposal), parse(proposal, VOCABULARY).instances)
    with (
        serving(lambda _: choice("<pl><off_1_0>, hm <off_1_0></pl></offset>")) as chat,
        SequentialEngine(engine_at(chat.address)).open([IMAGE]) as frames,
    ):
        (offsets,) = frames.refine([draft], Limits(60))
    assert [VOCABULARY.tokens[token] for token in offsets.ids] == ["<off_1_0>", "<off_0_0>"]


@settings(max_examples=50)
@given(text=st.text(max_size=60) | st.lists(st.sampled_from(
    ["<box>", "</box>", "<grid_3_4>", "<grid_99_4>", "<grid_31_31>", "car", "\n", "</answer>", "<off_1_0>", "none", "<"]
)).map("".join))  # fmt: skip
def test_whatever_a_server_says_becomes_ids(text) -> None:
    ids = ids_of(text, VOCABULARY)
    assert VOCABULARY.spell(ids) == text.encode("utf-8", "replace").decode()
    parse(ids, VOCABULARY, TASKS["obstacles"].form)


@given(text=st.sampled_from(["solid white<pl><grid_1_2><grid_3_4></pl></answer>", "a é<pt><grid_0_0></pt></answer>"]),
       cuts=st.sets(st.integers(1, 40)), seed=st.integers(0, 9))  # fmt: skip
def test_however_a_server_cuts_its_tokens_no_probability_is_lost(text, cuts, seed) -> None:
    raw, rng = text.encode(), np.random.default_rng(seed)
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    said = [Said(raw[a:b], float(-rng.random()), {}) for a, b in pairwise(edges)]
    found = spelled(text, said, UNSAID, VOCABULARY)
    assert found.ids.tolist() == ids_of(text, VOCABULARY)
    assert np.isclose(found.logp.sum(), sum(one.logp for one in said)) and (found.logp <= 0).all()


def test_a_cell_counts_the_neighbours_that_the_server_names() -> None:
    others = {"<grid_3_4>": 0.5, "<grid_4_5>": 0.25, "<grid_9_9>": 0.2}
    pieces = [("car", 0.5, {}), ("<box>", 0.5, {}), ("<grid_3_4>", 0.5, others), ("<grid_5_5>", 0.125, {}),
              ("</box>", 0.5, {}), ("</answer>", 0.5, {})]  # fmt: skip
    content = [
        {"token": token, "logprob": float(np.log(p)), "bytes": list(token.encode()),
         "top_logprobs": [{"token": other, "logprob": float(np.log(q))} for other, q in others.items()]}
        for token, p, others in pieces
    ]  # fmt: skip
    text = "".join(token for token, _, _ in pieces)
    with serving(lambda _: choice(text, logprobs=content)) as chat, engine_at(chat.address).open([IMAGE]) as frames:
        (reply,) = frames.propose([Request((ANSWER,), TASKS["obstacles"].form)], Limits(60))
    assert np.exp(reply.logp).round(6).tolist() == [0.5, 0.5, 0.5, 0.125, 0.5, 0.5]
    assert np.exp(reply.logp_near).round(6).tolist() == [0.5, 0.5, 0.75, 0.125, 0.5, 0.5]


# -- what a server is told ---------------------------------------------------------------------------------------

FORMS = [AnswerForm("pl", LANE_LABELS, 3, 6), AnswerForm("box", (), 2), AnswerForm("seg", ("car", "a.b"), 2, 3),
         AnswerForm("text", ("red", "none"), 1), AnswerForm("pt"), AnswerForm("any"), AnswerForm("text")]  # fmt: skip
SMALL = standard_vocabulary(16)
LEFT_TO_THE_PARSER = {"inverted box", "repeated instance", "wrong number of vertices"}


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_what_a_server_is_held_to_can_be_read(form) -> None:
    @settings(max_examples=15, deadline=None)
    @given(text=st.from_regex(answer_regex(form, SMALL), fullmatch=True))
    def check(text: str) -> None:
        parsed = parse(ids_of(text, SMALL), SMALL, form)
        assert parsed.closed and {fault.kind for fault in parsed.faults} <= LEFT_TO_THE_PARSER, parsed.faults

    check()


@given(data=st.data(), form=forms)
def test_every_true_answer_is_allowed(data, form) -> None:
    said = data.draw(answers(form, SMALL))
    pattern = re.compile(answer_regex(form, SMALL))
    assert pattern.fullmatch(SMALL.spell([*write(said, SMALL), END_ANSWER]))


def test_only_offsets_fit_a_refinement() -> None:
    pattern = script_regex([None, END_ANSWER], VOCABULARY)
    assert re.fullmatch(pattern, "<off_-1_1></answer>") and re.fullmatch(pattern, "<delete></answer>")
    assert not re.fullmatch(pattern, "<grid_1_1></answer>")


@pytest.mark.parametrize(
    "words",
    ["box <grid_3_4>", "what is </answer>?", "say <|im_end|>", "<|IM_START|>system", "<GRID_3_4>", "<tool_call>",
     "a </s>", "<\u200b|im_end|>", "<\u0301|im_end|>", "<!-- -->", "<[INST]"],
)  # fmt: skip
def test_words_that_a_server_would_take_for_tokens_are_not_sent(words) -> None:
    with (
        serving(lambda _: choice("none</answer>")) as chat,
        pytest.raises(QueryError, match="the question '") as caught,
    ):
        Perceiver(engine_at(chat.address)).ask(IMAGE, question(words))
    assert not chat.asked and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words", ["is 3 < 5 m?", "is it <= 5 m?", "is it <5 m?", "which are < ?", "\uff1c|im_end|\uff1e"]
)
def test_words_that_no_server_would_take_for_tokens_are_sent(words) -> None:
    with serving(lambda _: choice("none</answer>")) as chat:
        Perceiver(engine_at(chat.address)).ask(IMAGE, question(words))
    assert words_of(chat.asked[0]) == words


# -- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_server_that_sends_us_elsewhere_is_refused() -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", other.address + self.path)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(lambda _: choice("none</answer>")) as other, ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as here:
        thread = Thread(target=here.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        with pytest.raises(ModelError, match=r"refused /v1/models \(302\)"):
            engine_at(f"http://127.0.0.1:{here.server_port}")
        here.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "line"),
    [((400, {"error": {"message": "no such\nthing"}}), "refused /v1/chat/completions \\(400\\): no such thing"),
     ((500, b"<html>"), "\\(500\\): <html>"), ((404, b""), "\\(404\\): Not Found"), ((200, b"[1]"), "no JSON object"),
     ((200, b"\xff{"), "no JSON object"), ((200, {}), "without choices"), ((200, {"choices": [3]}), "without choices")],
)  # fmt: skip
def test_a_failing_server_is_one_line(answer, line) -> None:
    with serving(lambda _: answer) as chat:
        engine = engine_at(chat.address, attempts=2)
        with pytest.raises(ModelError, match=line) as caught, engine.open([IMAGE]) as frames:
            frames.propose([Request((ANSWER,), TASKS["lanes"].form)], Limits(60))
    assert "\n" not in str(caught.value) and len(chat.asked) == (2 if answer[0] == 500 else 1)


@pytest.mark.parametrize(
    ("said", "faults"),
    [({"x": 1}, 0), ({"message": None}, 0), ({"message": {"content": 3}, "logprobs": {"content": [{}]}}, 0),
     ({"message": {"content": "<pl><pl>x"}, "logprobs": 5, "finish_reason": None}, 3)],
)  # fmt: skip
def test_a_nonsense_answer_is_no_error(said, faults) -> None:
    with serving(lambda _: (200, {"choices": [said]})) as chat:
        scene = Perceiver(SequentialEngine(engine_at(chat.address)), 0).look(IMAGE, (), [ASKED[0]])[0]
    assert not scene.lanes and len(scene.faults) == faults


def test_a_busy_server_is_asked_again() -> None:
    states = iter([(503, b"busy"), (429, b"busy"), choice("none</answer>")])
    with serving(lambda _: next(states)) as chat:
        assert Perceiver(engine_at(chat.address), 0).look(IMAGE, (), [ASKED[0]])[0].lanes == ()
    assert len(chat.asked) == 3


def test_no_server_no_model_and_no_address_are_one_line_each(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ModelError, match=f"127.0.0.1:{port} cannot be asked .*refused.*: start it"):
        engine_at(f"http://127.0.0.1:{port}", attempts=1)
    with pytest.raises(ModelError, match="'file:///etc' is no address"):
        engine_at("file:///etc")
    with (
        serving(lambda _: choice(""), models=("a", "b")) as chat,
        pytest.raises(ModelError, match="serves a, b, but not"),
    ):
        engine_at(chat.address)
    with serving(lambda _: choice(""), models=()) as chat, pytest.raises(ModelError, match="serves no model"):
        engine_at(chat.address)


def test_a_slow_server_is_given_up_and_a_late_answer_is_cut_off() -> None:
    go_on = Event()

    def slow(_):
        go_on.wait(5)
        return choice("none</answer>")

    with serving(slow) as chat:
        engine = engine_at(chat.address, timeout_s=0.05, attempts=1)
        with pytest.raises(ModelError, match="no answer in time"), engine.open([IMAGE]) as frames:
            frames.propose([Request((ANSWER,), TASKS["lanes"].form)], Limits(60))
        began = time.monotonic()
        seen = Perceiver(engine_at(chat.address), 0, deadline_s=0.1).look(IMAGE, (), [ASKED[0]])[0]
        assert seen.truncated and time.monotonic() - began < 4
        go_on.set()


def test_a_folder_with_a_manifest_is_enough(tmp_path) -> None:
    manifest = replace(
        NoiseEngine().manifest, name="seven", engines=("torch", "http"), files={"model.safetensors": "0"}
    )
    manifest.write(tmp_path)
    with serving(lambda _: choice("none</answer>"), models=("seven",)) as chat:
        engine = load_engine(tmp_path, chat.address)
        assert Perceiver(engine, 0).ask(IMAGE, ASKED[0]).answer == "none"
        assert chat.asked[0]["model"] == "seven" and engine.device == chat.address
        replace(manifest, engines=("onnx",)).write(tmp_path)
        with pytest.raises(ModelError, match="made for onnx, not for a server"):
            load_engine(tmp_path, chat.address)


def test_a_server_that_is_not_vllm_is_asked_for_no_refinement() -> None:
    with serving(lambda _: choice("<answer>curb<pl><grid_1_30><grid_5_20></pl>"), version="", models=("gpt",)) as chat:
        perceiver = Perceiver(SequentialEngine(engine_at(chat.address)))
        assert len(perceiver.look(IMAGE, (), [ASKED[0]])[0].lanes) == 1 and perceiver.refinements == 0
        with pytest.raises(ModelError, match="cannot go on from a begun answer"):
            Perceiver(SequentialEngine(engine_at(chat.address)), 1).look(IMAGE, (), [ASKED[0]])


@pytest.mark.parametrize("version", ["0.11.2", ""])
def test_a_model_that_opens_its_turn_itself_is_held_to_nothing(version) -> None:
    said = "<think>hm</think><answer>[{}]</answer>"
    asked = Request(tuple(VOCABULARY.encode_text("What?")), AnswerForm("text"))
    with serving(lambda _: choice(said), version) as chat, engine_at(chat.address).open([IMAGE]) as frames:
        (reply,) = frames.propose([asked], Limits(60))
    assert VOCABULARY.spell(reply.ids) == said and len(chat.asked[0]["messages"]) == 1
    assert not {"structured_outputs", "guided_regex", "stop"} & set(chat.asked[0])


@pytest.mark.parametrize(("said", "version"), [("0.11.0rc2.dev1+g12", (0, 11, 0)), ("1.2", (1, 2)), ("", ())])
def test_versions_are_read(said, version) -> None:
    with serving(lambda _: choice(""), version=said) as chat:
        assert ChatClient(chat.address, pause_s=0.01).version() == version


# -- the same ids as in training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def qwen_folder(tmp_path_factory):
    """A tokenizer of Qwen's kind that speaks the language, with the chat template of an exported folder."""
    pytest.importorskip("transformers", reason="transformers is missing: install the training extra")
    from training.base_folder import TEMPLATE, TOKENIZER_CONFIG, add_language
    from training.tiny_base import tiny_tokenizer

    folder = tmp_path_factory.mktemp("qwen")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings))
    add_language(folder, 32)
    return folder


def test_what_a_server_makes_of_a_request_is_what_the_model_was_trained_on(qwen_folder) -> None:
    from transformers import AutoTokenizer

    tokenizer, base = AutoTokenizer.from_pretrained(qwen_folder), BaseVocabulary.read(qwen_folder, 32)
    region = SceneQuery("sign colour", TASKS["sign colour"].prompt, Box([[10, 10], [90, 40]]))
    free = question("Is the naïve 道路 open?", None, ("yes, it is", "no"))
    parsed = parse(ids_of("curb<pl><grid_1_30><grid_5_20></pl>", VOCABULARY), VOCABULARY)
    with serving(lambda _: choice("none</answer>")) as chat:
        engine = engine_at(chat.address)
    for query in (region, free, ASKED[0]):
        prompts = [query.prompt(vocabulary, Lattice(), (512, 256)) for vocabulary in (VOCABULARY, base)]
        drafts = [
            Draft.of(prompt, tuple(write(parsed.instances, vocabulary)), parsed.instances).sequential_prompt(vocabulary)
            for prompt, vocabulary in zip(prompts, (VOCABULARY, base), strict=True)
        ]
        for ours, theirs in (prompts, drafts):
            messages = engine.body(Request(tuple(ours), query.form), "data:,", Limits(60))["messages"]
            text = tokenizer.apply_chat_template(messages, tokenize=False, continue_final_message=True)
            frame = Chat(base)
            wanted = [*frame.opening(1), *frame.turns(theirs)[0]]
            assert tokenizer(text, add_special_tokens=False)["input_ids"] == wanted, text
