"""GRPO on a tiny nano: the policy's probabilities, its objective, both stages, resuming, no grammar."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from getok_core.decoding import follower
from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.lattice import Lattice
from getok_core.protocol import Limits, Request, Sampling
from getok_core.queries import STANDING, standard_vocabulary
from getok_core.vocabulary import END_ANSWER, PAD
from training import grpo
from training.checkpoint import Ema, load_average, save_training
from training.export import export
from training.feed import synthetic
from training.grpo_run import WELL_FORMED
from training.nano_policy import NanoPolicy
from training.objective import Spoken, grpo_loss, log_policy, read_once, spoken
from training.rewarded_questions import questions_of
from training.rollouts import Group, Temper, propose, refine, well_formed
from training.torch_engine import torch_engine

ROOT = Path(__file__).parents[2]
SIZE = (128, 128)
CONFIG = NanoConfig(standard_vocabulary().size, width=128, height=128, dim=32, layers=2, heads=2, hidden=48, neck=16)
TASKS = ["lanes", "drivable area", "obstacles", "referred masks", "referred points"]


@pytest.fixture
def policy() -> NanoPolicy:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return NanoPolicy(Nano(CONFIG), tokens=40)


@pytest.fixture(scope="module")
def images_and_questions() -> tuple:
    frames = [synthetic(60_000_000 + seed, SIZE) for seed in (1, 2)]
    rng = np.random.default_rng(0)
    asked = [question for at, frame in enumerate(frames)
             for question in questions_of(at, frame, Lattice(), standard_vocabulary(), rng, TASKS, 4)]  # fmt: skip
    return [frame.image for frame in frames], asked


def groups_of(policy: NanoPolicy, images_and_questions: tuple, stage: str, temper: Temper | None = None) -> list[Group]:
    images, asked = images_and_questions
    temper = temper or Temper(group=3)
    with policy.engine.open(images) as frames:
        if stage == "S1":
            return propose(policy, frames, asked, temper, 5)
        return refine(policy, frames, images, asked, temper, 5)


def test_log_policy_is_normalised_over_what_is_legal() -> None:
    logits = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    legal = torch.rand(4, 20, generator=torch.Generator().manual_seed(1)) < 0.5
    legal[0] = False
    legal[0, 7] = True
    every = torch.stack([log_policy(logits, legal, torch.full((4,), t), 0.7) for t in range(20)], dim=1)
    assert torch.allclose(every.exp().sum(1), torch.ones(4)) and (every[~legal] == -torch.inf).all()
    assert every[0, 7] == 0.0


@pytest.mark.parametrize("stage", ["S1", "S2"])
def test_recomputed_probabilities_are_those_that_were_sampled(policy, images_and_questions, stage: str) -> None:
    """S1: the engine's own account of its replies. S2: shared readings give what separate ones would."""
    images, asked = images_and_questions
    groups = groups_of(policy, images_and_questions, stage)
    with torch.no_grad():
        found = spoken(policy, images, groups, 1.0)
    assert len(found) == sum(len(group.chosen) for group in groups) and all((row <= 0).all() for row in found)
    if stage == "S1":
        with policy.engine.open(images) as frames:
            request = asked[0].request(Sampling(1, 1.0, 5))
            (reply,) = frames.propose([request], Limits(40))
        assert reply.ids.tolist() == groups[0].chosen[0].tolist()
        assert np.allclose(found[0].numpy(), reply.logp_legal, atol=1e-4)
    else:
        readings = [reading for group in groups for reading in group.readings]
        with torch.no_grad():
            for once, alone in zip(read_once(policy, images, readings), policy.read(images, readings), strict=True):
                assert torch.allclose(once, alone, atol=1e-5)


def test_an_advantage_is_relative_to_its_group(policy, images_and_questions) -> None:
    for group in groups_of(policy, images_and_questions, "S1"):
        total = [reward.total(group.weights) for reward in group.rewards]
        assert group.advantages().sum() == pytest.approx(0.0, abs=1e-9)
        assert np.argsort(group.advantages()).tolist() == np.argsort(total).tolist()


