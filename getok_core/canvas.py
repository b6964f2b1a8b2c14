"""Ink on an RGB picture, in the product's style: float pixels in, sizes follow the image, no geometry raises.

Knows strokes, boxes, tags and panels; knows no scene. Coordinates follow the product's convention ((0, 0) is the
corner of the image); OpenCV's lie half a pixel further, which is subtracted here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Run = tuple[str, Colour, bool]
"""text, colour, bold"""
Spot = tuple[int, int, int, int]
"""left, top, right, bottom in whole pixels"""
Tag = tuple[NDArray[np.float64], str, Colour, Union[Colour, None], float]
"""box (4,) named, text, colour, chip, size"""

ORANGE: Colour = (230, 159, 0)
SKY: Colour = (86, 180, 233)
GREEN: Colour = (0, 158, 115)
YELLOW: Colour = (240, 228, 66)
BLUE: Colour = (0, 114, 178)
VERMILLION: Colour = (213, 94, 0)
PURPLE: Colour = (204, 121, 167)
WHITE: Colour = (250, 250, 250)
INK: Colour = (16, 20, 24)

_BITS = 4
"""OpenCV draws at 1/16 of a pixel"""
_DIM = 0.88
"""the frame steps back a little, so that thin lines stand out on bright roads"""
_READABLE = 0.33
"""text is left out where the picture is smaller than this share of 1280 x 720"""
_SCALE = 0.56
"""OpenCV font scale of size 1 at 1280 x 720"""
_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float64)
"""from each corner of a box, clockwise from the top left, towards its middle"""
_ELBOW = np.array([[1, 0], [0, 0], [0, 1]], np.float64)


@dataclass
class Canvas:
    """A picture being drawn. unit is the size in pixels of what is one pixel at 1280 x 720."""

    image: NDArray[np.uint8]
    unit: float
    tags: list[Tag] = field(default_factory=list[Tag])
    taken: list[Spot] = field(default_factory=list[Spot])
    """where text already stands"""

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> Canvas:
        """A dimmed copy of an (H, W, 3) uint8 RGB image. Raises ValueError on any other array."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"an image to draw on is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        dimmed = cv2.convertScaleAbs(np.ascontiguousarray(image), alpha=_DIM)
        return cls(np.asarray(dimmed, np.uint8), min(image.shape[1] / 1280, image.shape[0] / 720))

    @property
    def text_unit(self) -> float:
        """Text shrinks more slowly than lines do, to stay legible."""
        return max(self.unit, 0.65 * self.unit + 0.35)

    @property
    def width(self) -> int:
        return self.image.shape[1]

    @property
    def height(self) -> int:
        return self.image.shape[0]

    def area(self, xy: NDArray[np.float64], colour: Colour) -> None:
        """A translucent polygon (N, 2), denser near the viewer, with its outline."""
        if len(xy) < 3:
            return
        mask = np.zeros(self.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._fixed(xy)], 255, cv2.LINE_AA, _BITS)
        top = _between(xy[:, 1].min(), self.height - 1)
        fade = np.linspace(0.12, 0.46, self.height - top, dtype=np.float32)[:, None, None]
        part = self.image[top:]
        weight = mask[top:, :, None].astype(np.float32) * (fade / 255)
        part[...] = (part + weight * (np.array(colour, np.float32) - part)).astype(np.uint8)
        cv2.polylines(self.image, [self._fixed(xy)], True, colour, self._px(2), cv2.LINE_AA, _BITS)

    def mask(self, pixels: NDArray[np.bool_], colour: Colour) -> None:
        """A translucent mask (H, W) with its outline; of another size than the picture, it is stretched to fit."""
        inside = np.asarray(pixels, np.uint8)
        if inside.shape != self.image.shape[:2]:
            inside = cv2.resize(inside, (self.width, self.height), interpolation=cv2.INTER_NEAREST)
        self.image[inside > 0] = (self.image[inside > 0] * 0.5 + np.array(colour, np.float32) * 0.5).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(self.image, contours, -1, INK, self._px(3), cv2.LINE_AA)
        cv2.drawContours(self.image, contours, -1, colour, self._px(1.6), cv2.LINE_AA)

    def stroke(self, xy: NDArray[np.float64], colour: Colour, style: str = "solid") -> None:
        """A line (N, 2), wider near the bottom, with vertices that stand apart; style solid, dashed, double or dots."""
        if len(xy) == 0:
            return
        xy = _finite(xy)
        spread = 2.6 if style == "double" else 1.0
        self._segments(xy, INK, 3 * self.unit, spread)
        if style == "double":
            for side in (-1, 1):
                self._segments(_beside(xy, side * self._widths(xy)), colour, 0.0, 0.8)
        elif style in ("dashed", "dots"):
            dash = (26.0, 16.0) if style == "dashed" else (5.0, 14.0)
            for part in _cut(xy, *(self.unit * length for length in dash)):
                self._segments(part, colour, 0.0)
        else:
            self._segments(xy, colour, 0.0)
        self.dots(_apart(xy, 14 * self.unit), WHITE, 3.0)

    def dashes(self, xy: NDArray[np.float64], colour: Colour) -> None:
        """A thin dashed line (N, 2)."""
        for ink, extra in ((INK, 2), (colour, 0)):
            for part in _cut(xy, 9 * self.unit, 7 * self.unit):
                cv2.polylines(self.image, [self._fixed(part)], False, ink, self._px(2 + extra), cv2.LINE_AA, _BITS)

    def dots(self, xy: NDArray[np.float64], colour: Colour, radius: float) -> None:
        """Vertices (N, 2), each a ringed dot."""
        for ink, extra in ((INK, 1.4), (colour, 0.0)):
            size = round(max((radius + extra) * self.unit, 0.5) * (1 << _BITS))
            for x, y in self._fixed(xy):
                cv2.circle(self.image, (int(x), int(y)), size, ink, -1, cv2.LINE_AA, _BITS)

    def crosses(self, xy: NDArray[np.float64], colour: Colour, radius: float) -> None:
        """Places (N, 2), each crossed out."""
        arm = np.array([radius, radius]) * self.unit
        for ink, extra in ((INK, 2), (colour, 0)):
            for at in xy:
                for side in (np.array([1, 1]), np.array([1, -1])):
                    ends = self._fixed(np.stack([at - side * arm, at + side * arm]))
                    cv2.polylines(self.image, [ends], False, ink, self._px(2 + extra), cv2.LINE_AA, _BITS)

    def arrow(self, start: NDArray[np.float64], end: NDArray[np.float64], colour: Colour) -> None:
        """A thin arrow between two places (2,); its head is at most half as long as it is."""
        length = float(np.hypot(*(end - start)))
        (x0, y0), (x1, y1) = self._fixed(np.stack([start, end])).tolist()
        head = min(0.5, 7 * self.unit / max(length, 1e-6))
        for ink, extra in ((WHITE, 1.5), (colour, 0)):
            thick = self._px(2 + extra)
            cv2.arrowedLine(self.image, (x0, y0), (x1, y1), ink, thick, cv2.LINE_AA, _BITS, head)

    def box(self, xyxy: NDArray[np.float64], colour: Colour) -> None:
        """A box (4,) with a light wash and strong corners."""
        left, top, right, bottom = _finite(xyxy).clip(0, np.array([self.width, self.height] * 2))
        if not (right > left and bottom > top):
            return
        self._wash(round(left), round(top), round(right), round(bottom), colour, 0.10)
        ring = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        side = min(right - left, bottom - top)
        arm, weight = side * 0.28, min(max(side / (48 * self.unit), 0.45), 1.0)
        corners = [self._fixed(corner + arm * inward * _ELBOW) for corner, inward in zip(ring, _INWARD, strict=True)]
        for ink, extra in ((INK, 1.6), (colour, 0)):
            thin, thick = self._px(1.4 * weight + extra), self._px(3.6 * weight + extra)
            cv2.polylines(self.image, [self._fixed(ring)], True, ink, thin, cv2.LINE_AA, _BITS)
            cv2.polylines(self.image, corners, False, ink, thick, cv2.LINE_AA, _BITS)

    def tag(
        self, xyxy: NDArray[np.float64], text: str, colour: Colour, chip: Colour | None = None, least: float = 1.0
    ) -> None:
        """Remember a name for the box (4,); flush_tags draws it. chip: a dab of another colour; least: its size."""
        self.tags.append((xyxy, text, colour, chip, least))

    def flush_tags(self) -> None:
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
        room = self.width - 2 * (pad + margin)
        fitted = [self._fit(row, room, gap) for row in rows]
        line = self._measure("Ag", 1.0)[1] + lead
        wide = max(sum(self._measure(text, 1.0, bold)[0] + gap for text, _, bold in row) - gap for row in fitted)
        wide, high = wide + 2 * pad, line * len(fitted) + 2 * pad - lead
        left, top = margin, (self.height - margin - high if at_bottom else margin)
        self._plate(left, top, left + wide, top + high, INK, 0.72, self._px(10))
        self.taken.append((left, top, left + wide, top + high))
        baseline = top + pad + line - lead
        for row in fitted:
            x = left + pad
            for text, colour, bold in row:
                self._text(text, x, baseline, colour, 1.0, bold)
                x += self._measure(text, 1.0, bold)[0] + gap
            baseline += line

    def bars(self, values: Sequence[float], unit: str) -> None:
        """A bar a value on a dark plate, top right, the last one bright, with the last and the largest as text."""
        if self.unit < _READABLE:
            return
        pad, margin, bar, tall = (self._text_px(size) for size in (14, 16, 4, 54))
        peak = max(*values, 1e-9)
        caption: list[Run] = [(f"{values[-1]:.0f} {unit}", WHITE, True), (f"peak {peak:.0f}", SKY, False)]
        gap, line = self._text_px(12), self._measure("Ag", 1.0)[1]
        wide = max(bar * len(values), sum(self._measure(text, 1.0, bold)[0] for text, _, bold in caption) + gap)
        right, top = self.width - margin, margin
        left, foot = right - wide - 2 * pad, top + line + tall + 2 * pad
        self._plate(left, top, right, foot, INK, 0.72, self._px(10))
        self.taken.append((left, top, right, foot))
        x = left + pad
        for text, colour, bold in caption:
            self._text(text, x, top + pad + line, colour, 1.0, bold)
            x += self._measure(text, 1.0, bold)[0] + gap
        for back, value in enumerate(reversed(values)):
            end, high = right - pad - back * bar, max(1, round((tall - gap) * value / peak))
            colour = SKY if back else YELLOW
            cv2.rectangle(self.image, (end - max(bar - 2, 0), foot - pad - high), (end, foot - pad), colour, -1)

    def _fixed(self, xy: NDArray[np.float64]) -> NDArray[np.int32]:
        """Corner-based float pixels (N, 2) -> OpenCV's centre-based fixed point; far away and NaN are brought near."""
        return np.rint((_finite(xy) - 0.5) * (1 << _BITS)).astype(np.int32)

    def _px(self, size: float) -> int:
        return max(1, round(size * self.unit))

    def _inside(self, left: int, top: int, wide: int, high: int) -> Spot:
        left = _between(left, max(self.width - wide, 0))
        top = _between(top, max(self.height - high, 0))
        return left, top, left + wide, top + high

    def _text_px(self, size: float) -> int:
        return max(1, round(size * self.text_unit))

    def _widths(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) stroke width at each vertex: 3 at mid height and above, 7 at the bottom, times the unit."""
        return self.unit * (3 + 4 * (_finite(xy)[:, 1] / self.height * 2 - 1).clip(0, 1))

    def _segments(self, xy: NDArray[np.float64], colour: Colour, extra: float, spread: float = 1.0) -> None:
        width = np.maximum(np.round(self._widths(xy) * spread + extra), 1).astype(int)
        fixed = self._fixed(xy)
        for a, b, thick in zip(fixed[:-1], fixed[1:], width[:-1], strict=True):
            cv2.line(self.image, a.tolist(), b.tolist(), colour, int(thick), cv2.LINE_AA, _BITS)

    def _wash(self, left: int, top: int, right: int, bottom: int, colour: Colour, alpha: float) -> None:
        part = self.image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if part.size:
            part[...] = (part * (1 - alpha) + np.array(colour, np.float32) * alpha).astype(np.uint8)

    def _plate(self, left: int, top: int, right: int, bottom: int, colour: Colour, alpha: float, radius: int) -> None:
        """A translucent rectangle with round corners, clipped to the image."""
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height)
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
        part[...] = (part + weight * (np.array(colour, np.float32) - part)).astype(np.uint8)

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

    def _fit(self, row: Sequence[Run], room: int, gap: int) -> list[Run]:
        """The row cut to room pixels: the longest run loses its end first."""
        runs = list(row)
        while sum(self._measure(text, 1.0, bold)[0] + gap for text, _, bold in runs) - gap > room:
            longest = max(range(len(runs)), key=lambda i: len(runs[i][0]))
            text, colour, bold = runs[longest]
            if len(text) < 6:
                break
            runs[longest] = (text[: len(text) - 5 if text.endswith("...") else len(text) - 4] + "...", colour, bold)
        return runs


def _beside(xy: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line (N, 2) moved sideways by distance (N,) pixels."""
    if len(xy) < 2:
        return xy
    ends = np.concatenate([xy[:1], xy, xy[-1:]])
    along = ends[2:] - ends[:-2]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    return xy + np.stack([-along[:, 1], along[:, 0]], axis=1) * (distance / length)[:, None]


