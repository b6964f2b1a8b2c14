"""A tiny Qwen-VL as a policy: the engine samples what is read again, only the adapter learns, a run resumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from getok_core.lattice import Lattice
from getok_core.protocol import Limits, Sampling
from training import grpo
from training.feed import synthetic
from training.objective import Spoken, grpo_loss, spoken
from training.qwen_policy import RESUME, QwenPolicy
from training.rewarded_questions import questions_of
from training.rollouts import Temper, propose, refine
from training.tiny_base import tiny_base

N = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_base(tmp_path_factory.mktemp("tiny"), N)


@pytest.mark.parametrize("constrained", [True, False])
def test_what_the_engine_sampled_is_read_with_the_same_probability(folder: Path, constrained: bool) -> None:
    policy = QwenPolicy(folder, rank=4)
    frame = synthetic(60_000_001, policy.view)
    vocabulary = policy.engine.vocabulary
    asked = questions_of(0, frame, Lattice(N), vocabulary, np.random.default_rng(0), ["obstacles"], 1)
    limits, sampling = Limits(20), Sampling(1, 1.0, 0, constrained)
    with policy.engine.open([frame.image]) as frames:
        (reply,) = frames.propose([asked[0].request(sampling)], limits)
        policy.manifest = policy.manifest.__class__(**{**vars(policy.manifest), "tokens": 20})
        policy.engine.manifest = policy.manifest
        groups = propose(policy, frames, asked, Temper(2, 1.0, constrained), 0)
    assert groups[0].chosen[0].tolist() == reply.ids.tolist()
    with torch.no_grad():
        found = spoken(policy, [frame.image], groups, 1.0)[0].numpy()
    assert np.allclose(found, reply.logp_legal, atol=1e-3)


def test_only_the_adapter_learns_and_the_reference_stays(folder: Path) -> None:
    policy = QwenPolicy(folder, rank=4)
    frame = synthetic(60_000_001, policy.view)
    asked = questions_of(0, frame, Lattice(N), policy.engine.vocabulary, np.random.default_rng(0), ["obstacles"], 1)
    with policy.engine.open([frame.image]) as frames:
        groups = refine(policy, frames, [frame.image], asked, Temper(4), 0)
    assert groups, "the tiny model always draws something that can be refined"
    images, reference = [frame.image], policy.frozen()
    with torch.no_grad():
        before = spoken(reference, images, groups, 1.0)
    old = {name: weight.clone() for name, weight in policy.model.named_parameters() if not weight.requires_grad}
    learn = torch.optim.AdamW(policy.trained(), lr=1e-2)
    grpo_loss(policy, images, groups, Spoken(None, before), kl=0.0).loss.backward()
    learn.step()
    policy.settle()
    assert all(torch.equal(weight, old[name]) for name, weight in policy.model.named_parameters() if name in old)
    with torch.no_grad():
        after, still = spoken(policy, images, groups, 1.0), spoken(reference, images, groups, 1.0)
    assert any(not torch.allclose(new, row) for new, row in zip(after, before, strict=True))
    assert all(torch.allclose(same, row) for same, row in zip(still, before, strict=True))
    gained = [float((new - row).sum()) for new, row in zip(after, before, strict=True)]
    assert np.dot(np.concatenate([group.advantages() for group in groups]), gained) > 0


def test_a_run_of_a_qwen_folder_resumes(folder: Path, tmp_path: Path) -> None:
    words = ["--start", str(folder), "--images", "1", "--accumulate", "1", "--questions", "1", "--group", "2",
             "--held-out", "0", "--tasks", "obstacles", "--rate", "1e-3", "--device", "cpu"]  # fmt: skip
    grpo.main([*words, "--out", str(tmp_path / "halves"), "--proposing", "0", "--refining", "1"])
    assert torch.load(tmp_path / "halves" / RESUME, weights_only=True)["step"] == 1
    assert (tmp_path / "halves" / "run.json").is_file()
    grpo.main([*words, "--out", str(tmp_path / "halves"), "--proposing", "0", "--refining", "2"])
    curve = (tmp_path / "halves" / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in curve] == [0, 1]


def test_a_checkpoint_brings_back_what_was_learned(folder: Path, tmp_path: Path) -> None:
    policy, other = QwenPolicy(folder, rank=4), QwenPolicy(folder, rank=4)
    learn, again = (torch.optim.AdamW(one.trained(), lr=1e-2) for one in (policy, other))
    sum((weight**2).sum() for weight in policy.trained()).backward()
    learn.step()
    policy.save(tmp_path, learn, 7)
    assert other.restore(tmp_path / "nowhere", again) == 0
    assert not all(torch.equal(a, b) for a, b in zip(policy.trained(), other.trained(), strict=True))
    assert other.restore(tmp_path, again) == 7
    assert all(torch.equal(a, b) for a, b in zip(policy.trained(), other.trained(), strict=True))
