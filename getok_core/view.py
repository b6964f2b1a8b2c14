"""Image -> the model's input, and geometry exactly back: nobody else changes coordinates. Also image files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ImageError
from .geometry import XY, as_xy
from .lattice import Size

RGB = NDArray[np.uint8]
"""(H, W, 3) uint8, red first"""


@dataclass(frozen=True)
class View:
    """Plain resize of an image of `size` to `model`, both (width, height). The paper's choice: 87.4, padded 85.9."""

    size: Size
    model: Size

    def to_model(self, xy: XY) -> XY:
        """Pixels of the image (N, 2) -> pixels of the model's input."""
        return as_xy(xy) * (np.asarray(self.model, np.float64) / np.asarray(self.size, np.float64))

    def to_image(self, xy: XY) -> XY:
        """Pixels of the model's input (N, 2) -> pixels of the image; exact inverse of to_model up to rounding."""
        return as_xy(xy) * (np.asarray(self.size, np.float64) / np.asarray(self.model, np.float64))

    def resize(self, image: RGB) -> RGB:
        """(H, W, 3) of `size` -> (h, w, 3) of `model`. Area averaging where it shrinks, linear where it grows."""
        if image.shape[1::-1] == self.model:
            return image
        shrinks = self.model[0] < self.size[0] and self.model[1] < self.size[1]
        return np.asarray(
            cv2.resize(image, self.model, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
        )


def check_image(image: NDArray[np.generic]) -> RGB:
    """Returns the image when it is (H, W, 3) uint8 with at least one pixel, else raises ImageError."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}: convert it first")
    return image  # pyright: ignore[reportReturnType]


def read_image(path: Path | str) -> RGB:
    """An image file -> (H, W, 3) uint8 RGB. Raises ImageError when it is missing, not an image, or cut off."""
    path = Path(path)
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ImageError(f"cannot read image {path}: {error.strerror or error}") from None
    return decode_image(raw, str(path))


def write_image(path: Path | str, image: RGB, quality: int = 95) -> None:
    """An (H, W, 3) RGB image -> a file of the format that its suffix names; quality: of a JPEG, 0 to 100.

    Raises ImageError where no format has that suffix, or the file cannot be written.
    """
    path = Path(path)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes())
    except cv2.error:
        raise ImageError(f"cannot write {path}: name it .png or .jpg") from None
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror}; name a file in an existing folder") from None


def decode_image(raw: NDArray[np.uint8], name: str) -> RGB:
    """Bytes of a JPEG, PNG or any format OpenCV reads -> RGB. Raises ImageError; a JPEG that is cut off is an error."""
    if raw.size == 0:
        raise ImageError(f"image {name} is empty (0 bytes): give a JPEG or PNG")
    if raw[:2].tobytes() == b"\xff\xd8" and b"\xff\xd9" not in raw[-4096:].tobytes():
        raise ImageError(f"image {name} is cut off: no end of JPEG in its {raw.size} bytes; copy it again")
    try:
        image = cv2.imdecode(raw, cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise ImageError(f"image {name} is no image that can be decoded ({raw.size} bytes): give a JPEG or PNG")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
