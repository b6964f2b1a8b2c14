"""Attention heat: what is drawn is what the network mixes by, where it looks, for every spelling."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is missing: install the training extra")

import torch

from getok_core.lattice import Lattice
from getok_core.vocabulary import CLOSE, OPEN
from training import attention
from training.ablation.arms import ARMS
from training.ablation.network import load, network, save, shown
from training.sft_options import TINY

NAMES = ("text", "bins", "grid")
IMAGE = np.random.default_rng(2).integers(0, 255, (120, 300, 3), np.uint8)
BOX = np.array([[0.25, 0.25], [0.5, 0.75]])


@pytest.fixture(scope="module")
def models() -> dict:
    return {name: network(ARMS[name], 3, **TINY).eval() for name in NAMES}


def sequence(name: str, box: np.ndarray) -> tuple[list[int], list[int]]:
    spelling = ARMS[name].spelling
    prompt = list(attention.QUERY.prompt(spelling.vocabulary, Lattice(spelling.n), (1, 1)))
    said = [*spelling.vocabulary.encode_text("car"), OPEN["box"], *spelling.vertices(box)[0], CLOSE["box"]]
    return [*prompt, *said], [len(prompt) + at for at in attention.located(ARMS[name], said)]


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_that_a_layer_mixes_by(name, models) -> None:
    model, arm = models[name], ARMS[name]
    with torch.no_grad():
        picture = model.look(
            shown(torch.from_numpy(IMAGE).permute(2, 0, 1)[None].float(), arm, torch.full((1, 4), torch.nan))
        )

    @settings(max_examples=2, deadline=None)
    @given(corner=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)))
    def check(corner) -> None:
        ids, _ = sequence(name, np.array([corner, np.array(corner) + 0.4]))
        mixed = []
        hooks = [one.out.register_forward_pre_hook(lambda _, given: mixed.append(given[0])) for one in model.layers]
        weights = attention.attention(model, ids, picture)
        for hook in hooks:
            hook.remove()
        patches = picture.prefix[0][0].shape[2]
        assert weights.shape == (TINY["layers"], TINY["heads"], len(ids), patches + len(ids))
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-5) and (weights >= 0).all()
        assert float(weights[:, :, 0, patches + 1 :].sum()) == 0  # nobody looks ahead
        with torch.no_grad():
            causal = torch.ones(1, len(ids), len(ids), dtype=torch.bool).tril()
            _, present = model.hidden(torch.tensor([ids]), torch.arange(len(ids))[None], picture, mask=causal)
        for one, (_, seen), (_, own), out in zip(weights, picture.prefix, present, mixed, strict=True):
            again = one[None, ..., :patches] @ seen + one[None, ..., patches:] @ own
            assert torch.allclose(again.transpose(1, 2).reshape(out.shape), out, atol=1e-4)

    check()


@pytest.mark.parametrize(("name", "count"), [("grid", 2), ("bins", 4), ("text", 18)])
def test_location_tokens_are_those_of_the_first_box(name, count) -> None:
    ids, at = sequence(name, BOX)
    assert len(at) == count and all(ARMS[name].spelling.coordinates[ids[place]] for place in at)
    assert attention.located(ARMS[name], ids[: at[0] - 1]) == []


@given(row=st.integers(0, 7), column=st.integers(0, 15))
@settings(max_examples=10)
def test_heat_lies_where_the_patch_lies(row, column) -> None:
    weights = torch.zeros(2, 3, 5, 128 + 5)
    weights[..., row * 16 + column] = 0.25
    heat = attention.heat_of(weights, [1, 4], (8, 16))
    assert heat.shape == (8, 16) and heat[row, column] == 1 and heat.sum() == 1
    inside = np.array([[column, row], [column + 1, row + 1]]) / (16, 8)
    assert np.isclose(attention.preference(heat, inside), 128)
    drawn = attention.panel(np.zeros((80, 160, 3), np.uint8), heat, None, "x")[attention.BAR :]
    hot = cv2.cvtColor(drawn, cv2.COLOR_RGB2HSV)[..., 0] < 10  # turbo runs from blue to red
    assert hot[row * 10 + 5, column * 10 + 5] and hot.sum() < 400


def test_even_heat_prefers_no_box() -> None:
    heat = np.full((8, 16), 1 / 128)
    for box in (BOX, np.array([[0.01, 0.02], [0.97, 0.3]])):
        assert np.isclose(attention.preference(heat, box), 1)


def test_the_command_draws_all_arms_side_by_side(models, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(attention, "LONGEST", 8)
    monkeypatch.setattr(
        attention, "load", lambda arm, runs: models[arm.name] if arm.name in models else load(arm, runs)
    )
    cv2.imwrite(str(tmp_path / "in.png"), IMAGE)
    given = [str(tmp_path / "in.png"), "--runs", str(tmp_path), "--arms", "text,bins,grid"]
    assert attention.main([*given, "--box", "75,30,150,90", "--out", str(tmp_path / "out.png")]) == 0
    assert cv2.imread(str(tmp_path / "out.png")).shape == (192 + attention.BAR, 4 * attention.PANEL, 3)
    assert capsys.readouterr().out.count("times its share") == 3
    for wrong, line in (
        (["--box", "point:3,4", "--out", "x.png"], "give X1,Y1,X2,Y2"),
        (["--box", "1,1,9,9", "--out", str(tmp_path / "no" / "x.png"), "--arms", "grid"], "cannot write"),
        (["--box", "1,1,9,9", "--out", "x.png", "--arms", "pad"], "no arm at"),
        (["--out", "x.png", "--arms", "grid"], "boxes nothing"),
    ):
        assert attention.main([*given, *wrong]) == 2
        error = capsys.readouterr().err
        assert line in error and error.count("\n") == 1


def test_an_arm_is_read_after_transformers_changed_what_linspace_defaults_to(models, tmp_path, monkeypatch) -> None:
    save(models["grid"], ARMS["grid"], tmp_path)
    plain = torch.linspace
    monkeypatch.setattr(torch, "linspace", lambda *given, **named: plain(*given, **{"device": "cpu", **named}))
    assert load(ARMS["grid"], tmp_path).config == models["grid"].config
