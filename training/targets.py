"""What a frame shows as instances of the language: the vertices an answer writes, and what lies under each cell."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import resample
from getok_core.lattice import Lattice, Size
from getok_core.queries import TASKS
from getok_core.scene import Scene, Sign
from getok_core.syntax import Instance, Part, distinct_vertices, enough, unlike

from .scenes import Thing

LANE_VERTICES = 12


@dataclass(frozen=True, eq=False)
class Frame:
    """An image and what is known about it."""

    image: NDArray[np.uint8]
    scene: Scene
    known: frozenset[str]
    """names of tasks whose truth is complete"""
    attributes: dict[str, str] = field(default_factory=dict)
    obstacle_states: tuple[str, ...] = ()
    things: tuple[Thing, ...] = ()
    """obstacles, signs and lights of the scene as referring expressions know them; empty for photographs"""
    ids: NDArray[np.uint8] | None = None
    """(H, W) which thing each pixel shows"""

    @property
    def size(self) -> Size:
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, eq=False)
class Target:
    """One instance: the true position of its vertices, (N, 2) in cells, and for a mask the seeds inside it."""

    label: str
    kind: str
    uv: NDArray[np.float64]
    n: int
    """cells a side of the lattice that uv counts in"""
    seeds: NDArray[np.int64] | None = None
    """(K, 2) cells; uv is then the box that stands before them"""

    def instance(self) -> Instance | None:
        """Its grid tokens, or None when the lattice is too coarse to write it."""
        return written_instance(self.label, self.kind, self.uv, self.n, self.seeds)

    def written(self) -> NDArray[np.float64]:
        """True positions (M, 2) of the vertices that are written."""
        if self.seeds is not None:
            return np.concatenate([self.uv, self.seeds + 0.5])
        return self.uv if self.kind == "box" else self.uv[distinct_vertices(cells(self.uv, self.n))]


def cells(uv: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Positions in cells -> the cells they lie in, clamped to the lattice."""
    return np.clip(np.floor(uv), 0, n - 1).astype(np.int64)


def written_instance(
    label: str, kind: str, uv: NDArray[np.float64], n: int, seeds: NDArray[np.int64] | None = None
) -> Instance | None:
    """Positions (N, 2) in cells of n x n -> the instance written, None where too few distinct vertices are left."""
    ij = cells(uv, n)
    if seeds is not None:
        return Instance(label, (Part("box", ij), Part("seg", seeds))) if len(seeds) else None
    if kind != "box":
        ij = ij[distinct_vertices(ij)]
    return Instance(label, (Part(kind, ij),)) if enough(kind, ij) else None


def scene_targets(frame: Frame, lattice: Lattice) -> dict[str, list[Target]]:
    """Truth of the five standing queries, in the order that answers have."""
    scene, limit = frame.scene, {name: TASKS[name].form.instances for name in TASKS}

    def target(label: str, kind: str, xy: NDArray[np.float64]) -> Target:
        return Target(label, kind, lattice.to_cells(xy, frame.size), lattice.n)

    found = {
        "lanes": [target(x.label, "pl", resample(x.points, LANE_VERTICES)) for x in scene.lanes],
        "drivable area": [target("drivable", "poly", outline(x.points)) for x in scene.drivable_areas],
        "obstacles": [target(x.label, "box", x.box.reshape(2, 2)) for x in scene.obstacles],
        "signs": [target(_sign_label(x), "box", x.box.reshape(2, 2)) for x in scene.signs],
        "lights": [target(x.state, "box", x.box.reshape(2, 2)) for x in scene.lights],
    }
    return {name: sayable(list_)[: limit[name]] for name, list_ in found.items()}


def sayable(targets: list[Target]) -> list[Target]:
    """Those the lattice can write, each beginning unlike those before it."""
    written = [(target, target.instance()) for target in targets]
    some = [(target, instance) for target, instance in written if instance is not None]
    fresh = unlike([instance for _, instance in some])
    return [target for (target, _), new in zip(some, fresh, strict=True) if new]


def _sign_label(sign: Sign) -> str:
    """A hue that cannot be measured is called other; a photograph that says nothing of visibility counts as clear."""
    return f"{sign.label} {sign.colour or 'other'} {sign.visible_state or 'clear'}"


def outline(xy: NDArray[np.float64], most: int = 20) -> NDArray[np.float64]:
    """A contour with at most so many vertices, simplified as little as that allows."""
    epsilon = 0.002 * float(np.ptp(xy, axis=0).sum())
    out = xy
    while len(out) > most:
        out = cv2.approxPolyDP(xy.astype(np.float32)[:, None], epsilon, True)[:, 0].astype(np.float64)
        epsilon *= 1.3
    return out if len(out) >= 3 else xy[:3]


def dense_truth(frame: Frame, lattice: Lattice) -> NDArray[np.float32]:
    """What lies under each cell: (5, n, n) shares in 0..1 of lane, drivable, obstacle, sign, light."""
    scene, n, scale = frame.scene, lattice.n, 4
    planes = np.zeros((5, n * scale, n * scale), np.uint8)

    def at(xy: NDArray[np.float64]) -> NDArray[np.int32]:
        return np.round(lattice.to_cells(xy, frame.size) * scale - 0.5).astype(np.int32)

    for lane in scene.lanes:
        cv2.polylines(planes[0], [at(lane.points)], False, 1, 1)
    for area in scene.drivable_areas:
        cv2.fillPoly(planes[1], [at(area.points)], 1)
    for plane, boxes in ((2, scene.obstacles), (3, scene.signs), (4, scene.lights)):
        for thing in boxes:
            (x1, y1), (x2, y2) = at(thing.box.reshape(2, 2))
            planes[plane, max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1] = 1
    cells = planes.reshape(5, n, scale, n, scale).astype(np.float32)
    share = cells.mean(axis=(2, 4))
    share[0] = np.minimum(1.0, share[0] * scale)
    share[2:] = cells[2:].max(axis=(2, 4))
    return share
