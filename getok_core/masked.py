"""Seeds, or boxes, become masks: what a promptable segmenter makes of the things that a model named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from .geometry import XY, Box, Mask, Seeds, as_xy
from .lattice import Size

if TYPE_CHECKING:
    from .protocol import MaskDecoder
    from .view import RGB

Named = tuple[str, float, Union[Seeds, Box]]
"""label, score, and the prompt in pixels of the image"""


@dataclass(frozen=True, eq=False)
class Masked:
    """One thing and its pixels."""

    label: str
    score: float
    prompt: Seeds | Box
    """what the model said of it, in pixels of the image"""
    mask: Mask
    """(H, W) of the image's size; it may be empty"""

    @property
    def polygons(self) -> list[XY]:
        """Outlines (N, 2) along pixel sides, one for each part; a pixel is in the mask when its centre is in one.

        An outline with holes visits each hole along a bridge there and back.
        """
        from .metrics.outlines import outlined

        return outlined(self.mask.pixels)

    def to_json(self) -> dict[str, Any]:
        """{"label", "score", "seeds": [[x, y], ..] or "box": [..], "pixels": count, "polygons": [[[x, y], ..], ..]}."""
        xy = np.round(self.prompt.xy, 1)
        said = {"box": xy.reshape(4).tolist()} if isinstance(self.prompt, Box) else {"seeds": xy.tolist()}
        outlines = [outline.tolist() for outline in self.polygons]
        pixels = int(self.mask.pixels.sum())
        return {"label": self.label, "score": round(self.score, 3), **said, "pixels": pixels, "polygons": outlines}

    @classmethod
    def from_json(cls, said: Mapping[str, Any], size: Size) -> Masked:
        """The inverse of to_json in an image of size (width, height). Raises ValueError in one line."""
        from .metrics.areas import union

        try:
            prompt = Box.of(said["box"]) if "box" in said else Seeds(as_xy(said["seeds"]))
            outlines = [as_xy(outline) for outline in said["polygons"]]
            return cls(str(said["label"]), float(said["score"]), prompt, Mask(union(outlines, size)))
        except KeyError as error:
            raise ValueError(f"a mask without {error.args[0]}") from None
        except TypeError as error:
            raise ValueError(f"no mask: {error}") from None


def masked(decoder: MaskDecoder, image: RGB, named: Sequence[Named]) -> list[Masked]:
    """What each prompt names in an image (H, W, 3), which is encoded once, and not at all where nothing is named."""
    masks = decoder.masks(image, [prompt for _, _, prompt in named]) if named else []
    return [Masked(label, score, prompt, mask) for (label, score, prompt), mask in zip(named, masks, strict=True)]
