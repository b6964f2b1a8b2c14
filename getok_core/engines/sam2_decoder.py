"""SAM and SAM 2 as decoders of `<seg>`: through transformers, or SAM 2 through Meta's sam2 package.

Checkpoints are exchanged without retraining the model that names the points: a local folder in transformers' format, a
hub name (downloaded only if allowed), or, for the sam2 package, a .pt file beside its configuration's name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..geometry import Box, Mask, Seeds
from ..protocol import MaskDecoder
from ..view import RGB, View, check_image

MEAN, SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""of red, green and blue, as all SAM checkpoints have them"""
CLASSES = {"sam": "SamModel", "sam2": "Sam2Model", "sam2_video": "Sam2Model"}
"""model_type of config.json -> class of transformers"""
_AT_ONCE = 64
"""prompts in one call"""

Prompt = Seeds | Box


def load_decoder(name: str, device: str = "cpu", download: bool = False, config: str = "") -> MaskDecoder:
    """A segmenter by folder or hub name, or by a .pt file and the sam2 package's config. Slow. Raises ModelError.

    download: allow a hub name that is not in the local cache to be fetched.
    """
    if Path(name).suffix == ".pt":
        return PackagedSam2(Path(name), config, device)
    return TransformersSam(name, device, download)


class TransformersSam:
    """MaskDecoder of getok_core.protocol over SamModel or Sam2Model."""

    def __init__(self, name: str, device: str = "cpu", download: bool = False):
        try:
            import torch
            import transformers
        except ImportError:
            raise ModelError("SAM needs torch and transformers: pip install 'getok_ros[sam2]'") from None
        try:
            vendor: Any = transformers
            kind = str(vendor.AutoConfig.from_pretrained(name, local_files_only=not download).model_type)
            if kind not in CLASSES:
                raise ModelError(f"{name} is a {kind} checkpoint: use one of {', '.join(CLASSES)}")
            of_kind: Any = getattr(vendor, CLASSES[kind])
            model, loading = of_kind.from_pretrained(
                name, local_files_only=not download, use_safetensors=True, output_loading_info=True
            )
            if missing := sorted(loading["missing_keys"]):
                raise ModelError(f"{name} lacks {len(missing)} weights, {missing[0]} first: copy the checkpoint again")
            self.model = model.to(torch.device(device)).eval()
        except (OSError, ValueError, RuntimeError, json.JSONDecodeError) as error:
            hint = "copy it again" if Path(name).is_dir() else "name a local folder, or allow the download"
            raise ModelError(f"no segmenter at {name} ({_first_line(error)}): {hint}") from None
        self.padded = kind == "sam"
        """SAM keeps an image's proportions and pads it; SAM 2 resizes it plainly"""
        sizes: Any = self.model.config.vision_config
        side = sizes.image_size if self.padded else self.model.config.prompt_encoder_config.image_size
        self.side = int(side if isinstance(side, int) else side[0])

    def masks(self, image: RGB, prompts: Sequence[Prompt]) -> list[Mask]:
        """One mask (H, W) for each prompt in pixels of the image (H, W, 3), which is encoded once."""
        import torch

        size = check_image(image).shape[1::-1]
        shown = _fitted(size, self.side) if self.padded else (self.side, self.side)
        view = View(size, shown)
        drawn: dict[int, Mask] = {}
        with torch.inference_mode():
            features = self.model.get_image_embeddings(self._pixels(view.resize(image)))
            for indices in _alike(prompts):
                xy = np.stack([view.to_model(prompts[index].xy) for index in indices]).astype(np.float32)
                asked = _asked(torch.from_numpy(xy)[None].to(self.model.device), isinstance(prompts[indices[0]], Box))
                out = self.model(image_embeddings=features, multimask_output=False, **asked)
                for index, logits in zip(indices, out.pred_masks[0, :, :1], strict=True):
                    drawn[index] = Mask(self._cut(logits, shown, size))
        return [drawn[index] for index in range(len(prompts))]

    def _pixels(self, image: RGB) -> Any:
        """(h, w, 3) uint8 -> (1, 3, side, side), padded right and below with zeros after normalising, as SAM does."""
        square = np.zeros((1, 3, self.side, self.side), np.float32)
        values = (image - np.asarray(MEAN, np.float32)) / np.asarray(SPREAD, np.float32)
        square[0, :, : image.shape[0], : image.shape[1]] = values.transpose(2, 0, 1)
        import torch

        return torch.from_numpy(square).to(self.model.device, self.model.dtype)

    def _cut(self, logits: Any, shown: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
        """Logits (1, h, w) -> (H, W) bool: to the square, without its padding, to the image, above zero."""
        from torch.nn.functional import interpolate

        square = interpolate(logits[None].float(), (self.side, self.side), mode="bilinear", align_corners=False)
        inner = square[..., : shown[1], : shown[0]]
        full = interpolate(inner, size[::-1], mode="bilinear", align_corners=False)
        return cast(NDArray[np.bool_], (full[0, 0] > 0).cpu().numpy())


class PackagedSam2:
    """MaskDecoder of getok_core.protocol over the sam2 package's image predictor."""

    def __init__(self, checkpoint: Path, config: str, device: str = "cpu"):
        if not checkpoint.is_file():
            raise ModelError(f"no SAM 2 checkpoint at {checkpoint}: name a .pt file")
        try:
            from sam2.build_sam import build_sam2  # pyright: ignore
            from sam2.sam2_image_predictor import SAM2ImagePredictor  # pyright: ignore
        except ImportError:
            raise ModelError(f"{checkpoint} needs Meta's sam2 package, which is not installed: install it, or use "
                             "a folder in transformers' format") from None  # fmt: skip
        try:
            built = cast(Any, build_sam2)(config, str(checkpoint), device=device)
        except Exception as error:  # the package and hydra raise many types of their own
            reason = _first_line(error)
            raise ModelError(f"{checkpoint} does not fit configuration {config!r}: {reason}; name another") from None
        self.predictor: Any = SAM2ImagePredictor(built)

    def masks(self, image: RGB, prompts: Sequence[Prompt]) -> list[Mask]:
        """One mask (H, W) for each prompt in pixels of the image (H, W, 3), which is encoded once."""
        self.predictor.set_image(check_image(image))
        return [Mask(np.asarray(self._drawn(prompt)[0][0] > 0)) for prompt in prompts]

    def _drawn(self, prompt: Prompt) -> Any:
        if isinstance(prompt, Box):
            return self.predictor.predict(box=prompt.xy.reshape(4), multimask_output=False)
        labels = np.ones(len(prompt.xy), np.int32)
        return self.predictor.predict(point_coords=prompt.xy, point_labels=labels, multimask_output=False)


def _asked(xy: Any, is_box: bool) -> dict[str, Any]:
    """Points (1, K, P, 2) -> what a SAM of transformers takes. Half a pixel is added there, so it is taken off here."""
    xy = xy - 0.5
    if is_box:
        return {"input_boxes": xy.reshape(1, -1, 4)}
    return {"input_points": xy, "input_labels": xy.new_ones(xy.shape[:3]).long()}


def _alike(prompts: Sequence[Prompt]) -> list[list[int]]:
    """Indices of prompts in groups of one kind and one number of points: one call each."""
    groups: dict[tuple[bool, int], list[int]] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault((isinstance(prompt, Box), len(prompt.xy)), []).append(index)
    return [group[at : at + _AT_ONCE] for group in groups.values() for at in range(0, len(group), _AT_ONCE)]


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height scaled so that the longer is the square's side."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
