"""comma10k: a picture an image, every pixel in the colour of what it shows; RGB or palette PNG.

Only the drivable area follows from it: the outlines of all that is road or paint on it, exact to the pixel. Things that
move are painted without saying where one ends and the next begins, so they give no boxes, and paint gives no lines.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError, ImageError
from getok_core.geometry import Polygon
from getok_core.metrics.areas import Area
from getok_core.metrics.outlines import outlined
from getok_core.view import decode_image

from .categories import Meaning
from .gathering import Gathering
from .truth import Labels

COLOURS = {
    "road": 0x402020, "lane marking": 0xFF0000, "undrivable": 0x808060, "movable": 0x00FF66, "own car": 0xCC00FF,
    "movable in own car": 0x00CCFF,
}  # fmt: skip
"""red, green, blue as one number"""
ROAD = ("road", "lane marking")
SUFFIX = ".mask.png"
"""masks that lie beside their images; in a folder of their own they have the images' names"""


def read(path: Path) -> Labels:
    """One mask or a folder of them (comma10k's own folder, its masks/, or images with `.mask.png` beside them)."""
    gathering = Gathering(path, ["drivable area"])
    for file in masks(path) if path.is_dir() else [path]:
        try:
            area = read_mask(file)
        except DataError as error:
            gathering.faults.append(f"{error}: skipped")
            continue
        frame = gathering.frame(file.name.replace(SUFFIX, ".png"), (area.shape[1], area.shape[0]))
        for outline in outlined(area):
            frame.add(Meaning("drivable area"), Polygon(outline))
    return gathering.labels()


def masks(folder: Path) -> list[Path]:
    """Where a folder keeps its masks; none when it is no such folder."""
    for pattern in (f"*{SUFFIX}", "masks/*.png", "masks2/*.png"):
        if found := sorted(folder.glob(pattern)):
            return found
    return sorted(folder.glob("*.png")) if folder.name.startswith("masks") else []


def read_mask(path: Path) -> Area:
    """A mask -> (H, W) True where one can drive. Raises DataError when it is no mask, or has a colour of its own."""
    try:
        picture = decode_image(np.fromfile(path, np.uint8), str(path)).astype(np.int64)
    except (OSError, ImageError) as error:
        raise DataError(f"mask {path} cannot be read ({error})") from None
    seen: NDArray[np.int64] = picture[..., 0] << 16 | picture[..., 1] << 8 | picture[..., 2]
    strange = seen[~np.isin(seen, list(COLOURS.values()))]
    if strange.size:
        raise DataError(
            f"mask {path} has {strange.size} pixels of no comma10k colour, such as #{strange[0]:06x}: copy it unchanged"
        )
    return np.isin(seen, [COLOURS[name] for name in ROAD])
