"""Photographs from which backgrounds are cut; images meant for tests are refused by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
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
    def load(cls, folder: Path | str, names: Iterable[str] | None = None,
             exclude: frozenset[str] = frozenset()) -> Backgrounds:
        """Photographs of a folder (all, or those named), without files whose SHA-256 is in exclude (test images).

        Raises ValueError when none is left, or a named one cannot be read.
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
            scale = min(1.0, LONGEST / max(image.shape[:2]))
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            photos.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
        return cls(photos)

    def cut(self, rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A random part of a random photograph, (H, W, 3), sometimes mirrored; size is (width, height)."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        height, width = photo.shape[:2]
        share = rng.uniform(0.45, 1.0)
        tall, wide = int(height * share), int(width * min(1.0, share * rng.uniform(0.9, 1.4)))
        top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
        part = photo[top:top + tall, left:left + wide]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_LINEAR)
