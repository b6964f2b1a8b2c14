"""Text over a picture: names that find a free place, panels of lines, and bars; all of it shrinks with the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union

import cv2
import numpy as np
from numpy.typing import NDArray

from .palette import INK, SKY, WHITE, YELLOW, Colour, blend
from .stroking import finite

Run = tuple[str, Colour, bool]
"""text, colour, bold"""
Spot = tuple[int, int, int, int]
"""left, top, right, bottom in whole pixels"""
Tag = tuple[NDArray[np.float64], str, Colour, Union[Colour, None], float]
"""box (4,) named, text, colour, chip, size"""

_READABLE = 0.33
"""text is left out where the picture is smaller than this share of 1280 x 720"""
_SCALE = 0.56
"""OpenCV font scale of size 1 at 1280 x 720"""


@dataclass
class Captions:
    """What is written on one picture (H, W, 3). unit is the size in pixels of what is one pixel at 1280 x 720."""

    image: NDArray[np.uint8]
    unit: float
    tags: list[Tag] = field(default_factory=list[Tag])
    taken: list[Spot] = field(default_factory=list[Spot])
    """where text already stands"""

    @property
    def text_unit(self) -> float:
        """Text shrinks more slowly than lines do, to stay legible."""
        return max(self.unit, 0.65 * self.unit + 0.35)

    def tag(
        self, xyxy: NDArray[np.float64], text: str, colour: Colour, chip: Colour | None = None, least: float = 1.0
    ) -> None:
        """Remember a name for the box (4,); flush draws it. chip: a dab of another colour; least: its size."""
        self.tags.append((xyxy, text, colour, chip, least))

    def flush(self) -> None:
        """Draw the tags, each above, below or inside its box, where none yet lies; one without room is left out."""
        for xyxy, text, colour, chip, size in self.tags if self.unit >= _READABLE else []:
            wide, high = self._measure(text, size)
            wide += self._text_px(16 if chip else 12) + (high if chip else 0)
            high += self._text_px(9)
            for left, top in _places(xyxy, wide, high, self._px(4)):
                spot = self._inside(left, top, wide, high)
                if not any(_overlap(spot, other) for other in self.taken):
                    self.taken.append(spot)
                    self._draw_tag(spot, text, colour, chip, size)
                    break
        self.tags.clear()

    def panel(self, rows: Sequence[Sequence[Run]], at_bottom: bool) -> None:
        """Rows of text runs on a dark translucent plate, top or bottom left; a row too long for the image is cut."""
        rows = [row for row in rows if row]
        if not rows or self.unit < _READABLE:
            return
        gap, pad, margin, lead = (self._text_px(size) for size in (12, 14, 16, 13))
        height, width = self.image.shape[:2]
        room = width - 2 * (pad + margin)
        fitted = [self._fit(row, room, gap) for row in rows]
        line = self._measure("Ag", 1.0)[1] + lead
        wide, high = max(self._row_width(row, gap) for row in fitted) + 2 * pad, line * len(fitted) + 2 * pad - lead
        left, top = margin, (height - margin - high if at_bottom else margin)
        self._plate(left, top, left + wide, top + high, INK, 0.72, self._px(10))
        self.taken.append((left, top, left + wide, top + high))
        baseline = top + pad + line - lead
        for row in fitted:
            self._write_row(row, left + pad, baseline, gap)
            baseline += line

    def bars(self, values: Sequence[float], unit: str) -> None:
        """A bar a value on a dark plate, top right, the last one bright, with the last and the largest as text."""
        if self.unit < _READABLE:
            return
        pad, margin, bar, tall = (self._text_px(size) for size in (14, 16, 4, 54))
        peak = max(*values, 1e-9)
        caption: list[Run] = [(f"{values[-1]:.0f} {unit}", WHITE, True), (f"peak {peak:.0f}", SKY, False)]
        gap, line = self._text_px(12), self._measure("Ag", 1.0)[1]
        wide = max(bar * len(values), self._row_width(caption, gap))
        right, top = self.image.shape[1] - margin, margin
        left, foot = right - wide - 2 * pad, top + line + tall + 2 * pad
        self._plate(left, top, right, foot, INK, 0.72, self._px(10))
        self.taken.append((left, top, right, foot))
        self._write_row(caption, left + pad, top + pad + line, gap)
        for back, value in enumerate(reversed(values)):
            end, high = right - pad - back * bar, max(1, round((tall - gap) * value / peak))
            colour = SKY if back else YELLOW
            cv2.rectangle(self.image, (end - max(bar - 2, 0), foot - pad - high), (end, foot - pad), colour, -1)

    def _inside(self, left: int, top: int, wide: int, high: int) -> Spot:
        height, width = self.image.shape[:2]
        left, top = (max(min(at, most), 0) for at, most in ((left, width - wide), (top, height - high)))
        return left, top, left + wide, top + high

    def _px(self, size: float) -> int:
        return max(1, round(size * self.unit))

    def _text_px(self, size: float) -> int:
        return max(1, round(size * self.text_unit))

    def _plate(self, left: int, top: int, right: int, bottom: int, colour: Colour, alpha: float, radius: int) -> None:
        """A translucent rectangle with round corners, clipped to the image."""
        height, width = self.image.shape[:2]
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if right <= left or bottom <= top:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        high, wide = mask.shape
        radius = max(0, min(radius, (min(high, wide) - 1) // 2))
        cv2.rectangle(mask, (radius, 0), (wide - 1 - radius, high - 1), 255, -1)
        cv2.rectangle(mask, (0, radius), (wide - 1, high - 1 - radius), 255, -1)
        for x in (radius, wide - 1 - radius):
            for y in (radius, high - 1 - radius):
                cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
        weight = mask[:, :, None].astype(np.float32) * (alpha / 255)
        part = self.image[top:bottom, left:right]
        blend(part, weight, colour)

    def _draw_tag(self, spot: Spot, text: str, colour: Colour, chip: Colour | None, size: float) -> None:
        left, top, right, bottom = spot
        self._plate(left, top, right, bottom, colour, 0.94, self._px(4))
        x, middle = left + self._text_px(6), (top + bottom) // 2
        high = self._measure(text, size)[1]
        if chip:
            cv2.circle(self.image, (x + high // 2, middle), max(high // 2, 1), WHITE, -1, cv2.LINE_AA)
            cv2.circle(self.image, (x + high // 2, middle), max(high // 2 - self._px(1), 1), chip, -1, cv2.LINE_AA)
            x += high + self._text_px(4)
        bright = float(np.dot(colour, (0.299, 0.587, 0.114))) > 120
        self._text(text, x, middle + high // 2, INK if bright else WHITE, size, False)

    def _text(self, text: str, x: int, baseline: int, colour: Colour, size: float, bold: bool) -> None:
        font = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
        scale = _SCALE * size * self.text_unit
        cv2.putText(self.image, text, (x, baseline), font, scale, colour, self._px(1), cv2.LINE_AA)

    def _measure(self, text: str, size: float, bold: bool = False) -> tuple[int, int]:
        """Width of the text and height of a capital letter, in pixels."""
        font = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
        scale = _SCALE * size * self.text_unit
        return cv2.getTextSize(text, font, scale, self._px(1))[0][0], max(round(21 * scale), 1)

    def _write_row(self, row: Sequence[Run], x: int, baseline: int, gap: int) -> None:
        for text, colour, bold in row:
            self._text(text, x, baseline, colour, 1.0, bold)
            x += self._measure(text, 1.0, bold)[0] + gap

    def _row_width(self, row: Sequence[Run], gap: int) -> int:
        return sum(self._measure(text, 1.0, bold)[0] + gap for text, _, bold in row) - gap

    def _fit(self, row: Sequence[Run], room: int, gap: int) -> list[Run]:
        """The row cut to room pixels: the longest run loses its end first."""
        runs = list(row)
        while self._row_width(runs, gap) > room:
            longest = max(range(len(runs)), key=lambda i: len(runs[i][0]))
            text, colour, bold = runs[longest]
            if len(text) < 6:
                break
            runs[longest] = (text[: len(text) - 5 if text.endswith("...") else len(text) - 4] + "...", colour, bold)
        return runs


def _places(xyxy: NDArray[np.float64], wide: int, high: int, gap: int) -> list[tuple[int, int]]:
    """Where a tag may stand, best first: above, below, above to the right, inside."""
    left, top, right, bottom = (round(float(v)) for v in finite(xyxy))
    above, below = top - high - gap, bottom + gap
    return [(left, above), (left, below), (right - wide, above), (left, top + gap), (right + gap, top)]


def _overlap(a: Spot, b: Spot) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