@pytest.mark.parametrize("stage", ["S1", "S2"])
def test_one_step_makes_better_replies_likelier(policy, images_and_questions, stage: str) -> None:
    images, _ = images_and_questions
    groups = [group for group in groups_of(policy, images_and_questions, stage) if np.ptp(group.advantages()) > 0.1]
    assert groups
    with torch.no_grad():
        before = spoken(policy, images, groups, 1.0)
    loss = grpo_loss(policy, images, groups, Spoken(None, before), kl=0.0)
    learn = torch.optim.SGD(policy.trained(), lr=0.05 / max(1, loss.tokens))
    loss.loss.backward()
    learn.step()
    with torch.no_grad():
        after = spoken(policy, images, groups, 1.0)
    advantages = np.concatenate([group.advantages() for group in groups])
    gained = [float((new - old).sum()) for new, old in zip(after, before, strict=True)]
    assert float(np.dot(advantages, gained)) > 0.0
    assert loss.kl == 0.0  # the reference is the policy itself before the step


def test_a_ratio_beyond_the_clip_gives_no_gradient(policy, images_and_questions) -> None:
    images, _ = images_and_questions
    groups = groups_of(policy, images_and_questions, "S2")[:1]
    with torch.no_grad():
        now = spoken(policy, images, groups, 1.0)
    for sign, moves in ((1.0, False), (-1.0, True)):
        held = Spoken([row - 1.0 for row in now], now)  # every ratio is e
        forced = [Paid(groups[0], sign)]
        policy.model.zero_grad()
        grpo_loss(policy, images, forced, held, kl=0.0).loss.backward()
        norm = sum(float(p.grad.abs().sum()) for p in policy.trained() if p.grad is not None)
        assert (norm > 0) == moves


class Paid(Group):
    """A group all of whose replies have the same advantage."""

    def __init__(self, group: Group, sign: float):
        super().__init__(**{name: getattr(group, name) for name in Group.__dataclass_fields__})
        object.__setattr__(self, "sign", sign)

    def advantages(self, floor: float = 0.05) -> np.ndarray:
        return np.full(len(self.chosen), self.sign)


def test_without_the_grammar_any_token_may_come() -> None:
    vocabulary, lanes = standard_vocabulary(), STANDING[0]
    request = Request((1,), lanes.form, sampling=Sampling(1, 1.0, 0, constrained=False))
    free = follower(request, vocabulary, Limits(3))
    assert free.legal().sum() == vocabulary.size - 1 and not free.legal()[PAD]
    free.advance(END_ANSWER)
    assert free.done and not free.legal().any()
    short = follower(request, vocabulary, Limits(1))
    short.advance(50)
    assert short.done
    held = follower(replace(request, sampling=Sampling()), vocabulary, Limits(3))
    assert held.legal().sum() < 40


def test_a_random_network_is_hardly_ever_well_formed_by_itself(policy, images_and_questions) -> None:
    images, asked = images_and_questions
    with policy.engine.open(images) as frames:
        assert well_formed(policy, frames, asked, Temper(group=2)) < 0.2
        constrained = propose(policy, frames, asked, Temper(group=2), 0)
    formed = [reward.components["format"] for group in constrained for reward in group.rewards]
    assert np.mean(formed) == 1.0


