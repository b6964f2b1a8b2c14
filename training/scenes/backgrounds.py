"""Photographs from which backgrounds are cut; images meant for tests are refused by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST = 640
"""pixels of the longer side kept in memory"""


class Backgrounds:
    """Allowed photographs, RGB, downscaled, in memory."""

    def __init__(self, photos: Iterable[NDArray[np.uint8]]) -> None:
        self.photos = tuple(photos)
        if not self.photos:
            raise ValueError("no background photograph was given: name at least one readable, allowed image")

    def __len__(self) -> int:
        return len(self.photos)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        names: Iterable[str] | None = None,
        exclude: frozenset[str] = frozenset(),
        erase: Mapping[str, Sequence[Sequence[float]]] | None = None,
    ) -> Backgrounds:
        """Photographs of a folder (all, or those named), without files whose SHA-256 is in exclude (test images).

        erase names boxes (left, top, right, bottom in pixels of the file) by file name that are painted over: real
        signs and lights would otherwise stand in the picture and not in the truth. Raises ValueError when no
        photograph is left, or a named one cannot be read.
        """
        folder = Path(folder)
        paths = sorted(p for p in folder.iterdir() if p.is_file()) if names is None else [folder / n for n in names]
        photos = []
        for path in paths:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() in exclude:
                continue
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
            if image is None:
                if names is None:
                    continue
                raise ValueError(f"{path.name} is no image that can be read: leave it out of the names")
            for box in (erase or {}).get(path.name, ()):
                _paint_over(image, box)
            scale = min(1.0, LONGEST / max(image.shape[:2]))
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            photos.append(cv2.cvtColor(_without_bright_signs(small), cv2.COLOR_BGR2RGB))
        return cls(photos)

    def cut(self, rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A random part of a random photograph, (H, W, 3), sometimes mirrored; size is (width, height).

        Parts come from above the middle: further down many photographs show roads and paint the truth does not know.
        """
        photo = self.photos[int(rng.integers(len(self.photos)))]
        height, width = photo.shape[:2]
        share = rng.uniform(0.35, 0.62)
        tall, wide = int(height * share), int(width * min(1.0, share * rng.uniform(1.1, 1.8)))
        top, left = int(rng.integers(int(height * 0.62) - tall + 1)), int(rng.integers(width - wide + 1))
        part = photo[top : top + tall, left : left + wide]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_LINEAR)


def _without_bright_signs(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The BGR image (H, W, 3) with patches of strong red, blue or yellow painted over: most of them are signs."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hue, strong = hsv[..., 0], hsv[..., 1] > 130
    red = ((hue < 7) | (hue > 170)) & (hsv[..., 2] > 70)
    yellow = (hue > 18) & (hue < 32) & (hsv[..., 2] > 140)
    blue = (hue > 103) & (hue < 122) & (hsv[..., 1] > 175) & (hsv[..., 2] < 215)
    mask = cv2.dilate(((red | yellow | blue) & strong).astype(np.uint8), np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    for left, top, wide, tall, area in stats[1:count]:
        if 50 < area < 0.12 * mask.size and wide < 4 * tall and tall < 4 * wide:
            _paint_over(image, (left, top, left + wide, top + tall))
    return image


def _paint_over(image: NDArray[np.uint8], box: Sequence[float]) -> None:
    """Fill a box in place with what surrounds it: every side's colours run inwards and meet."""
    height, width = image.shape[:2]
    margin = 3
    left, right = int(max(0, box[0] - margin)), int(min(width, box[2] + margin))
    top, bottom = int(max(0, box[1] - margin)), int(min(height, box[3] + margin))
    if right - left < 2 or bottom - top < 2:
        return
    beside = image[top:bottom, [max(0, left - 1), min(width - 1, right)]].astype(np.float32)
    across = np.linspace(0, 1, right - left, dtype=np.float32)[None, :, None]
    sheet = beside[:, :1] * (1 - across) + beside[:, 1:] * across
    image[top:bottom, left:right] = cv2.blur(sheet, (5, 5)).astype(np.uint8)
