"""A mask as few points: the greedy, training-free cover of the paper's section on masks, and its way back.

A promptable segmenter makes one proposal at every lattice point. Starting from nothing, the proposal whose union with
those chosen raises IoU with the truth most is added, until IoU reaches tau or no proposal helps. The chosen points are
the mask's tokens; their mask is the union of what each of them alone yields. Pixels are packed into words, and what
every proposal would still add is counted only where the union last grew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from .geometry import Mask, Seeds
from .lattice import IJ, Lattice
from .protocol import MaskDecoder
from .view import RGB

TAU = 0.95
"""IoU at which the cover stops (the paper leaves it open; ours)"""

Words = NDArray[np.uint64]
"""pixels as bits, 64 in a word, the last word filled with zeros"""
Ints = NDArray[np.int64]

_BLOCK = 1 << 17
"""words counted at once: what a core's cache holds"""
_NATIVE: Callable[[Words], NDArray[np.uint8]] | None = getattr(np, "bitwise_count", None)
_TABLE = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(1, np.uint8)
"""bits of every 16-bit number, for NumPy before 2"""


class Cover(NamedTuple):
    """What was chosen, in the order of choice."""

    chosen: tuple[int, ...]
    """indices of proposals"""
    ious: tuple[float, ...]
    """IoU of the union with the truth after each of them, rising"""


def pack(masks: NDArray[np.bool_]) -> Words:
    """Masks (N, H, W) bool -> (N, words)."""
    count, height, width = masks.shape
    packed = np.packbits(masks.reshape(count, height * width), axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def bits_by_table(words: Words) -> NDArray[np.uint8]:
    """Bits set in each word, at most 64: np.bitwise_count for NumPy before 2."""
    return _TABLE[np.ascontiguousarray(words).view(np.uint16)].reshape(*words.shape, 4).sum(-1, np.uint8)


def _shared(packed: Words, among: Words) -> Ints:
    """How many pixels each of the masks (N, words) shares with one mask (words,) -> (N,)."""
    bits, rows = _NATIVE or bits_by_table, max(1, _BLOCK // max(1, packed.shape[1]))
    counted = [bits(packed[at : at + rows] & among).sum(1, np.int64) for at in range(0, len(packed), rows)]
    return np.concatenate(counted) if counted else np.zeros(0, np.int64)


def cover(proposals: Words, truth: Words, tau: float = TAU) -> Cover:
    """Packed proposals (N, words) and truth (words,) -> the greedy cover; of equals the first is chosen.

    Nothing covers an empty truth. Raises ValueError when the widths differ.
    """
    if proposals.shape[1:] != truth.shape:
        raise ValueError(f"proposals have {proposals.shape[1:]} words and the truth {truth.shape}: use one image size")
    union = np.zeros_like(truth)
    right = _shared(proposals, truth)  # pixels each would add inside the truth, and outside
    wrong = _shared(proposals, ~union) - right
    both, either, iou = 0, int(_shared(truth[None], truth)[0]), 0.0
    chosen: list[int] = []
    ious: list[float] = []
    while either and len(proposals) and iou < tau:
        reached = (both + right) / (either + wrong)
        best = int(reached.argmax())
        if reached[best] <= iou:
            break
        iou = float(reached[best])
        chosen.append(best)
        ious.append(iou)
        both, either = both + int(right[best]), either + int(wrong[best])
        grown = proposals[best] & ~union
        union |= grown
        at = np.flatnonzero(grown)
        there = np.ascontiguousarray(proposals[:, at])
        right = right - _shared(there, grown[at] & truth[at])
        wrong = wrong - _shared(there, grown[at] & ~truth[at])
    return Cover(tuple(chosen), tuple(ious))


def proposals_of(decoder: MaskDecoder, image: RGB, lattice: Lattice) -> Words:
    """What every cell of an image (H, W, 3) alone yields, row by row, packed (n * n, words)."""
    centres = lattice.decode(_cells(lattice.n), (image.shape[1], image.shape[0]))
    masks = decoder.masks(image, [Seeds(xy[None]) for xy in centres])
    return np.stack([pack(mask.pixels[None])[0] for mask in masks])


def points_of(
    decoder: MaskDecoder, image: RGB, truth: Mask, lattice: Lattice | None = None, tau: float = TAU
) -> tuple[IJ, Cover]:
    """The cells (K, 2) that say a mask, in the order of choice, and their cover among all n * n cells, row by row.

    image (H, W, 3) uint8, truth (H, W). Holds n * n masks of the image's size at once.
    """
    lattice = lattice or Lattice()
    return covering_cells(proposals_of(decoder, image, lattice), truth, lattice.n, tau)


def covering_cells(proposals: Words, truth: Mask, n: int, tau: float = TAU) -> tuple[IJ, Cover]:
    """The same for one of several masks of an image, whose proposals (n * n, words) are made once."""
    found = cover(proposals, pack(truth.pixels[None])[0], tau)
    return _cells(n)[list(found.chosen)], found


def _cells(n: int) -> IJ:
    """All cells (n * n, 2), row by row."""
    return np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2).astype(np.int64)


def mask_of(decoder: MaskDecoder, image: RGB, seeds: Seeds) -> Mask:
    """Seeds (K, 2) -> the union of the masks that each of them alone yields, as the cover was chosen."""
    parts = decoder.masks(image, [Seeds(xy[None]) for xy in seeds.xy])
    return Mask(cast(NDArray[np.bool_], np.logical_or.reduce(cast(Any, [part.pixels for part in parts]))))
