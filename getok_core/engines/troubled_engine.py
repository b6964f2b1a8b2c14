"""Any engine, made to fail by the picture it is shown: for proofs that nothing around an engine breaks with it.

A picture of one colour (LOUD, 0, n) asks for trouble number n of TROUBLES; any other passes through.
`load_engine` never returns it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..protocol import Engine, Frames, Limits, Offsets, Reply, Request
from ..refine import Draft
from ..view import RGB
from .around import EngineAround, FramesAround

TROUBLES = ("raise", "garbage", "not a number", "too few", "hang", "hang for good")
"""raises; says ids that no vocabulary has; gives NaN; answers too few requests; sleeps for hang_s, or for days"""
FOR_GOOD_S = 1e6
LOUD = 251


class EngineTrouble(RuntimeError):
    """What the engine raises when it is asked to."""


class TroubledEngine(EngineAround):
    """Engine of getok_core.protocol around another one."""

    def __init__(self, engine: Engine, hang_s: float = 1.0):
        super().__init__(engine)
        self.hang_s = hang_s

    def open(self, images: Sequence[RGB]) -> Frames:
        """Raises EngineTrouble, or hangs, when one of the pictures says so."""
        asked = next((trouble for image in images if (trouble := trouble_of(image))), "")
        if asked == "raise":
            raise EngineTrouble("the engine was told to raise")
        if asked == "hang":
            time.sleep(self.hang_s)
        if asked == "hang for good":
            time.sleep(FOR_GOOD_S)
        frames = super().open(images)
        return _TroubledFrames(frames, asked) if asked else frames


def picture_of(trouble: str, size: tuple[int, int] = (64, 48)) -> RGB:
    """The picture (H, W, 3) of this width and height that asks for one of TROUBLES."""
    return np.full((size[1], size[0], 3), (LOUD, 0, TROUBLES.index(trouble)), np.uint8)


def trouble_of(image: RGB) -> str:
    """What a picture asks for, or ""."""
    red, green, number = (int(value) for value in image[0, 0])
    if (red, green) != (LOUD, 0) or number >= len(TROUBLES) or (image != image[0, 0]).any():
        return ""
    return TROUBLES[number]


class _TroubledFrames(FramesAround):
    def __init__(self, frames: Frames, trouble: str):
        super().__init__(frames)
        self._trouble = trouble

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        replies = super().propose(requests, limits)
        if self._trouble == "garbage":
            replies = [replace(reply, ids=_noise(len(reply.ids))) for reply in replies]
        if self._trouble == "not a number":
            replies = [_unsure(reply) for reply in replies]
        return replies[:-1] if self._trouble == "too few" else replies

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        if self._trouble == "garbage":
            return [Offsets(_noise(draft.slots), np.full(draft.slots, np.nan)) for draft in drafts]
        return super().refine(drafts, limits)


def _noise(length: int) -> NDArray[np.int64]:
    """Ids of which most lie outside any vocabulary."""
    return np.random.default_rng(length).integers(-(2**62), 2**62, length)


def _unsure(reply: Reply) -> Reply:
    """The same words, none of whose probabilities is a number."""
    nan = np.full(len(reply.ids), np.nan)
    return replace(reply, logp=nan, logp_legal=nan, logp_near=nan)
