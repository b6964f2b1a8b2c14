"""What makes a road slippery, and shows it: snow with wheel tracks, sheets of ice, water that mirrors what stands."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import ROAD, Canvas, plain
from .layout import Layout
from .mood import Mood
from .texture import GroundMap

WHEEL = 0.8
"""metres from the middle of a lane to a wheel track"""


def lay_snow(rng: np.random.Generator, canvas: Canvas, ground: GroundMap, layout: Layout, mood: Mood) -> None:
    """Cover a snowy road, lines and all, thinner where wheels have run; ice lies on it in pale patches."""
    if mood.surface not in ("snow", "ice"):
        return
    first = ground.first
    patches = ground.sample(rng, 1.6, rng.uniform(14, 40), rng.uniform(6, 12))[first:] / 32
    d = ground.d[first:]
    if mood.surface == "snow":
        tracks = np.zeros_like(d)
        wide = rng.uniform(0.2, 0.4)
        for lane in range(len(layout.directions)):
            for wheel in (-WHEEL, WHEEL):
                tracks = np.maximum(tracks, np.exp(-(((d - layout.centre(lane) - wheel) / wide) ** 2)))
        cover = rng.uniform(0.7, 0.95) + 0.12 * patches - tracks * rng.uniform(0.2, 0.75)
        tone = np.array([226, 231, 238.0]) * rng.uniform(0.88, 1.05)
    else:
        cover = np.clip(rng.uniform(0.05, 0.3) + 0.45 * patches, 0.05, 0.65)
        tone = np.array([176, 208, 228.0]) * rng.uniform(0.9, 1.1)
    _mix(canvas, ground, cover, plain(canvas.image, tone))


def mirror(rng: np.random.Generator, canvas: Canvas, ground: GroundMap, mood: Mood) -> None:
    """Let a wet or icy road mirror what stands above the horizon: wet ones in streaks and puddles, ice all over."""
    if mood.surface not in ("wet", "ice"):
        return
    height, width = canvas.ids.shape
    level = int(np.clip(ground.first * ground.STEP, 8, height - 8))
    above = canvas.image[max(0, level - int(1.2 * (height - level))) : level]
    fallen = cv2.resize(cv2.flip(above, 0), (width, height - level))
    tall = int(rng.uniform(9, 26) * height / 256) if mood.surface == "wet" else int(5 * height / 256)
    sheet = np.zeros_like(canvas.image)
    sheet[level:] = cv2.blur(fallen, (max(1, tall // 8), max(1, tall)))
    first = ground.first
    puddles = ground.sample(rng, 1.6, rng.uniform(8, 25), rng.uniform(3, 8))[first:] / 32
    slant = np.clip(ground.z[first:] / 30, 0.25, 1.0)
    if mood.surface == "wet":
        shine = np.clip(rng.uniform(0.2, 0.55) + 0.35 * puddles, 0.08, 0.85) * slant
    else:
        shine = np.clip(rng.uniform(0.45, 0.6) + 0.1 * puddles, 0.2, 0.75) * np.sqrt(slant)
    _mix(canvas, ground, shine, sheet)


def _mix(canvas: Canvas, ground: GroundMap, share: NDArray[np.floating], sheet: NDArray[np.uint8]) -> None:
    """Blend a sheet (H, W, 3) into the road, by shares 0 to 1 of the ground below its first row."""
    small = np.zeros(ground.z.shape, np.uint8)
    small[ground.first :] = np.clip(share * 255, 0, 255)
    mask = cv2.resize(small, canvas.image.shape[1::-1])
    mask = cv2.bitwise_and(mask, mask, mask=(canvas.ids == ROAD).astype(np.uint8))
    over = cv2.merge([mask] * 3)
    kept = cv2.multiply(canvas.image, cv2.bitwise_not(over), scale=1 / 255)
    cv2.add(kept, cv2.multiply(sheet, over, scale=1 / 255), canvas.image)
