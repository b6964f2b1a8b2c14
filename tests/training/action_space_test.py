"""Grid tokens and digits as actions are rewarded alike, and the ablation of rewards goes on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from getok_core.engines.nano_network import Nano, NanoConfig
from getok_core.lattice import Lattice
from getok_core.queries import STANDING, standard_vocabulary
from getok_core.vocabulary import CLOSE, END_ANSWER, OPEN
from training import reward_ablation
from training.ablation.arms import ARMS
from training.action_space import ARMS as ACTIONS
from training.action_space import hear
from training.checkpoint import Ema, save_training
from training.feed import synthetic
from training.rewarded_questions import Question, questions_of
from training.rewards import PROPOSING, proposal_reward
from training.rewards.instances import SIDE


def question() -> Question:
    frame = synthetic(60_000_002, (512, 256))
    rng = np.random.default_rng(0)
    return questions_of(0, frame, Lattice(), standard_vocabulary(), rng, ["lanes"], 1)[0]


def test_the_same_answer_earns_the_same_in_both_spellings() -> None:
    asked = question()
    assert asked.query == STANDING[0] and asked.truths
    totals = {}
    for name, arm in ACTIONS.items():
        spelling = ARMS[arm].spelling
        ids: list[int] = []
        for truth in asked.truths:
            assert truth.line is not None
            middles = (np.floor(truth.line / SIDE * 32) + 0.5) / 32  # what both can say, to a pixel
            vertices, _ = spelling.vertices(middles[np.r_[True, (np.diff(middles, axis=0) != 0).any(1)]])
            line = [*spelling.vocabulary.encode_text(truth.label), OPEN["pl"], *vertices, CLOSE["pl"]]
            ids += [*([spelling.vocabulary.newline] if ids else []), *line]
        proposal = hear(spelling, asked, np.asarray([*ids, END_ANSWER]), spelling.vocabulary, 32)
        assert proposal.formed and len(proposal.instances) == len(asked.truths)
        totals[name] = proposal_reward(proposal, asked.truths).total(PROPOSING)
    assert totals["grid"] == pytest.approx(totals["text"], abs=0.05) and totals["grid"] > 4.0


def test_the_ablation_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = NanoConfig(
        standard_vocabulary().size, width=128, height=128, dim=32, layers=2, heads=2, hidden=48, neck=16
    )
    model = Nano(config)
    (tmp_path / "start").mkdir()
    save_training(tmp_path / "start", model, torch.optim.AdamW(model.parameters()), Ema(model, 0.9), {}, config)
    monkeypatch.setattr(reward_ablation, "ARMS", (*reward_ablation.ARMS[:2], reward_ablation.ARMS[4]))
    words = ["--start", str(tmp_path / "start"), "--out", str(tmp_path / "out"), "--steps", "1", "--scenes", "1",
             "--images", "1", "--accumulate", "1", "--questions", "1", "--group", "2", "--held-out", "0", "--rounds",
             "1", "--tasks", "drivable area", "--device", "cpu", "--threads", "1"]  # fmt: skip
    assert reward_ablation.main([*words, "--pause", "0.0001"]) == 0
    assert not json.loads((tmp_path / "out" / "results.json").read_text())["complete"]
    assert reward_ablation.main([*words, "--at-once", "2"]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(found["arms"]) == ["S1-full", "S1-without-points", "S2-full"]
    table = (tmp_path / "out" / "tables.md").read_text()
    assert "| full |" in table and "| without points |" in table and "Refinement (S2)" in table
    assert reward_ablation.main(["--out", str(tmp_path)]) == 2
