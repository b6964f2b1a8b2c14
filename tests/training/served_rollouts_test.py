"""Rollouts through a chat server: what it says is what the policy would have said, with the weights of this step."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="transformers is missing: install the training extra")

from peft import PeftModel

from getok_core.engines.answer_regex import answer_regex
from getok_core.engines.spelled import ids_of
from getok_core.engines.torch_engine import TorchEngine
from getok_core.errors import ModelError
from getok_core.lattice import Lattice
from getok_core.manifest import read_manifest
from getok_core.protocol import Limits, Request, Sampling
from getok_core.queries import TASKS
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import END_ANSWER, GRID_START
from tests.core.chat_server import ChatServer, choice, serving, words_of
from training import grpo
from training.feed import synthetic
from training.model import load_base, merged
from training.qwen_policy import QwenPolicy
from training.ranks import Ranks
from training.rewarded_questions import questions_of
from training.rollouts import Temper, legal_of, propose, refine
from training.served_rollouts import ServedEngine, Server, digest
from training.tiny_base import tiny_base

N = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short answers: random weights know no end."""
    torch.set_num_threads(1)
    made = tiny_base(tmp_path_factory.mktemp("tiny"), N)
    replace(read_manifest(made), tokens=20).write(made)
    return made


class Vllm:
    """A server's part: a base of its own that takes adapters from a disk and answers with the one that is asked for."""

    def __init__(self, folder: Path):
        self.folder, self.manifest, self.busy = folder, read_manifest(folder), Lock()
        self.engines: dict[str, TorchEngine] = {}
        self.loads = 0

    def __call__(self, body: dict[str, Any]) -> tuple[int, Any]:
        with self.busy:
            if "lora_path" in body:
                return self.load(body["lora_name"], Path(body["lora_path"]))
            if "lora_name" in body:
                return (200, b"Success") if self.engines.pop(body["lora_name"], None) else (404, {"error": "unknown"})
            if body["model"] not in self.engines:
                return 404, {"error": {"message": f"The model `{body['model']}` does not exist."}}
            return self.say(body, self.engines[body["model"]])

    def load(self, name: str, path: Path) -> tuple[int, Any]:
        if name in self.engines:
            return 400, {"error": {"message": f"The lora adapter '{name}' has already been loaded."}}
        assert not json.loads((path / "adapter_config.json").read_text()).get("trainable_token_indices")
        model = PeftModel.from_pretrained(load_base(self.folder, N).model, str(path))
        self.engines[name] = TorchEngine.of(merged(model).eval(), self.folder, self.manifest)
        self.loads += 1
        return 200, f"Success: LoRA adapter '{name}' added successfully.".encode()

    def say(self, body: dict[str, Any], engine: TorchEngine) -> tuple[int, Any]:
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        raw = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        pixels = cv2.cvtColor(cv2.imdecode(raw, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        ids = ids_of(words_of(body) + body["messages"][1]["content"], engine.vocabulary)
        forms = {answer_regex(task.form, engine.vocabulary): task.form for task in TASKS.values()}
        regex = body.get("structured_outputs", {}).get("regex")
        sampling = Sampling(1, body["temperature"], body["seed"], regex is not None)
        with engine.open([pixels]) as frames:
            request = Request(tuple(ids), forms.get(regex, AnswerForm("any")), sampling=sampling)
            (reply,) = frames.propose([request], Limits(body["max_tokens"]))
        state, said = choice("", "stop" if reply.stop == "end" else "length")
        assert body["return_token_ids"]
        said["choices"][0]["token_ids"] = engine.base.base_ids[reply.ids].tolist()
        return state, said


@pytest.fixture
def vllm(folder: Path) -> Iterator[tuple[Vllm, ChatServer]]:
    model = Vllm(folder)
    with serving(model, models=(str(folder),)) as chat:
        yield model, chat


def asked_of(policy: QwenPolicy, tasks: list[str]) -> tuple[list, list]:
    frame = synthetic(60_000_001, policy.view)
    rng = np.random.default_rng(0)
    return [frame.image], questions_of(0, frame, Lattice(N), policy.base.vocabulary, rng, tasks, 2)


@pytest.mark.parametrize("constrained", [True, False])
def test_the_server_draws_what_this_process_would_draw_after_every_update(folder, vllm, tmp_path, constrained) -> None:
    torch.manual_seed(0)
    policy = QwenPolicy(folder, rank=4, server=Server(vllm[1].address, tmp_path))
    images, asked = asked_of(policy, ["obstacles", "lanes"])
    temper, said, names = Temper(2, 0.7, constrained), [], []
    learn = torch.optim.SGD(policy.trained(), lr=30.0)
    for _ in range(2):
        with policy.engine.open(images) as frames:
            served = propose(policy, frames, asked, temper, 3)
        here = TorchEngine.of(merged(load_adapter(folder, tmp_path)).eval(), folder, policy.manifest)
        with here.open(images) as frames:
            own = propose(policy, frames, asked, temper, 3)
        for one, other in zip(served, own, strict=True):
            assert [ids.tolist() for ids in one.chosen] == [ids.tolist() for ids in other.chosen]
            assert [reward.total(one.weights) for reward in one.rewards] == [
                reward.total(other.weights) for reward in other.rewards
            ]
        said.append([ids.tolist() for group in served for ids in group.chosen])
        names.append(policy.engine.model)
        sum((weight - 0.5).square().sum() for weight in policy.trained()).backward()
        learn.step()
        policy.settle()
    assert said[0] != said[1] and names[0] != names[1]
    assert list(vllm[0].engines) == [names[1]] == [path.name for path in tmp_path.iterdir()]


def load_adapter(folder: Path, served: Path) -> PeftModel:
    (path,) = served.iterdir()
    return PeftModel.from_pretrained(load_base(folder, N).model, str(path))


def test_drafts_are_refined_by_the_policy_itself(folder, vllm, tmp_path) -> None:
    policy = QwenPolicy(folder, rank=4, server=Server(vllm[1].address, tmp_path))
    images, asked = asked_of(policy, ["obstacles", "lanes"])
    with policy.engine.open(images) as frames:
        served = refine(policy, frames, images, asked, Temper(3), 1)
    here = QwenPolicy(folder, rank=4)
    with here.engine.open(images) as frames:
        own = refine(here, frames, images, asked, Temper(3), 1)
    assert len(served) == len(own) > 0
    for one, other in zip(served, own, strict=True):
        assert [ids.tolist() for ids in one.chosen] == [ids.tolist() for ids in other.chosen]


def test_a_run_through_a_server_learns_and_resumes(folder, vllm, tmp_path) -> None:
    words = ["--start", str(folder), "--out", str(tmp_path), "--images", "1", "--accumulate", "1", "--questions", "1",
             "--group", "2", "--held-out", "1", "--tasks", "obstacles", "--rate", "1e-3", "--device", "cpu",
             "--proposing", "1", "--rollouts", vllm[1].address]  # fmt: skip
    grpo.main([*words, "--refining", "1"])
    grpo.main([*words, "--refining", "2"])
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in curve] == ["S1", "S2", "S2"] and vllm[0].loads >= 3


@pytest.mark.parametrize(
    ("say", "version", "why"),
    [
        (lambda _: (400, {"error": {"message": "no such\nendpoint"}}), "0.11.2", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        (lambda _: (200, b"Success"), "", "is no vLLM"),
    ],
)
def test_a_server_that_will_not_do_is_one_line(folder, tmp_path, say, version, why) -> None:
    with serving(say, version) as chat, pytest.raises(ModelError, match=why) as refused:
        _ = QwenPolicy(folder, rank=4, server=Server(chat.address, tmp_path)).engine
    assert "\n" not in str(refused.value)


def test_a_server_that_is_not_there_or_tells_no_ids_is_one_line(folder, tmp_path) -> None:
    policy = QwenPolicy(folder, rank=4)
    with pytest.raises(ModelError, match="cannot be asked"):
        Server("http://127.0.0.1:9", tmp_path).take(policy.adapter(), policy.model.peft_config["default"], Ranks())
    with serving(lambda _: choice("<answer>")) as chat:
        engine = ServedEngine(policy.manifest, Server(chat.address, tmp_path), policy.base.vocabulary, policy.read)
        engine.model = "any"
        images, asked = asked_of(policy, ["obstacles"])
        with engine.open(images) as frames, pytest.raises(ModelError, match="tells no token_ids"):
            frames.propose([asked[0].request(Sampling())], Limits(5))


def test_weights_have_a_name_of_their_own() -> None:
    one = {"a": torch.zeros(2), "b": torch.ones(2)}
    assert digest(one) == digest(dict(reversed(one.items()))) != digest({"a": torch.ones(2), "b": torch.zeros(2)})
    assert digest(one) != digest({**one, "a": torch.full((2,), 1e-8)})


def test_what_the_automaton_would_not_allow_makes_everything_legal_from_there(folder) -> None:
    policy = QwenPolicy(folder, rank=4)
    vocabulary, limits = policy.base.vocabulary, Limits(20)
    request = asked_of(policy, ["obstacles"])[1][0].request(Sampling(1, 1.0, 0))
    none = vocabulary.encode_text("none")
    held = legal_of(request, np.array([*none, END_ANSWER]), vocabulary, limits)
    assert held.sum(axis=1).max() < vocabulary.size / 2
    broken = legal_of(request, np.array([*none, GRID_START, END_ANSWER]), vocabulary, limits)
    assert (broken[: len(none)] == held[: len(none)]).all() and broken[len(none) :].all()
