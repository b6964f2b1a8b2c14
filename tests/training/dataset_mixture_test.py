"""Mixtures: the same draws every time, in the shares that were asked for, across ranks and restarts."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from getok_core.errors import DataError
from training.datasets.mixture import Mixture, main, read_mixture

RECIPES = Path(__file__).parents[2] / "training" / "recipes" / "mixtures"


def mixture(folder: Path, parts: list[dict], counts: dict[str, int], seed: int = 0) -> Mixture:
    for name, count in counts.items():
        lines = [{"image": f"{at}.jpg", "query": {"text": "q"}, "kind": ("text", "box")[at % 2], "size": [9, 9],
                  "answer": [] if at % 2 else "a", "source": f"{name}:{at}"} for at in range(count)]  # fmt: skip
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"stage": "test", "seed": seed, "parts": parts}))
    return read_mixture(recipe, folder)


def sources(mixed: Mixture, count: int, start: int = 0, step: int = 1) -> list[str]:
    return [drawn.sample.source for drawn in islice(mixed.draws(start, step), count)]


def test_parts_are_drawn_by_their_weights_and_no_sample_twice_in_a_pass(tmp_path: Path) -> None:
    mixed = mixture(tmp_path, [{"file": "a", "weight": 3}, {"file": "b", "weight": 1}], {"a": 500, "b": 40})
    drawn = sources(mixed, 1000)
    of_a = [source for source in drawn if source.startswith("a:")]
    assert 690 < len(of_a) < 810
    assert len(set(of_a[:500])) == 500 and of_a[:200] != of_a[500:700]
    of_b = [source for source in drawn if source.startswith("b:")]
    assert all(len(set(of_b[at : at + 40])) == 40 for at in range(0, 200, 40))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 9), st.integers(1, 5), st.integers(0, 9000))
def test_ranks_and_restarts_take_the_same_draws(tmp_path: Path, seed: int, ranks: int, at: int) -> None:
    mixed = mixture(tmp_path, [{"file": "a", "weight": 3}, {"file": "b", "weight": 1}], {"a": 50, "b": 7}, seed)
    whole = sources(mixed, 12, at)
    for rank in range(ranks):
        assert sources(mixed, 12 // ranks, at + rank, ranks) == whole[rank::ranks][: 12 // ranks]
    assert sources(mixed, 6, at + 6) == whole[6:]


def test_another_seed_draws_otherwise(tmp_path: Path) -> None:
    one, other = (sources(mixture(tmp_path, [{"file": "a"}], {"a": 50}, seed), 20) for seed in (1, 2))
    assert one != other


def test_kinds_and_a_number_of_samples_can_be_asked_for(tmp_path: Path) -> None:
    parts = [{"file": "a", "kinds": ["box"], "take": 10, "learn": "offsets"}, {"file": "b", "kinds": ["text", "box"]}]
    mixed = mixture(tmp_path, parts, {"a": 100, "b": 30})
    assert [len(part) for part in mixed.parts] == [10, 30] and len(mixed) == 40
    drawn = list(islice(mixed.draws(), 400))
    assert {one.sample.kind for one in drawn if one.part == 0} == {"box"}
    assert {one.learn for one in drawn if one.part == 0} == {"offsets"} and drawn[0].learn in ("answers", "offsets")
    shares = Counter(one.part for one in drawn)
    assert 60 < shares[0] < 140  # a quarter: weights were left out, samples count
    assert len({one.sample.source for one in drawn if one.part == 0}) == 10


def test_a_line_that_is_malformed_is_left_out_when_it_is_drawn(tmp_path: Path) -> None:
    mixed = mixture(tmp_path, [{"file": "a"}], {"a": 4})
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes().replace(b"2.jpg", b'2"jpg', 1))
    assert {drawn.sample.image for drawn in islice(mixed.draws(), 9)} == {"0.jpg", "1.jpg", "3.jpg"}
    assert mixed.skipped.lines and "byte" in mixed.skipped.lines[0]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"file": "none"}, "none cannot be read: No such file"),
        ({"file": "a", "wieght": 2}, "names something unknown"),
        ({"file": "a", "learn": "all"}, "names something unknown"),
        ({"file": "a", "kinds": ["mask"]}, "names something unknown"),
        ({"file": "a", "weight": 0}, "at weight 0"),
        ({"file": "a", "kinds": ["seg"]}, "gives 0 samples"),
        ({"weight": 1}, "'file'"),
        ("a", "a part must be an object"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_one_line(part: dict, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        mixture(tmp_path, [part], {"a": 3})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_is_whole(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = yaml.safe_load(recipe.read_text())["parts"]
    for part in parts:
        kinds = {"seg": [], "box": [], "text": "a", "pt": []}
        lines = [{"image": "a", "size": [9, 9], "query": {"text": "q"}, "kind": kind, "answer": answer}
                 for kind, answer in kinds.items()]  # fmt: skip
        (tmp_path / part["file"]).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main([str(recipe), "--data", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(parts) + 1


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(RECIPES / "sft.yaml"), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_table_12_has_its_sets_in_each_stage() -> None:
    said = {path.stem: {part["file"].removesuffix(".jsonl") for part in yaml.safe_load(path.read_text())["parts"]}
            for path in RECIPES.glob("*.yaml")}  # fmt: skip
    three = {"refcoco", "refcoco+", "refcocog"}
    assert said["sft"] == three | {"llava_665k", "coco_stuff", "ade20k", "visual_genome", "paco_lvis", "pascal_part",
                                   "grefcoco", "pixmo_points"}  # fmt: skip
    assert said["cold_start"] == three | {"llava_cot"}
    assert said["grpo"] == {"refcocog", "lisa_plus", "grefcoco"}
