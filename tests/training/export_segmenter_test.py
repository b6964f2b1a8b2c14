"""A segmenter with random weights survives its export: masks of the image's size, and no folder that lies."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'getok_ros[training]'")

import torch
from safetensors.torch import save_file

from getok_core.engines.nano_segmenter import NanoSegmenter, inside, padded, read_segmenter_manifest
from getok_core.errors import ModelError
from getok_core.geometry import Box, Seeds
from getok_core.view import View
from training import export_segmenter
from training.segmenter import STATE, WEIGHTS, load_segmenter
from training.segmenter_network import Segmenter

SIDE = 224

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 100, 3), dtype=np.uint8)
SEEDS, BOX = Seeds(np.array([[20.0, 30.0], [70.0, 10.0]])), Box.of((10, 5, 60, 50))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    save_file(
        {name: tensor.contiguous() for name, tensor in Segmenter(SIDE).state_dict().items()}, str(folder / WEIGHTS)
    )
    (folder / STATE).write_text(json.dumps({"samples": 8, "side": SIDE}))
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("segmenter")
    _, worst = export_segmenter.export(run, out)
    assert worst < export_segmenter.TOLERANCE
    return out


@pytest.fixture
def segmenter(exported):
    engine = NanoSegmenter(exported, threads=1)
    engine.load()
    return engine


@torch.no_grad()
def test_masks_are_those_of_torch_in_the_images_size(run, segmenter):
    drawn = segmenter.masks(IMAGE, [SEEDS, BOX])
    view, model = View((100, 60), (SIDE, SIDE)), load_segmenter(run)
    asked = [padded(view.to_model(p.xy), isinstance(p, Box), 6) for p in (SEEDS, BOX)]
    points, labels = (torch.from_numpy(np.stack(column)[None]) for column in zip(*asked, strict=True))
    logits, _ = model(torch.from_numpy(view.resize(IMAGE)[None]).permute(0, 3, 1, 2).float(), points, labels)
    for mask, expected in zip(drawn, logits[0].numpy(), strict=True):
        assert mask.pixels.shape == (60, 100)
        assert (mask.pixels == inside(expected, (100, 60))).mean() > 0.999


def test_more_prompts_than_fit_at_once_and_more_seeds_than_places(segmenter):
    many = [SEEDS, *[BOX] * 65]
    drawn = segmenter.masks(IMAGE, many)
    assert len(drawn) == 66 and (drawn[1].pixels == drawn[-1].pixels).mean() > 0.999
    xy = np.random.default_rng(1).uniform(5, 55, (8, 2))
    whole, first, rest = segmenter.masks(IMAGE, [Seeds(xy), Seeds(xy[:6]), Seeds(xy[6:])])
    assert (whole.pixels == (first.pixels | rest.pixels)).all()
    assert segmenter.masks(IMAGE, []) == []


def test_a_segmenter_that_was_changed_is_refused(exported, tmp_path):
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "decoder.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelError, match=r"decoder\.onnx has digest"):
        NanoSegmenter(tmp_path).load()


def test_an_export_that_disagrees_leaves_the_old_folder(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_segmenter, "export_graphs", lambda model, folder: (folder / "encoder.onnx").touch())
    monkeypatch.setattr(NanoSegmenter, "load", lambda self: None)
    for worst in (0.1, float("nan")):
        monkeypatch.setattr(export_segmenter, "disagreement", lambda model, engine, worst=worst: worst)
        with pytest.raises(ModelError, match="not exported"):
            export_segmenter.export(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no segmenter at"),
        ("{", "names no segmenter"),
        ("[1]", "names no segmenter"),
        ('{"name": "a", "side": 448, "points": 6, "files": {}, "kind": "model"}', "it is a model"),
        ('{"name": "a", "side": "448", "points": 6, "files": {}}', "are no sizes"),
    ],
)
def test_a_folder_that_is_no_segmenter_is_refused_in_one_line(tmp_path, text, reason):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=reason) as caught:
        read_segmenter_manifest(tmp_path)
    assert "\n" not in str(caught.value)
