"""The colours of all pictures: Okabe and Ito's, which colour-blind eyes tell apart, and how one is laid on another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

ORANGE: Colour = (230, 159, 0)
SKY: Colour = (86, 180, 233)
GREEN: Colour = (0, 158, 115)
YELLOW: Colour = (240, 228, 66)
BLUE: Colour = (0, 114, 178)
VERMILLION: Colour = (213, 94, 0)
PURPLE: Colour = (204, 121, 167)
WHITE: Colour = (250, 250, 250)
INK: Colour = (16, 20, 24)


def blend(part: NDArray[np.uint8], weight: NDArray[np.floating], colour: Colour) -> None:
    """Mix a colour into part of a picture (H, W, 3) in place, by weight (H, W, 1) of 0 to 1."""
    part[...] = (part + weight * (np.array(colour, np.float32) - part)).astype(np.uint8)