def _apart(xy: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """The vertices (N, 2) that stand at least so many pixels along the line from the one kept before."""
    steps = np.sqrt((np.diff(xy, axis=0) ** 2).sum(axis=1))
    kept, since = [0], 0.0
    for at, step in enumerate(steps.tolist(), 1):
        since += step
        if since >= least:
            kept.append(at)
            since = 0.0
    return xy[kept]


def _cut(xy: NDArray[np.float64], on: float, off: float) -> list[NDArray[np.float64]]:
    """The dashes of a line (N, 2): pieces on pixels long, off pixels apart, at most 400."""
    xy = _finite(xy)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(xy, axis=0) ** 2).sum(axis=1)))])
    period = max(on + off, along[-1] / 400, 1e-6)
    pieces: list[NDArray[np.float64]] = []
    for start in np.arange(0.0, along[-1], period):
        end = min(start + period * on / (on + off), along[-1])
        inner = along[(along > start) & (along < end)]
        at = np.concatenate([[start], inner, [end]])
        pieces.append(np.stack([np.interp(at, along, xy[:, 0]), np.interp(at, along, xy[:, 1])], axis=1))
    return pieces


def _places(xyxy: NDArray[np.float64], wide: int, high: int, gap: int) -> list[tuple[int, int]]:
    """Where a tag may stand, best first: above, below, above to the right, inside."""
    left, top, right, bottom = (round(float(v)) for v in _finite(xyxy))
    above, below = top - high - gap, bottom + gap
    return [(left, above), (left, below), (right - wide, above), (left, top + gap), (right + gap, top)]


def _overlap(a: Spot, b: Spot) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _between(value: float, most: int) -> int:
    return int(min(max(float(np.nan_to_num(value)), 0), most))


def _finite(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN and what lies very far away brought where OpenCV can count."""
    return np.nan_to_num(np.asarray(xy, np.float64), nan=-1e4).clip(-1e4, 1e4)
