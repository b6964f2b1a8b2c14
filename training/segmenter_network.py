"""The nano segmenter: SAM 2's neck, prompt encoder and mask decoder, made small, on the nano's own backbone.

SAM 2's own image encoder, as small and from random weights, reached less in four minutes of a CPU than this in two,
with the same decoder to begin with (LOG.md).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from getok_core.engines.nano_backbone import CHANNELS, TAPS, Lite0
from getok_core.errors import ModelError

from .prompts import SIZE

if TYPE_CHECKING:
    from transformers import Sam2Config


def nano_config(size: int) -> Sam2Config:
    """SAM 2 with features of 64 channels, three levels of them, and two layers in the mask decoder."""
    from transformers import Sam2Config

    vision = {
        "model_type": "sam2_vision_model", "fpn_hidden_size": 64, "num_feature_levels": 3, "fpn_top_down_levels": [2],
        "backbone_config": {"model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1},
        "backbone_channel_list": [*CHANNELS[2::-1]],
        "backbone_feature_sizes": [[size // stride, size // stride] for stride in (4, 8, 16)],
    }  # fmt: skip
    return Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 64, "image_size": size, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 64, "mlp_dim": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                             "iou_head_hidden_dim": 64, "dynamic_multimask_via_stability": False},
    )  # fmt: skip


class Backbone(nn.Module):
    """The nano's backbone up to stride 16 in the place of SAM 2's: images 0..255 -> features, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.lite = Lite0()
        self.lite.blocks = self.lite.blocks[: TAPS[2] + 1]

    def forward(self, pixel_values: Tensor, **_: object) -> SimpleNamespace:
        features = tuple(one.permute(0, 2, 3, 1) for one in self.lite(pixel_values))
        return SimpleNamespace(last_hidden_state=features[-1], intermediate_hidden_states=features,
                               hidden_states=None, attentions=None)  # fmt: skip


class Segmenter(nn.Module):
    """Images and prompts -> logits of masks a quarter of the image's side, and how good each is thought to be."""

    def __init__(self, side: int = SIZE) -> None:
        super().__init__()
        self.side = side
        try:
            from transformers import Sam2Model
        except ImportError:
            raise ModelError("the segmenter needs transformers: pip install 'getok_ros[training]'") from None
        self.sam = Sam2Model(nano_config(side))
        self.sam.vision_encoder.backbone = Backbone()

    def look(self, image: Tensor) -> list[Tensor]:
        """(B, 3, side, side) 0..255 -> features of strides 4, 8 and 16."""
        # What Sam2Model.get_image_embeddings does, but for its no_grad, which would leave the encoder untrained.
        *fine, coarse = self.sam.get_image_features(image, return_dict=True).fpn_hidden_states
        maps = [*fine, coarse + self.sam.no_memory_embedding]
        sizes = self.sam.backbone_feature_sizes
        return [one.permute(1, 2, 0).reshape(len(image), -1, *size) for one, size in zip(maps, sizes, strict=True)]

    def decide(self, features: list[Tensor], points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """points (B, K, P, 2) in pixels, labels (B, K, P) -> logits (B, K, side / 4, side / 4), quality (B, K)."""
        out = self.sam(image_embeddings=features, input_points=points, input_labels=labels, multimask_output=False)
        return out.pred_masks[:, :, 0], out.iou_scores[:, :, 0]

    def forward(self, image: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.decide(self.look(image), points, labels)
