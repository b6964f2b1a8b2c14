"""Training a base: two ranks are one with the doubled batch, an interrupted run goes on, a dry run loads nothing."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.base_data import one_thread, write_samples  # noqa: F401 (a fixture)
from training import estimate, grpo, sft_base
from training.base_batches import collate
from training.base_learner import Learner, ready
from training.base_run import BaseRun
from training.model import add_lora, load_base
from training.sft_base import main, schedule
from training.tiny_base import tiny_base

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny base and a few samples."""
    folder = tmp_path_factory.mktemp("road")
    write_samples(folder)
    tiny_base(folder / "base")
    return folder


def command(folder, out, *more):
    """Arguments of a run of four steps; Adam's epsilon keeps rounding from deciding where there is no gradient."""
    given = {"base": folder / "base", "samples": folder / "samples.jsonl", "images": folder, "out": out, "lattice": 16,
             "view": 112, "accumulate": 2, "steps": 4, "dtype": "float32", "workers": 0, "rate": 1e-3,
             "rows-rate": 1e-2, "epsilon": 1e-3, "log-every": 1}  # fmt: skip
    return [word for name, value in given.items() for word in (f"--{name}", str(value))] + list(more)


def adapter(out):
    return load_file(str(out / "adapter" / "adapter_model.safetensors"))


