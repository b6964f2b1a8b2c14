"""The exact truth of a drawn frame: lane polylines, drivable outline, and boxes of what is still visible."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import clockwise, resample
from getok_core.scene import DrivableArea, Lane

from .camera import NEAR
from .canvas import ROAD, Canvas
from .layout import Layout
from .markings import Line, dash_spans
from .road import Road

FARTHEST = 85.0
"""metres beyond which a line is not in the truth"""
SHORTEST = 0.06
"""of the image height: shorter lines are not in the truth"""
MOST = 8
POINTS = 48
"""vertices of a lane, equal along the image curve"""
AREAS, VERTICES = 2, 24
FAINTEST = 7.0
"""grey levels between paint and road below which nobody sees a line"""


def clip_inside(xy: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    """The longest stretch (M, 2) of an open line (N, 2) inside the image, cut exactly at its border; M may be 0."""
    start, step = xy[:-1], np.diff(xy, axis=0)
    low, high = np.zeros(len(step)), np.ones(len(step))
    for axis, bound in ((0, width), (1, height)):
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = -start[:, axis] / step[:, axis], (bound - start[:, axis]) / step[:, axis]
        still = step[:, axis] == 0
        inside = (start[:, axis] >= 0) & (start[:, axis] <= bound)
        one, two = np.where(still, np.where(inside, -1, 2), one), np.where(still, np.where(inside, 2, -1), two)
        low, high = np.maximum(low, np.minimum(one, two)), np.minimum(high, np.maximum(one, two))
    good = high > low
    if not good.any():
        return np.empty((0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    spans = edges.reshape(-1, 2)
    first, last = spans[np.argmax([np.hypot(*step[a:b].T).sum() for a, b in spans])]
    head = start[first] + low[first] * step[first]
    tail = start[last - 1] + high[last - 1] * step[last - 1]
    out = np.concatenate([head[None], xy[first + 1 : last], tail[None]])
    return np.clip(out, 0, [width, height])


def lanes(canvas: Canvas, road: Road, layout: Layout) -> tuple[Lane, ...]:
    """The lane lines one can see, ordered by x at their lowest vertex, at most MOST (the longest are kept)."""
    camera = canvas.camera
    grey = cv2.max(cv2.cvtColor(canvas.image, cv2.COLOR_RGB2GRAY), cv2.extractChannel(canvas.image, 0))
    s = np.concatenate([np.arange(-3.0, 8.0, 0.25), np.geomspace(8.0, min(FARTHEST, road.reach), 60)])
    s = s[road.visible(s)]
    found = []
    for line in layout.lines:
        xy = _seen(canvas, grey, road, line, s)
        if xy is None:
            continue
        length = float(np.hypot(*np.diff(xy, axis=0).T).sum())
        if np.ptp(xy[:, 1]) >= SHORTEST * camera.height or length >= 2 * SHORTEST * camera.height:
            found.append((length, Lane(line.label, 1.0, xy)))
    found = sorted(found, key=lambda pair: -pair[0])[:MOST]
    return tuple(sorted((lane for _, lane in found), key=lambda lane: lane.points[np.argmax(lane.points[:, 1]), 0]))


def _seen(
    canvas: Canvas, grey: NDArray[np.uint8], road: Road, line: Line, s: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The visible run of one line (N, 2), near to far: hidden ends are cut, hidden stretches between are bridged."""
    camera = canvas.camera
    height, width = canvas.ids.shape
    ahead = s + road.moved
    within = (ahead >= line.span[0]) & (ahead <= line.span[1])
    s, ahead = s[within], ahead[within]
    reach = max(line.width * 2.2, 0.35) + line.gap
    both, depth = camera.project(road.at(s, line.across(ahead) + np.array([[0.0], [-reach], [reach]])))
    clear = depth[0] > NEAR
    (pixels, *sides), s = both[:, clear], s[clear]
    inside = ((pixels > 0) & (pixels < [width, height])).all(1)
    if inside.sum() < 2:
        return None
    column, row = _cells(pixels, width, height)
    shown = inside & (canvas.ids[row, column] <= ROAD)
    if not shown.any():
        return None
    painted = shown
    if line.dash is not None:
        start, end = dash_spans(line, road.origin, road.reach)
        index = np.clip(np.searchsorted(start, s) - 1, 0, len(start) - 1)
        painted = shown & (s >= start[index]) & (s <= end[index])
        if not painted.any():
            return None
    beside = [_look(grey, side, width, height) for side in sides]
    middle = _look(grey, pixels, width, height)
    contrast = np.abs(beside[0] - beside[1]) if line.width == 0 else np.abs(middle - (beside[0] + beside[1]) / 2)
    strong = painted & (contrast > FAINTEST)
    if strong.sum() < max(2, 0.35 * painted.sum()) and not (line.dash and strong.sum() >= 2):
        return None
    last = int(np.flatnonzero(strong)[-1])
    first = int(np.flatnonzero(shown)[0])
    before = first
    while before > 0 and not inside[before - 1] and before - 1 >= first - 1:
        before -= 1
    xy = clip_inside(pixels[before : last + 1], width, height) if last > before else np.empty((0, 2))
    return resample(xy, POINTS) if len(xy) >= 3 else None


