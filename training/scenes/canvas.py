"""What is drawn on: the picture, and beside it a buffer that says what each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR, Camera

OTHER, ROAD, FIRST, UNNAMED = 0, 1, 2, 255
"""ids: background and terrain, road surface, the first named object, and an occluder without a name"""
SHIFT = 4
SCALE = 1 << SHIFT


def fixed(xy: NDArray[np.floating]) -> NDArray[np.int32]:
    """(..., 2) pixels, corners at 0 -> the fixed point that cv2 draws with shift=SHIFT (its pixel centres are at 0)."""
    return np.rint((xy - 0.5) * SCALE).astype(np.int32)


def plain(image: NDArray[np.uint8], colour: Sequence[float] | NDArray[np.float64]) -> NDArray[np.uint8]:
    """A sheet of one colour (3,), as large as an image (H, W, 3)."""
    sheet = np.empty_like(image)
    cv2.rectangle(sheet, (0, 0), sheet.shape[1::-1], [float(min(max(c, 0), 255)) for c in colour], -1)
    return sheet


class Canvas:
    """One picture being drawn, far things first."""

    def __init__(self, camera: Camera, image: NDArray[np.uint8], haze: tuple[NDArray[np.float64], float]) -> None:
        self.camera = camera
        self.image = image
        self.ids = np.zeros(image.shape[:2], np.uint8)
        self.haze, self.visibility = haze
        self.extent: dict[int, list[float]] = {}
        """id -> pixels drawn, and left, top, right, bottom of what was drawn, unclipped"""
        self.glows: list[tuple[float, float, float, tuple[float, float, float], int]] = []
        """x, y, radius in pixels, colour and id of lamps, drawn after the light of the scene has been applied"""

    def fill(self, xy: NDArray[np.floating], colour: Sequence[float], ident: int | None = None) -> None:
        """Fill one polygon (N, 2); ident is written to the id buffer, None leaves the buffer alone."""
        points = fixed(xy)
        cv2.fillPoly(self.image, [points], [float(c) for c in colour], cv2.LINE_AA, SHIFT)
        if ident is not None:
            cv2.fillPoly(self.ids, [points], ident, cv2.LINE_8, SHIFT)
            self._grow(ident, xy)

    def quads(
        self,
        xyz: NDArray[np.floating],
        colours: NDArray[np.floating],
        ident: int | None,
        outline: int | None = None,
        cull: bool = True,
    ) -> bool:
        """Fill faces (N, K, 3) in order with colours (N, 3); those turned away are left out. False if all too near.

        The first `outline` faces (all by default) go to the id buffer. Faces are counter-clockwise seen from outside.
        """
        pixels, depth = self.camera.project(xyz)
        if depth.min() < NEAR:
            return False
        fade = np.exp(np.minimum(5 - depth.mean(1), 0) / self.visibility)[:, None]
        shades = np.minimum(colours * fade + self.haze * (1 - fade), 255).tolist()
        points = fixed(pixels)
        facing: Sequence[int] = range(len(points))
        if cull:
            (ax, ay), (bx, by), (cx, cy) = (pixels[:, k].T for k in range(3))
            facing = np.flatnonzero((bx - ax) * (cy - by) < (by - ay) * (cx - bx)).tolist()
        limit = len(points) if outline is None else outline
        for index in facing:
            cv2.fillPoly(self.image, [points[index]], shades[index], cv2.LINE_AA, SHIFT)
        if ident is not None:
            solid = [index for index in facing if index < limit]
            for index in solid:
                cv2.fillPoly(self.ids, [points[index]], ident, cv2.LINE_8, SHIFT)
            if solid:
                self._grow(ident, pixels[solid].reshape(-1, 2))
        return True

    def stain(self, ident: int, grain: NDArray[np.uint8]) -> None:
        """Multiply a grain around 128, stretched over the object, into its pixels: nothing real is of one colour."""
        rows, columns = self.window(*self.extent[ident][1:]) if ident in self.extent else (slice(0), slice(0))
        patch = self.image[rows, columns]
        if patch.shape[0] > 10 and patch.shape[1] > 4:
            stretched = cv2.resize(grain, patch.shape[1::-1])
            stained = cv2.multiply(patch, cv2.merge([stretched] * 3), scale=1 / 128)
            patch[:] = cv2.copyTo(stained, (self.ids[rows, columns] == ident).astype(np.uint8), patch.copy())

    def smear(self, ident: int, wide: float, tall: float) -> bool:
        """Blur an object over shares of its own width and height; False, and nothing done, where it is too small."""
        if ident not in self.extent:
            return False
        left, top, right, bottom = self.extent[ident][1:]
        across, down = int(wide * (right - left)), int(tall * (bottom - top))
        rows, columns = self.window(left - across, top - down, right + across, bottom + down)
        patch = self.image[rows, columns]
        if max(across, down) < 3 or not patch.size:
            return False
        size = (max(1, across), max(1, down))
        cover = cv2.merge([cv2.blur((self.ids[rows, columns] == ident).astype(np.uint8) * 255, size)] * 3)
        kept = cv2.multiply(patch, cv2.bitwise_not(cover), scale=1 / 255)
        soft = cv2.blur(cv2.blur(patch, size), size)
        patch[:] = cv2.add(kept, cv2.multiply(soft, cover, scale=1 / 255))
        return True

    def close(self, ident: int) -> None:
        """Say that an object is drawn whole: its pixels are counted before anything nearer covers it."""
        if ident in self.extent:
            left, top, right, bottom = self.extent[ident][1:]
            window = self.window(left, top, right, bottom)
            self.extent[ident][0] = float(np.count_nonzero(self.ids[window] == ident))

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """The slices of rows and columns that hold a box, one pixel wider, inside the image."""
        height, width = self.ids.shape
        rows = slice(int(min(max(top - 1, 0), height)), int(min(max(bottom + 2, 0), height)))
        return rows, slice(int(min(max(left - 1, 0), width)), int(min(max(right + 2, 0), width)))

    def _grow(self, ident: int, xy: NDArray[np.floating]) -> None:
        if ident in (OTHER, ROAD, UNNAMED):
            return
        (left, top), (right, bottom) = xy.min(0), xy.max(0)
        old = self.extent.get(ident)
        if old is None:
            self.extent[ident] = [0.0, left, top, right, bottom]
        else:
            self.extent[ident] = [0.0, min(old[1], left), min(old[2], top), max(old[3], right), max(old[4], bottom)]