def options(out: Path, *more: str) -> argparse.Namespace:
    return grpo.arguments().parse_args(["--out", str(out), "--images", "2", "--accumulate", "1", "--group", "2",
                                        "--questions", "1", "--held-out", "1", "--rate", "1e-3", "--threads", "1",
                                        "--tasks", "drivable area,obstacles", "--save", "2", *more])  # fmt: skip


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> NanoPolicy:
        torch.manual_seed(3)
        return NanoPolicy(Nano(CONFIG), tokens=24)

    grpo.train(options(tmp_path / "whole", "--proposing", "2", "--refining", "2"), start())
    step = grpo.Run.step

    def interrupted(run: grpo.Run) -> dict:
        if run.done == 3:  # one step after the checkpoint: it is taken again
            raise KeyboardInterrupt
        return step(run)

    with monkeypatch.context() as cut:
        cut.setattr(grpo.Run, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            grpo.train(options(tmp_path / "halves", "--proposing", "2", "--refining", "2"), start())
    with (tmp_path / "halves" / "curve.jsonl").open("a") as file:
        file.write('{"step": 3, "rew')  # what a call leaves that is ended in the middle of a line
    grpo.train(options(tmp_path / "halves", "--proposing", "2", "--refining", "2"), start())
    one, other = (load_average(tmp_path / name).state_dict() for name in ("whole", "halves"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    curves = [[json.loads(line) for line in (tmp_path / name / "curve.jsonl").read_text().splitlines()]
              for name in ("whole", "halves")]  # fmt: skip
    assert [line["stage"] for line in curves[0]] == ["S1", "S1", "S2", "S2"]
    for line, again in zip(*curves, strict=True):
        assert {k: v for k, v in line.items() if k not in ("seconds", "sampling")} == {
            k: v for k, v in again.items() if k not in ("seconds", "sampling")
        }
    report = json.loads((tmp_path / "whole" / "results.json").read_text())
    told = {WELL_FORMED, "S1 reward"}
    assert report["steps"] == 4 and told <= set(report[grpo.BEFORE]) and told <= set(report[grpo.AFTER])


def test_a_run_that_is_prolonged_forgets_how_it_ended(tmp_path: Path, policy) -> None:
    grpo.train(options(tmp_path, "--proposing", "1", "--refining", "0"), policy)
    assert grpo.AFTER in json.loads((tmp_path / "results.json").read_text())
    grpo.train(options(tmp_path, "--proposing", "2", "--refining", "0", "--pause", "1e-9"), policy)
    assert grpo.AFTER not in json.loads((tmp_path / "results.json").read_text())


def test_a_wrong_component_or_start_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in ((["--without", "beauty"], "beauty"), (["--tasks", "sign colour"], "sign colour"),
                        (["--start", str(tmp_path)], "no checkpoint")):  # fmt: skip
        with pytest.raises(SystemExit):
            grpo.main(words)
        assert says in capsys.readouterr().err.splitlines()[-1]


def test_two_ranks_take_the_step_of_one_with_twice_the_accumulation(tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(3)
    model = Nano(CONFIG)
    (tmp_path / "start").mkdir()
    save_training(tmp_path / "start", model, torch.optim.AdamW(model.parameters()), Ema(model, 0.9), {}, CONFIG)
    words = ["--start", str(tmp_path / "start"), "--images", "1", "--group", "2", "--questions", "1", "--held-out", "0",
             "--tasks", "drivable area", "--threads", "1", "--proposing", "1", "--refining", "0"]  # fmt: skip
    words += ["--device", "cpu"]
    grpo.main([*words, "--out", str(tmp_path / "one"), "--accumulate", "2"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "training.grpo", *words, "--out", str(tmp_path / "two"), "--accumulate", "1"]
    other = subprocess.Popen(command, env={**shared, "RANK": "1", "LOCAL_RANK": "1"}, cwd=ROOT)
    with monkeypatch.context() as first:
        for name, value in (*shared.items(), ("RANK", "0"), ("LOCAL_RANK", "0")):
            first.setenv(name, value)
        grpo.main(command[3:])
    assert other.wait(240) == 0
    one, two = (load_average(tmp_path / name).state_dict() for name in ("one", "two"))
    moved = load_average(tmp_path / "start").state_dict()
    assert any(not torch.equal(one[name], moved[name]) for name in one)
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_a_checkpoint_is_exported_as_any_other(policy, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    policy.save(tmp_path / "run", torch.optim.AdamW(policy.trained()), 3)
    manifest, _ = export(tmp_path / "run", tmp_path / "out", "tiny", 1, 40, engines=("torch",))
    assert manifest.training == {"samples": 0, "seconds": 0} and (tmp_path / "out" / "weights.safetensors").is_file()


def test_many_images_at_once_are_answered_as_one_by_one(policy, images_and_questions) -> None:
    images, asked = images_and_questions
    plain = torch_engine(policy.model, tokens=40)
    requests = [question.request(Sampling(1, 1.0, seed)) for question in asked for seed in (0, 1)]
    said = []
    for engine in (plain, policy.engine):
        with engine.open(images) as frames:
            said.append(frames.propose(requests, Limits(40)))
    assert all(one.ids.tolist() == other.ids.tolist() for one, other in zip(*said, strict=True))
    assert all(np.allclose(one.logp, other.logp, atol=1e-4) for one, other in zip(*said, strict=True))
    with policy.engine.open(images) as frames, pytest.raises(ValueError, match="not opened"):
        frames.propose([replace(requests[0], frame=9)], Limits(40))
