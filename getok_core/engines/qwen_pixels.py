"""An image as a Qwen-VL vision tower takes it: normalised patches, window of merged patches by window. NumPy alone.

The View has resized the image before; here no pixel moves. The library's own processors need torchvision or Pillow and
resize once more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..lattice import Size
from ..view import RGB

PREPROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class Pixels:
    """How one family cuts its images; read from preprocessor_config.json."""

    patch: int = 14
    """pixels a side of a patch"""
    merge: int = 2
    """patches a side of one visual token"""
    temporal: int = 2
    """frames in a patch; a still image is repeated"""
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    @classmethod
    def read(cls, folder: Path | str) -> Pixels:
        """Raises ModelError when the folder has no readable preprocessor_config.json."""
        path = Path(folder) / PREPROCESSOR
        try:
            raw = json.loads(path.read_text())
            patch, merge, temporal = (int(raw[key]) for key in ("patch_size", "merge_size", "temporal_patch_size"))
            mean, std = (tuple(map(float, raw[key])) for key in ("image_mean", "image_std"))
            return cls(patch, merge, temporal, mean, std)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror or error}; name the folder of a Qwen-VL model") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is malformed ({error}): copy it again") from None

    def grid(self, size: Size) -> tuple[int, int, int]:
        """Width and height of an image -> frames, rows and columns of its patches. Raises ModelError on odd sizes."""
        side = self.patch * self.merge
        if size[0] % side or size[1] % side:
            raise ModelError(f"a view of {size[0]} x {size[1]} pixels: its sides must be multiples of {side}")
        return 1, size[1] // self.patch, size[0] // self.patch

    def visual_tokens(self, size: Size) -> int:
        """How many tokens an image of that width and height is to the language model."""
        _, rows, columns = self.grid(size)
        return rows * columns // self.merge**2

    def patches(self, image: RGB) -> NDArray[np.float32]:
        """(H, W, 3) uint8 -> (rows * columns, 3 * temporal * patch * patch), patches of one visual token together."""
        _, rows, columns = self.grid((image.shape[1], image.shape[0]))
        scale, shift = 1 / (255 * np.asarray(self.std)), np.asarray(self.mean) / np.asarray(self.std)
        normal: NDArray[np.float32] = (image * scale - shift).astype(np.float32)
        tall, wide = rows // self.merge, columns // self.merge
        cut = normal.reshape(tall, self.merge, self.patch, wide, self.merge, self.patch, 3)
        by_token: NDArray[np.float32] = np.transpose(cut, (0, 3, 1, 4, 6, 2, 5))
        still = by_token.reshape(rows * columns, 3, 1, self.patch**2)
        return np.tile(still, (1, 1, self.temporal, 1)).reshape(rows * columns, -1)
