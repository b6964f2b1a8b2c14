"""Patches agree with the library's own image processor, where that does not resize."""

import json

import numpy as np
import pytest
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from getok_core.engines.qwen_pixels import Pixels
from getok_core.errors import ModelError


@pytest.mark.parametrize("size", [(56, 84), (112, 112)])
@pytest.mark.parametrize("pixels", [Pixels(), Pixels(7, 2, 2, (0.5,) * 3, (0.5,) * 3)])
def test_patches_are_those_of_the_library(size, pixels):
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    library = Qwen2VLImageProcessorPil(
        patch_size=pixels.patch, merge_size=pixels.merge, temporal_patch_size=pixels.temporal,
        image_mean=list(pixels.mean), image_std=list(pixels.std), min_pixels=1, max_pixels=10**7,
    )(image, return_tensors="np")  # fmt: skip
    np.testing.assert_allclose(pixels.patches(image), library["pixel_values"], atol=2e-6)
    assert pixels.grid(size) == tuple(library["image_grid_thw"][0])
    assert pixels.visual_tokens(size) * pixels.merge**2 == len(library["pixel_values"])


def test_the_papers_view_and_ours():
    assert Pixels().visual_tokens((840, 840)) == 900
    assert Pixels().visual_tokens((896, 896)) == 32 * 32, "one visual token under each cell of the lattice"
    with pytest.raises(ModelError, match="multiples of 28"):
        Pixels().grid((850, 840))


@pytest.mark.parametrize("content", ["{}", "[1]", "no", json.dumps({"patch_size": "x"})])
def test_a_malformed_file_is_one_line(tmp_path, content):
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(ModelError, match=r"preprocessor_config.json is malformed"):
        Pixels.read(tmp_path)
    with pytest.raises(ModelError, match="No such file"):
        Pixels.read(tmp_path / "nowhere")
