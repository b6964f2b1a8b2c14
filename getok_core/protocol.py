"""What an engine is to the rest: requests and drafts go in, tokens with their probabilities come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .geometry import Box, Mask, Seeds
from .manifest import Manifest
from .refine import Draft
from .syntax import AnswerForm
from .view import RGB
from .vocabulary import Vocabulary

Progress = Callable[[str, float], None]
"""takes what is being done and the share done, 0..1"""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen: the likeliest at temperature 0, else n samples."""

    n: int = 1
    temperature: float = 0.0
    seed: int = 0
    constrained: bool = True
    """False lets any token come: a control for training, which engines in this process take"""


@dataclass(frozen=True)
class Request:
    """One question about one of the images opened."""

    prompt: tuple[int, ...]
    """local ids up to and with `<answer>`"""
    form: AnswerForm
    frame: int = 0
    begun: tuple[int, ...] = ()
    """answer tokens already given, such as an object's label, tag and anchor"""
    sampling: Sampling = Sampling()
    draft: Draft | None = None
    """a refinement whose offsets are written out after the prompt; it replaces the form, and its length is its own"""


@dataclass(frozen=True)
class Limits:
    tokens: int = 160
    """most tokens in one answer, its end included"""
    deadline_s: float | None = None
    """wall time after which nothing new is begun"""


@dataclass(frozen=True, eq=False)
class Reply:
    """An answer, token by token; arrays of length T. `begun` is not repeated."""

    ids: NDArray[np.int64]
    logp: NDArray[np.float64]
    """log-probability of each token before the grammar's mask"""
    logp_legal: NDArray[np.float64]
    """the same after the mask"""
    logp_near: NDArray[np.float64]
    """as logp, but for a grid token the mass of its 3 x 3 neighbours"""
    stop: str
    """end, cap or deadline"""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Offsets:
    """What a refinement read: (slots,) ids of offsets or `<delete>`, and their log-probabilities among these ten."""

    ids: NDArray[np.int64]
    logp: NDArray[np.float64]


@dataclass(frozen=True)
class Caps:
    """What an engine can do by itself."""

    one_pass_refine: bool = True
    constrained: bool = True
    images_per_batch: int = 1


class Frames(Protocol):
    """Images encoded once. A context manager: leaving it frees what was cached."""

    seconds: float
    """wall time of the encoding"""

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]: ...
    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]: ...
    def __enter__(self) -> Frames: ...
    def __exit__(self, *reason: object) -> None: ...


class Engine(Protocol):
    """Runs one model. `load` may take long and is never called inside a callback."""

    manifest: Manifest
    caps: Caps
    device: str
    vocabulary: Vocabulary
    """local ids that prompts and replies are written in"""

    def load(self, progress: Progress | None = None) -> None: ...
    def open(self, images: Sequence[RGB]) -> Frames: ...
    def close(self) -> None: ...


class MaskDecoder(Protocol):
    """A promptable segmenter: one mask of the image's size for each prompt, all of one image."""

    def masks(self, image: RGB, prompts: Sequence[Seeds | Box]) -> list[Mask]: ...