def largest_difference(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def ranks(count, given):
    """The command on so many ranks of this machine, as torchrun starts them; it would import torch once more."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
              "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}  # fmt: skip
    started = [
        subprocess.Popen([sys.executable, "-m", "training.sft_base", *given], cwd=ROOT, text=True,
                         env={**shared, "RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE)
        for rank in map(str, range(count))
    ]  # fmt: skip
    return [(one.communicate(timeout=300)[1], one.returncode) for one in started]


def test_two_ranks_give_the_update_of_one_with_the_doubled_batch(folder, tmp_path):
    assert main(command(folder, tmp_path / "one", "--batch", "4")) == 0
    for said, state in ranks(2, command(folder, tmp_path / "two", "--batch", "2")):
        assert state == 0, said[-2000:]
    one, two = adapter(tmp_path / "one"), adapter(tmp_path / "two")
    assert largest_difference(one, two) < 2e-6
    lines = [[json.loads(line) for line in (tmp_path / name / "log.jsonl").open()] for name in ("one", "two")]
    assert [line["asked"] for line in lines[0]] == [line["asked"] for line in lines[1]]
    assert lines[0][-1]["loss"] < lines[0][0]["loss"]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(folder, tmp_path, monkeypatch):
    straight = command(folder, tmp_path / "straight", "--save-every", "2")
    assert main(straight) == 0

    def pulled(self, step, values, log=BaseRun.log):
        if step == 4:
            raise KeyboardInterrupt
        log(self, step, values)

    halting = command(folder, tmp_path / "halting", "--save-every", "2")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BaseRun, "log", pulled)
        main(halting)
    assert [path.name for path in (tmp_path / "halting").glob("checkpoint-*")] == ["checkpoint-2"]
    assert sum(path.stat().st_size for path in (tmp_path / "halting").rglob("*.safetensors")) < 1_000_000
    assert main(halting) == 0
    assert largest_difference(adapter(tmp_path / "straight"), adapter(tmp_path / "halting")) == 0


def test_checkpointing_changes_memory_and_nothing_else(folder, tmp_path):
    assert main(command(folder, tmp_path / "again")) == 0
    assert main(command(folder, tmp_path / "kept", "--keep-activations")) == 0
    assert largest_difference(adapter(tmp_path / "again"), adapter(tmp_path / "kept")) < 2e-6


def test_a_batch_without_a_target_teaches_nothing_and_keeps_every_weight_in_step(folder):
    base = load_base(folder / "base", 16)
    learner = Learner(ready(add_lora(base.model, base.new, 4, 8), True), base.chat.image)
    loss = learner(collate([], base.chat.end, base.pixels))
    loss.backward()
    assert float(loss.detach()) == 0
    gradients = [weight.grad for weight in learner.parameters() if weight.requires_grad]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_another_base_or_view_in_the_same_folder_is_refused(folder, tmp_path, capsys):
    assert main(command(folder, tmp_path, "--steps", "1")) == 0
    assert main([*command(folder, tmp_path), "--view", "56"]) == 2
    assert "holds a run with another view: name another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (["--base", "nowhere"], "name a folder, or a hub name"),
        (["--samples", "nowhere.jsonl"], "cannot be read: No such file"),
        (["--view", "113"], "sides must be multiples of 28"),
        (["--sharding", "training/recipes/sft.sh"], "is no JSON"),
        pytest.param(
            ["--sharding", "training/recipes/zero2.json"],
            "shards over GPUs and none is here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU"),
        ),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, capsys, change, why):
    assert main([*command(folder, tmp_path / "out"), *change]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert why in said[-1]


def test_the_rate_warms_up_and_falls_to_nothing():
    shares = [schedule((step + 0.5) / 100) for step in range(100)]
    assert shares[0] < shares[1] < shares[2] < max(shares) <= 1 and shares[-1] < 1e-3
    assert shares[3:] == sorted(shares[3:], reverse=True)


# -- recipes -------------------------------------------------------------------------------------------------------


def recipe(name, *more, **environment):
    """The command that a recipe would run."""
    done = subprocess.run(
        ["bash", f"training/recipes/{name}", *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "PYTHON": "echo", **environment},
    )  # fmt: skip
    return done.stdout.split()


def test_the_recipe_of_stage_one_plans_the_papers_run_of_the_7b(capsys):
    asked = recipe("sft.sh", "--dry-run")
    assert asked[:2] == ["-m", "training.sft_base"]
    assert main(asked[2:]) == 0
    said = capsys.readouterr().out
    for line in (
        "Qwen2.5-VL-7B: 7.62 billion parameters in the language model, 0.68 in the vision tower",
        "LoRA of rank 64 161.5 + 1058 new rows in 2 matrices 7.6; new ids 151,665 to 152,722 of 152,768",
        "1 x 80 GB, ZeRO-0: 2 sequences x 64 accumulated x 1 = 128 a step, each 900 visual tokens (840 x 840)",
        "8 x 80 GB, ZeRO-2: 2 sequences x 8 accumulated x 8 = 128 a step, each 900 visual tokens (840 x 840)",
        "7,813 steps for 1,000,000 draws",
    ):
        assert line in said
    args = sft_base.arguments().parse_args(asked[2:])
    assert (args.rate, args.lora_rank, args.rounds, args.lattice) == (1e-6, 64, 1, 32)


def test_the_recipe_of_the_cold_start_goes_on_from_stage_one(capsys):
    asked = recipe("cold_start.sh", "--dry-run", "--view", "896", SIZE="3B")
    assert "training/recipes/mixtures/cold_start.yaml" in asked
    assert main(asked[2:]) == 0
    assert "each 1024 visual tokens (896 x 896)" in capsys.readouterr().out


def test_the_recipe_of_reinforcement_learning_has_the_papers_numbers(capsys):
    asked = recipe("grpo.sh", "--dry-run")
    assert estimate.main(asked[2:]) == 0
    assert "400 steps of 16 questions x 8 replies" in capsys.readouterr().out
    args = grpo.arguments().parse_args(recipe("grpo.sh", "--seed", "3")[2:])
    assert (args.group, args.kl, args.rate, args.decay, args.proposing, args.seed) == (8, 1e-2, 1e-6, 0.01, 200, 3)


def test_a_dry_run_over_a_folder_counts_its_own_samples(folder, capsys):
    assert main([*command(folder, folder), "--dry-run", "--steps", "0"]) == 0
    said = capsys.readouterr().out
    assert "24 draws of the samples given" in said and "new ids 587 to 876" in said


def test_recipes_name_configurations_that_accelerate_takes():
    for name in ("zero2", "zero3"):
        stage = json.loads((ROOT / "training" / "recipes" / f"{name}.json").read_text())["zero_optimization"]["stage"]
        assert name.endswith(str(stage))
    args = sft_base.arguments().parse_args(["--base", "x"])
    plugin = sft_base.sharding_plugins(ROOT / "training/recipes/fsdp.json", args)["fsdp_plugin"]
    assert plugin.fsdp_version == 2
