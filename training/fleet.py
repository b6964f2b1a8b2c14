"""A fleet's own labelled frames as frames that the nano is trained on, beside rendered scenes and photographs.

Labels come in any format of getok_core.labels. A task is asked only where the labels promise all of it; words that they
do not give are "unknown" or "other". Images of tests/splits.json are refused, by their digests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from getok_core.errors import DataError, ImageError
from getok_core.labels import Truth, read_labels
from getok_core.lattice import Size
from getok_core.view import read_image

from .datasets.labelled import lying
from .photos import test_only
from .targets import Frame

ATTRIBUTES = {"road surface": "surface", "road blockage": "blockage", "traffic density": "traffic"}
"""task about a whole frame -> attribute of a Frame"""


class Fleet:
    """Labelled images of one folder."""

    def __init__(self, labels: Path, images: Path, format: str = ""):
        """Raises DataError when there is no label, or no labelled image lies in the folder."""
        found = read_labels(labels, format=format)
        named = ((images / lying(name, images), truth) for name, truth in found.frames.items())
        self.frames = _trainable((path, truth) for path, truth in named if path.is_file())
        self.faults = list(found.faults)
        if not self.frames:
            raise DataError(f"none of the {len(found.frames)} frames that {labels} names can be trained on in {images}")

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int, size: Size) -> Frame:
        """One of them at size (width, height), a plain resize. Raises DataError when its image cannot be read."""
        path, truth = self.frames[index]
        try:
            image = read_image(path)
        except ImageError as error:
            raise DataError(f"a frame of the fleet: {error}") from None
        placed = truth.sized((image.shape[1], image.shape[0])).sized(size)
        scene = replace(
            placed.scene,
            lanes=tuple(replace(lane, label=lane.label or "unknown") for lane in placed.scene.lanes),
            lights=tuple(replace(light, state=light.state or "unknown") for light in placed.scene.lights),
            signs=tuple(replace(sign, label=sign.label or "other") for sign in placed.scene.signs),
        )
        asked = {query.name: answer for query, answer in truth.questions if query.region is None}
        attributes = {ours: asked[task] for task, ours in ATTRIBUTES.items() if task in asked}
        return Frame(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), scene, truth.known, attributes)


def _trainable(frames: Iterable[tuple[Path, Truth]]) -> list[tuple[Path, Truth]]:
    """Those whose image is no test image of this repository."""
    forbidden = test_only()
    return [(path, truth) for path, truth in frames if sha256(path.read_bytes()).hexdigest() not in forbidden]
