"""A frame of a replay as a picture: what one model said about it drawn on top, as film and report show it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from getok_core.overlay import Question, draw
from getok_core.scene import Answer, Scene
from getok_core.view import RGB

from .replayed import Moment, Replayed


def drawn(run: Replayed, moment: Moment, model: str, image: RGB, width: int, title: str = "",
          answers: Sequence[tuple[Question, Answer]] = (), totals_s: Sequence[float] = ()) -> RGB:  # fmt: skip
    """The frame (H, W, 3) at that width with its scene, its labels in dashes, and the answers to show."""
    scene = run.scene(moment.frame, model)
    words = f"{title}  nothing said" if scene is None else title
    scene = replace(scene or Scene(image.shape[1], image.shape[0]), model=model)
    return draw(resized(image, width), scene, answers, words, run.truth(moment.frame), totals_s)


def resized(image: RGB, width: int) -> RGB:
    """(H, W, 3) at another width, the height in proportion."""
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    if (height, width) == image.shape[:2]:
        return image
    how = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def data_uri(image: RGB, quality: int = 82) -> str:
    """(H, W, 3) RGB -> data URI of a JPEG."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(image, quality)).decode()


def jpeg(image: RGB, quality: int = 92) -> bytes:
    """(H, W, 3) RGB -> a JPEG file."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
