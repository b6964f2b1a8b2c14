"""A Qwen2.5-VL folder as one network: an image becomes a prefix of keys and values, tokens over it become logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ModelError
from ..lattice import Size
from ..view import RGB
from ..vocabulary import DELETE, OFFSETS
from .base_vocabulary import BaseVocabulary
from .chat import Chat
from .qwen_language import Cache, QwenLanguage
from .qwen_pixels import Pixels
from .qwen_vision import QwenVision

MODEL_TYPE = "qwen2_5_vl"
MOST_PLACES = 2048
"""tokens after the image in one sequence"""


class QwenNetwork:
    """Vision tower, language model and chat frame of one folder."""

    def __init__(self, model: Any, vocabulary: BaseVocabulary, view: Size, pixels: Pixels):
        """model: the library's Qwen2_5_VLForConditionalGeneration on its device; its weights are used, not copied."""
        self.vocabulary, self.chat, self.view = vocabulary, Chat(vocabulary), view
        self.vision = QwenVision(model.model.visual, view, pixels)
        self.device, self.dtype = self.vision.device, self.vision.dtype
        opening = self.chat.opening(self.vision.tokens)
        self._image_at = opening.index(self.chat.image)
        self._opening = torch.tensor(opening, device=self.device)
        position, self.base_position = self._positions(len(opening))
        self.prefix_tokens = len(opening)
        head: Tensor = model.lm_head.weight
        self.language = QwenLanguage(model.model.language_model, head, self.base_position + MOST_PLACES)
        self._turns = self.language.turns(position)
        self.base_ids = torch.from_numpy(vocabulary.base_ids).to(self.device)
        """(V,) local id -> base id"""
        ten = self.base_ids[DELETE : DELETE + 1 + len(OFFSETS)]
        self._ten = self.language.head[ten]
        language = self.base_ids[: vocabulary.text_start]
        doubled = torch.zeros(len(head), dtype=torch.bool, device=self.device)
        doubled[language] = True
        self._doubled = doubled[self.base_ids]
        self._doubled[: vocabulary.text_start] = False
        """(V,) text ids of the language's own tokens: they are counted once, as the language's"""

    def _positions(self, length: int) -> tuple[Tensor, int]:
        """Positions in time, height and width of the opening (3, P), and the one that follows it."""
        start, tokens = self._image_at, self.vision.tokens
        columns, rows = self.vision.columns, self.vision.rows
        image = torch.stack([torch.zeros(tokens), torch.arange(tokens) // columns, torch.arange(tokens) % columns])
        after = start + max(columns, rows)
        rest = torch.arange(after, after + length - start - tokens)
        parts = [torch.arange(start).expand(3, -1), image.long() + start, rest.expand(3, -1)]
        return torch.cat(parts, dim=1).to(self.device), after + len(rest)

    @torch.no_grad()
    def see(self, image: Tensor) -> Tensor:
        """(H, W, 3) uint8 of the view -> embeddings of the opening (P, D), the image among them."""
        x = F.embedding(self._opening, self.language.embedding)
        x[self._image_at : self._image_at + self.vision.tokens] = self.vision.look(image).to(x.dtype)
        return x

    def open(self, x: Tensor, prefix: Cache) -> None:
        """Embeddings of the opening -> fills the prefix."""
        self.language.open(x, *self._turns, prefix)

    def prefix(self) -> Cache:
        """An empty prefix: a cache of one row."""
        return self.language.cache(1, self.prefix_tokens)

    def pixels(self, image: RGB) -> Tensor:
        """(H, W, 3) uint8 of the view, on the device. Raises ValueError on another size."""
        wanted = (*self.view[::-1], 3)
        if image.shape != wanted:
            raise ValueError(f"this engine takes images of shape {wanted}, got {image.shape}: resize with View")
        return torch.tensor(image, device=self.device)

    @torch.no_grad()
    def logits(self, hidden: Tensor) -> Tensor:
        """States (..., D) -> logits (..., V) of local ids in fp32."""
        logits = F.linear(hidden, self.language.head).float()[..., self.base_ids]
        return logits.masked_fill(self._doubled, -torch.inf)

    @torch.no_grad()
    def offset_logits(self, hidden: Tensor) -> Tensor:
        """States (..., D) -> logits (..., 10) of `<delete>` and the nine offsets in fp32."""
        return F.linear(hidden, self._ten).float()


def read_qwen(folder: Path, device: str, dtype: torch.dtype) -> Any:
    """A folder -> the library's model, ready to be asked. Raises ModelError on one that will not do."""
    try:
        import transformers
    except ImportError:
        raise ModelError("a Qwen-VL folder needs transformers: pip install 'getok_ros[torch]'") from None
    vendor: Any = transformers
    try:
        config = vendor.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type != MODEL_TYPE:
            raise ModelError(f"{folder} is a {config.model_type} model: this engine runs {MODEL_TYPE}")
        model, loading = vendor.Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, device_map=None, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"{folder} cannot be loaded ({str(error).strip().splitlines()[0][:200]}): copy it again"
        ) from None
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(f"{folder} lacks {len(missing)} weights, {missing[0]} first: copy it again")
    if device == "cpu":  # else they may be the file itself, mapped: cut off at work, it would end the process
        for weight in (*model.parameters(), *model.buffers()):
            weight.data = weight.data.clone()
    return model.to(device).eval()
