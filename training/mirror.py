"""A frame as in a mirror: what costs a renderer milliseconds serves twice, with left and right exchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scenes.truth import clockwise
from .targets import Frame


def mirrored(frame: Frame) -> Frame:
    """The frame with x counted from the other side; orders that depend on x (lanes, outlines) are made anew."""
    width = frame.size[0]
    scene = frame.scene
    lanes = [replace(lane, points=_points(lane.points, width)) for lane in scene.lanes]
    lanes.sort(key=lambda lane: lane.points[np.argmax(lane.points[:, 1]), 0])
    areas = tuple(
        replace(area, points=clockwise(_points(area.points, width), 0.03 * scene.height))
        for area in scene.drivable_areas
    )
    boxed = {name: _boxed(getattr(scene, name), width) for name in ("obstacles", "signs", "lights")}
    return replace(
        frame,
        image=np.ascontiguousarray(frame.image[:, ::-1]),
        scene=replace(scene, lanes=tuple(lanes), drivable_areas=areas, **boxed),
        things=_boxed(frame.things, width),
        ids=None if frame.ids is None else np.ascontiguousarray(frame.ids[:, ::-1]),
    )


def _points(xy: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    return np.stack([width - xy[:, 0], xy[:, 1]], axis=1)


def _boxed(things: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    return tuple(
        replace(one, box=np.array([width - one.box[2], one.box[1], width - one.box[0], one.box[3]])) for one in things
    )
