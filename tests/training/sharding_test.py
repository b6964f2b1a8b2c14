"""A Qwen-VL split over two ranks of this machine: the step of one rank, its checkpoints, its idle passes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="transformers is missing: install the training extra")

from training import grpo
from training.objective import Spoken, grpo_loss, spoken
from training.pieces import Part, idle, pieces
from training.policy import Reading
from training.qwen_policy import RESUME, QwenPolicy
from training.rewards import Reward
from training.rollouts import Group
from training.tiny_base import tiny_base

ROOT = Path(__file__).parents[2]
N = 16
TOLERANCE = 2e-6
"""of a weight after three steps of about 1e-3 each: sums over ranks are added in another order"""
Run = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_base(tmp_path_factory.mktemp("tiny"), N)


def words(folder: Path, out: Path, *more: str) -> list[str]:
    """A run's options; Adam's epsilon keeps rounding from deciding where there is no gradient.

    In the second and third step only the first of two ranks has a question.
    """
    return ["--start", str(folder), "--out", str(out), "--images", "1", "--questions", "1", "--group", "3",
            "--held-out", "0", "--tasks", "referred boxes", "--rate", "1e-3", "--epsilon", "1e-3", "--device", "cpu",
            "--proposing", "2", "--refining", "1", "--threads", "1", *more]  # fmt: skip


def on_two_ranks(*runs: list[str]) -> None:
    """Each run after the other, on two processes as torchrun starts them; both import torch once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2"}
    each = f"[os.environ.update(MASTER_PORT=str({port} + k)) or grpo.main(one) for k, one in enumerate({runs!r})]"
    command = [sys.executable, "-c", f"import os; from training import grpo; {each}"]
    started = [
        subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         env={**shared, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]  # fmt: skip
    for one in started:
        said = one.communicate(timeout=240)[1]
        assert one.returncode == 0, said[-3000:]


def learned(out: Path) -> dict[str, torch.Tensor]:
    return torch.load(out / RESUME, weights_only=True)["weights"]


def largest_difference(one: Path, other: Path) -> float:
    first, second = learned(one), learned(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_two_ranks_take_the_steps_of_one_sharded_or_not(folder: Path, tmp_path: Path) -> None:
    """Both stages; whole, and with a pause after the first step; the checkpoint goes on on one rank as well."""
    one, two, halves, copies = (tmp_path / name for name in ("one", "two", "halves", "copies"))
    grpo.main(words(folder, one, "--accumulate", "2"))
    sharded = ("--accumulate", "1", "--shard")
    first = words(folder, halves, *sharded, "--pause", "1e-6", "--save", "1")
    whole = words(folder, copies, "--accumulate", "1")
    on_two_ranks(words(folder, two, *sharded), first, words(folder, halves, *sharded), whole)
    start = QwenPolicy(folder).adapter()
    moved = max(float((weight - start[name]).abs().max()) for name, weight in learned(one).items())
    assert moved > 1e-4 > 10 * TOLERANCE
    assert largest_difference(one, two) < TOLERANCE and largest_difference(one, copies) < TOLERANCE
    assert largest_difference(two, halves) == 0
    curves = [[json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()] for out in (one, two)]
    assert [line["tokens"] for line in curves[0]] == [line["tokens"] for line in curves[1]]
    assert [line["gradient"] for line in curves[0]] == pytest.approx([line["gradient"] for line in curves[1]], abs=2e-4)
    # What a rank alone makes of a sharded checkpoint: the optimiser's moments are whole again.
    grpo.main(words(folder, halves, "--refining", "2"))
    assert largest_difference(two, halves) > 0


def test_an_idle_pass_teaches_nothing_and_reaches_every_weight(folder: Path) -> None:
    policy = QwenPolicy(folder, rank=4)
    part = idle(policy.engine)
    with torch.no_grad():
        before = spoken(policy.frozen(), *part, 1.0)
    loss = grpo_loss(policy, *part, Spoken(None, before))
    loss.loss.backward()
    assert (loss.kl, loss.tokens, part.tokens) == (0.0, 0, 0)
    assert all(weight.grad is not None and not weight.grad.any() for weight in policy.trained())


def group_of(*readings: tuple[int, int]) -> Group:
    """Readings as (frame, a token)."""
    read = [Reading(frame, [token], [0]) for frame, token in readings]
    legal = [np.ones((1, 4), np.bool_)]
    return Group("", read, [np.zeros(1, np.int64)] * len(read), legal, [Reward({}, 0.0)] * len(read), {})


@pytest.mark.parametrize(
    ("groups", "most", "sizes"),
    [
        ([], 2, []),
        ([group_of((0, 1), (0, 2)), group_of((0, 3))], 2, [1, 1]),
        ([group_of((0, 1)), group_of((0, 1)), group_of((0, 1))], 1, [3]),  # one sequence, read once
        ([group_of((0, 1)), group_of((1, 1))], 1, [1, 1]),
        ([group_of((0, 1), (0, 2), (0, 3)), group_of((0, 4))], 2, [1, 1]),  # a group is never cut
        ([group_of((0, 1), (0, 2)), group_of((0, 2), (0, 3))], 3, [2]),
    ],
)
def test_a_piece_reads_no_more_than_fits(groups: list[Group], most: int, sizes: list[int]) -> None:
    cut = pieces(Part([], groups), most)
    assert [len(piece.groups) for piece in cut] == sizes
    assert [group for piece in cut for group in piece.groups] == groups


def test_pieces_add_up_to_the_whole_gradient(folder: Path) -> None:
    """A part read piece by piece gives the gradient of the part read at once."""
    policy = QwenPolicy(folder, rank=4)
    width, height = policy.view
    images = [np.full((height, width, 3), shade, np.uint8) for shade in (40, 200)]
    legal = np.zeros((1, policy.base.vocabulary.size), np.bool_)
    legal[0, :40] = True
    said, paid = [np.array([at]) for at in (10, 11)], [Reward({"mask": mask}, 1.0) for mask in (0.0, 1.0)]
    groups = [Group("", [Reading(at, [7, 8], [1])], said, [legal], paid, {"mask": 1.0}) for at in (0, 1)]
    gradients = []
    for most in (1, 8):
        for weight in policy.trained():
            weight.grad = None
        for piece in pieces(Part(images, groups), most):
            with torch.no_grad():
                before = spoken(policy.frozen(), *piece, 1.0)
            grpo_loss(policy, *piece, Spoken(None, before)).loss.backward()
        gradients.append([weight.grad.clone() for weight in policy.trained()])
    assert any(gradient.abs().max() > 1e-4 for gradient in gradients[0])
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*gradients, strict=True))


def test_sharding_needs_ranks_and_a_large_model(folder: Path, tmp_path: Path, capsys) -> None:
    for start, says in ((folder, "--shard needs several processes"), (tmp_path, "are for a Qwen-VL model")):
        given = ["--start", str(start), "--out", str(tmp_path / "out"), "--device", "cpu"]
        more = ["--shard"] if start == folder else ["--rollouts", "http://localhost:1"]
        with pytest.raises(SystemExit) as stopped:
            grpo.main([*given, *more])
        said = capsys.readouterr().err.splitlines()
        assert stopped.value.code == 2 and says in said[-1] and len(said[-1]) < 160