def _look(grey: NDArray[np.uint8], xy: NDArray[np.float64], width: int, height: int) -> NDArray[np.float32]:
    column, row = _cells(xy, width, height)
    return grey[row, column].astype(np.float32)


def _cells(xy: NDArray[np.float64], width: int, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row (N,) of the pixels that points (N, 2) lie on, or of the nearest ones."""
    column, row = xy.astype(np.int64).T
    return np.minimum(np.maximum(column, 0), width - 1), np.minimum(np.maximum(row, 0), height - 1)


def drivable(canvas: Canvas, least: float = 0.012) -> tuple[DrivableArea, ...]:
    """Outer contours of visible road, clockwise from the lowest left vertex; parts below `least` of it left out."""
    height, width = canvas.ids.shape
    mask = (canvas.ids == ROAD).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = []
    for contour in contours:
        size = cv2.contourArea(contour)
        if size < least * width * height:
            continue
        coarse = 0.002 * (width + height)
        while len(outline := cv2.approxPolyDP(contour, coarse, True)[:, 0].astype(np.float64)) > VERTICES:
            coarse *= 1.3
        for axis, bound in ((0, width), (1, height)):
            column = outline[:, axis]
            outline[:, axis] = np.where(column >= bound - 1, bound, np.where(column <= 0, 0, column + 0.5))
        if len(outline) >= 3:
            areas.append((size, clockwise(outline, 0.03 * height)))
    areas.sort(key=lambda pair: -pair[0])
    return tuple(DrivableArea("drivable", 1.0, xy) for _, xy in areas[:AREAS])


def box(canvas: Canvas, ident: int) -> tuple[NDArray[np.float64], float] | None:
    """Box (4,) of what is visible of an object and the share of it that is hidden; None when too little is."""
    if ident not in canvas.extent:
        return None
    whole, left, top, right, bottom = canvas.extent[ident]
    height, width = canvas.ids.shape
    window = canvas.window(left, top, right, bottom)
    mask = canvas.ids[window] == ident
    count = int(np.count_nonzero(mask))
    full = (
        whole
        * max((right - left) * (bottom - top), 1e-6)
        / max((min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0)), 1e-6)
    )
    hidden = 1 - count / max(full, 1.0)
    if count < 4 or hidden > 0.8:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    seen = np.array(
        [
            columns[0] + window[1].start,
            rows[0] + window[0].start,
            columns[-1] + 1 + window[1].start,
            rows[-1] + 1 + window[0].start,
        ],
        float,
    )
    exact = np.clip([left, top, right, bottom], 0, [width, height, width, height])
    out = np.where(np.abs(seen - exact) <= 1.5, exact, seen)
    return (out, hidden) if out[2] > out[0] and out[3] > out[1] else None
