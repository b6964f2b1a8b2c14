"""SAM and SAM 2 are loaded as users load them: tiny random checkpoints, saved in the published format."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from getok_core.engines import sam2_decoder
from getok_core.engines.sam2_decoder import load_decoder
from getok_core.errors import ModelError
from getok_core.geometry import Box, Seeds

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'getok_ros[sam2]'")
transformers = pytest.importorskip("transformers", reason="transformers is missing: pip install 'getok_ros[sam2]'")

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
PROMPTS = [Seeds(np.array([[30.0, 20.0]])), Box.of((10, 5, 60, 40)), Seeds(np.array([[30.0, 20.0], [60, 30]]))]


def sam2_config(side=64):
    backbone = {
        "hidden_size": 8, "num_attention_heads": 1, "image_size": [side, side], "query_stride": [2, 2],
        "window_positional_embedding_background_size": [2, 2], "num_query_pool_stages": 3,
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [4, 4, 4, 2],
        "global_attention_blocks": [3], "model_type": "sam2_hiera_det_model",
    }  # fmt: skip
    vision = {"model_type": "sam2_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
              "backbone_channel_list": [64, 32, 16, 8],
              "backbone_feature_sizes": [[side // s, side // s] for s in (4, 8, 16)]}  # fmt: skip
    decoder = {"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    encoder = {"hidden_size": 32, "image_size": side, "patch_size": 16, "mask_input_channels": 4}
    return transformers.Sam2Config(
        vision_config=vision, prompt_encoder_config=encoder, mask_decoder_config=decoder
    )  # fmt: skip


def sam_config(side=64):
    vision = {"hidden_size": 16, "output_channels": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 16,
              "image_size": side, "num_pos_feats": 16, "window_size": 2, "global_attn_indexes": [0]}  # fmt: skip
    decoder = {"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    encoder = {"hidden_size": 32, "image_size": side, "mask_input_channels": 4}
    return transformers.SamConfig(vision_config=vision, prompt_encoder_config=encoder, mask_decoder_config=decoder)


@pytest.fixture(scope="module", params=["SamModel", "Sam2Model"])
def checkpoint(request, tmp_path_factory):
    torch.manual_seed(0)
    config = sam_config() if request.param == "SamModel" else sam2_config()
    folder = tmp_path_factory.mktemp(request.param)
    model = getattr(transformers, request.param)(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # as made, every prompt yields much the same mask
    model.save_pretrained(folder)
    return folder


def test_a_local_folder_makes_masks_of_the_images_size(checkpoint):
    decoder = load_decoder(str(checkpoint))
    masks = decoder.masks(IMAGE, PROMPTS)
    assert [mask.pixels.shape for mask in masks] == [(48, 96)] * 3
    assert any(0 < mask.pixels.mean() < 1 for mask in masks)
    one_by_one = [decoder.masks(IMAGE, [prompt])[0] for prompt in PROMPTS]
    for mask, alone in zip(masks, one_by_one, strict=True):
        assert (mask.pixels == alone.pixels).mean() > 0.999
    assert decoder.masks(IMAGE, []) == []


def test_points_and_boxes_reach_the_network_in_its_own_pixels(checkpoint, monkeypatch):
    """A 96 x 48 image: SAM sees 64 x 32 of its square, SAM 2 all of it; half a pixel is added inside."""
    decoder, seen = load_decoder(str(checkpoint)), []
    real = decoder.model.forward
    monkeypatch.setattr(decoder.model, "forward", lambda **given: seen.append(given) or real(**given))
    decoder.masks(IMAGE, PROMPTS[:2])
    scale = np.array([64 / 96, 64 / 96 if decoder.padded else 64 / 48])
    np.testing.assert_allclose(seen[0]["input_points"][0, 0, 0] + 0.5, np.array([30, 20]) * scale, rtol=1e-5)
    np.testing.assert_allclose(
        seen[1]["input_boxes"][0, 0].reshape(2, 2) + 0.5, PROMPTS[1].xy * scale, rtol=1e-5
    )  # fmt: skip


def test_padding_stays_out_of_the_mask(checkpoint):
    """Logits that are positive below the picture's part of SAM's square touch no pixel of the image."""
    decoder = load_decoder(str(checkpoint))
    logits = torch.full((1, 16, 16), -1.0)
    logits[:, 10:] = 1.0
    cut = decoder._cut(logits, (64, 32), (96, 48))
    assert cut.shape == (48, 96) and not cut.any()
    assert decoder._cut(logits, (64, 64), (96, 48)).any()


def test_what_cannot_be_loaded_is_one_clear_line(checkpoint, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((checkpoint / "config.json").read_text())
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    cases = {
        str(tmp_path): "bert checkpoint",
        str(broken): "copy it again",
        "nobody/has-this-segmenter": "allow the download",
        str(tmp_path / "none.pt"): "no SAM 2 checkpoint",
    }
    for name, reason in cases.items():
        with pytest.raises(ModelError, match=reason) as caught:
            load_decoder(name)
        assert "\n" not in str(caught.value)


def test_a_folder_that_lacks_weights_is_refused(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(str(checkpoint / "model.safetensors"))
    dropped = next(name for name in weights if "mask_decoder" in name)
    (tmp_path / "config.json").write_text((checkpoint / "config.json").read_text())
    kept = {name: tensor for name, tensor in weights.items() if name != dropped}
    save_file(kept, str(tmp_path / "model.safetensors"), {"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 weights"):
        load_decoder(str(tmp_path))


class FakePredictor:
    """The surface of sam2's SAM2ImagePredictor that is used: boxes as x0, y0, x1, y1, points with labels."""

    def __init__(self, model):
        self.model = model

    def set_image(self, image):
        self.shape = image.shape[:2]

    def predict(self, point_coords=None, point_labels=None, box=None, multimask_output=True):
        assert not multimask_output
        drawn = np.zeros((1, *self.shape), np.float32)
        if box is not None:
            x0, y0, x1, y1 = box.astype(int)
            drawn[0, y0:y1, x0:x1] = 1
        else:
            assert (point_labels == 1).all()
            drawn[0, point_coords[:, 1].astype(int), point_coords[:, 0].astype(int)] = 1
        return drawn, np.ones(1), drawn


def test_the_sam2_package_is_called_by_its_own_names(tmp_path, monkeypatch):
    (tmp_path / "tiny.pt").touch()
    with pytest.raises(ModelError, match="sam2 package") if "sam2" not in sys.modules else pytest.raises(ModelError):
        load_decoder(str(tmp_path / "tiny.pt"), config="tiny.yaml")
    built = []
    build = types.SimpleNamespace(build_sam2=lambda config, path, device: built.append((config, path, device)))
    predictor = types.SimpleNamespace(SAM2ImagePredictor=FakePredictor)
    for name, module in (("sam2", build), ("sam2.build_sam", build), ("sam2.sam2_image_predictor", predictor)):
        monkeypatch.setitem(sys.modules, name, module)
    masks = load_decoder(str(tmp_path / "tiny.pt"), config="tiny.yaml").masks(IMAGE, PROMPTS)
    assert built == [("tiny.yaml", str(tmp_path / "tiny.pt"), "cpu")]
    assert [int(mask.pixels.sum()) for mask in masks] == [1, 50 * 35, 2]


def test_prompts_alike_share_a_call():
    groups = sam2_decoder._alike([*PROMPTS, *[PROMPTS[0]] * 70])
    assert [len(group) for group in groups] == [64, 7, 1, 1] and groups[0][:2] == [0, 3]
