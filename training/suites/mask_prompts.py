"""What says a mask best to a segmenter that is the same for all (the paper's figure 11): prompts made from the truth.

Of every thing in a frame: the greedy cover, drawn as its points were chosen (each alone, united) and in one prompt; the
seeds that the nano is trained on; a single point; as many random cells as the cover has points; the box.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from getok_core.cover import cover, pack
from getok_core.geometry import Box, Seeds
from getok_core.lattice import IJ, Lattice
from getok_core.metrics.areas import overlap
from getok_core.metrics.tally import Part
from getok_core.protocol import MaskDecoder
from getok_core.view import RGB
from training.masks import extent, seeds_of
from training.targets import Frame

Area = NDArray[np.bool_]
GIOU, CIOU, HALF = "gIoU: mean IoU", "cIoU: all pixels together", "IoU of 0.5 or more"
TOKENS, NOTHING = "said of a mask, grid tokens", "nothing meant: no mask"
SMALL, LEAST = 32, 64
"""a thing of fewer than SMALL * SMALL pixels is small; below LEAST it is not asked for"""


@dataclass(frozen=True, eq=False)
class Said:
    """A mask in words: prompts whose masks together are it, and what it should have been."""

    column: str
    truth: Area
    prompts: tuple[Seeds | Box, ...]
    tokens: int
    masks: int = 1
    """how many instances it is made of"""


def drawn(decoder: MaskDecoder, image: RGB, said: Sequence[Said]) -> Iterator[tuple[Said, Area]]:
    """What a segmenter makes of each; the image (H, W, 3) is encoded once."""
    masks = iter(decoder.masks(image, [prompt for one in said for prompt in one.prompts]))
    for one in said:
        together = np.zeros(one.truth.shape, np.bool_)
        for _ in one.prompts:
            together |= next(masks).pixels
        yield one, together


def mask_parts(said: Said, pixels: Area, by_size: bool = False) -> dict[str, Part]:
    """What one mask adds to each row."""
    if not said.truth.any():
        return {NOTHING: (float(not pixels.any()), 1)}
    found = overlap(said.truth, pixels)
    parts: dict[str, Part] = {GIOU: (found.iou, 1), CIOU: found, HALF: (float(found.iou >= 0.5), 1)}
    if by_size:
        small = bool(said.truth.sum() < SMALL**2)
        parts[f"gIoU below {SMALL} x {SMALL} pixels"] = found.iou * small, float(small)
        parts["gIoU of larger things"] = found.iou * (not small), float(not small)
    return {**parts, TOKENS: (said.tokens, said.masks)}


def prompted(seed: int, frame: Frame, decoder: MaskDecoder, lattice: Lattice) -> list[Said]:
    """Every thing of a frame, in all ways of saying it; the same for the same seed. Nothing of a photograph."""
    if frame.ids is None:
        return []
    masks = [frame.ids == thing.ident for thing in frame.things]
    masks = [mask for mask in masks if int(mask.sum()) >= LEAST]
    covers = _covers(frame, masks, decoder, lattice)
    rng = np.random.default_rng([31, seed])
    return [one for mask, cells in zip(masks, covers, strict=True) for one in _ways(mask, cells, lattice, rng)]


def _ways(mask: Area, covering: IJ, lattice: Lattice, rng: np.random.Generator) -> Iterator[Said]:
    size = mask.shape[1], mask.shape[0]
    deepest = seeds_of(mask, lattice.n)
    alone = tuple(Seeds(xy[None]) for xy in lattice.decode(covering, size))
    yield Said("greedy cover, united", mask, alone, len(covering))
    ways = {
        "greedy, one prompt": covering,
        "trained seeds": deepest,
        "single point": deepest[:1],
        "random points": _random_cells(mask, max(1, len(covering)), lattice.n, rng),
    }
    for column, cells in ways.items():
        yield Said(column, mask, (Seeds(lattice.decode(cells, size)),) if len(cells) else (), len(cells))
    yield Said("box", mask, (Box.of(extent(mask).tolist()),), 2)


def _covers(frame: Frame, masks: Sequence[Area], decoder: MaskDecoder, lattice: Lattice) -> list[IJ]:
    """The greedy cover of each mask among the cells that its box touches: a point elsewhere names something else."""
    near = [_cells_in(lattice.encode(extent(mask).reshape(2, 2), frame.size).ij) for mask in masks]
    points = [Seeds(xy[None]) for cells in near for xy in lattice.decode(cells, frame.size)]
    proposals = [pack(one.pixels[None])[0] for one in decoder.masks(frame.image, points)]
    ends = np.cumsum([len(cells) for cells in near])
    return [
        cells[list(cover(np.stack(proposals[end - len(cells) : end]), pack(mask[None])[0]).chosen)]
        for cells, end, mask in zip(near, ends, masks, strict=True)
    ]


def _cells_in(corners: IJ) -> IJ:
    """All cells (K, 2) from the first of two corners to the second."""
    (left, top), (right, bottom) = corners.tolist()
    between = np.ones((bottom - top + 1, right - left + 1), np.bool_)
    return np.argwhere(between)[:, ::-1] + corners[0]


def _random_cells(mask: Area, count: int, n: int, rng: np.random.Generator) -> IJ:
    """Up to `count` different cells that random pixels of the mask lie in."""
    rows, columns = np.nonzero(mask)
    drawn = rng.permutation(len(rows))
    cells = np.stack([columns[drawn] * n // mask.shape[1], rows[drawn] * n // mask.shape[0]], axis=1)
    first = np.sort(np.unique(cells, axis=0, return_index=True)[1])[:count]
    return cells[first].astype(np.int64)


def united(masks: Iterable[Area], size: tuple[int, int]) -> Area:
    """Masks (H, W) as one; empty where there are none."""
    return np.logical_or.reduce([np.zeros((size[1], size[0]), np.bool_), *masks])
