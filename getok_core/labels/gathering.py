"""Labels of one file while it is read: objects are added frame by frame, faults noted where they stand."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from getok_core.assembly import near_to_far
from getok_core.geometry import Box, Polygon, Polyline, Shape, clockwise
from getok_core.lattice import Size
from getok_core.queries import SceneQuery
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign

from .categories import Meaning, meaning
from .truth import Labels, Truth


class Gathered:
    """The labels of one frame so far; size (width, height) in pixels, (0, 0) where the labels do not name it."""

    def __init__(self, size: Size, slices: Mapping[str, str]) -> None:
        self.size, self.slices = size, dict(slices)
        self.spoiled: set[str] = set()
        """tasks one of whose objects was malformed: they cannot be scored on this frame"""
        self.questions: list[tuple[SceneQuery, str]] = []
        self.rows: tuple[float, ...] = ()
        self._lanes: list[Lane] = []
        self._areas: list[DrivableArea] = []
        self._boxes: list[Obstacle | Sign | Light] = []

    def add(self, found: Meaning, shape: Shape) -> None:
        """One object in pixels of `size`; an outline given for a box stands for its extent. Raises ValueError."""
        if found.task == "lanes":
            if not isinstance(shape, Polyline):
                raise ValueError(f"a lane is a line, not a {shape.kind}")
            self._lanes.append(Lane(found.label, 1.0, near_to_far(shape.xy)))
        elif found.task == "drivable area":
            if not isinstance(shape, Polygon):
                raise ValueError(f"a drivable area is a polygon, not a {shape.kind}")
            self._areas.append(DrivableArea("drivable", 1.0, clockwise(shape.xy)))
        elif found.task:
            box = self._box(shape)
            if found.task == "signs":
                self._boxes.append(Sign(found.label, found.colour, found.visible_state, 1.0, box))
            elif found.task == "lights":
                self._boxes.append(Light(found.label, 1.0, box))
            else:
                self._boxes.append(Obstacle(found.label, 1.0, box))

    def _box(self, shape: Shape) -> NDArray[np.float64]:
        """(4,) cut to the image."""
        if not isinstance(shape, Box | Polygon):
            raise ValueError(f"an object is a box or a polygon, not a {shape.kind}")
        corners = np.stack([shape.xy.min(0), shape.xy.max(0)])
        if all(self.size):
            corners = corners.clip(0, self.size)
            if not (corners[1] > corners[0]).all():
                raise ValueError(f"{shape.xy.tolist()} lies outside the image of {self.size[0]} x {self.size[1]}")
        return corners.reshape(4)

    def truth(self, known: frozenset[str]) -> Truth:
        """All of it, in the order that a Scene promises."""
        boxes = sorted(self._boxes, key=lambda thing: -float(thing.box[3]))
        scene = Scene(
            *self.size,
            tuple(sorted(self._lanes, key=lambda lane: float(lane.points[lane.points[:, 1].argmax(), 0]))),
            tuple(self._areas),
            tuple(thing for thing in boxes if isinstance(thing, Obstacle)),
            tuple(thing for thing in boxes if isinstance(thing, Sign)),
            tuple(thing for thing in boxes if isinstance(thing, Light)),
        )
        return Truth(scene, known - self.spoiled, self.slices, tuple(self.questions), self.rows)


class Gathering:
    """The labels of one file or folder so far."""

    def __init__(self, path: Path, known: Iterable[str] = ()) -> None:
        """known: tasks of which the format labels every object; those of any category met come to them."""
        self.path, self.known = path, set(known)
        self.faults: list[str] = []
        self.frames: dict[str, Gathered] = {}
        self._strange: set[str] = set()

    def frame(self, name: str, size: Size = (0, 0), slices: Mapping[str, str] | None = None) -> Gathered:
        """The frame of this name, made when it is new."""
        if name not in self.frames:
            self.frames[name] = Gathered(size, slices or {})
        return self.frames[name]

    def fault(self, where: int | str, what: str) -> None:
        """Notes what is wrong at a line or record of the file."""
        self.faults.append(f"{self.path}:{where}: {what}")

    def declare(self, name: str) -> None:
        """A category that the file says it labels: its task is labelled throughout."""
        found = meaning(name)
        self.known |= {found.task} - {""} if found else set[str]()

    def means(
        self, where: int | str, name: str, attributes: Mapping[str, Any] | None = None, line: bool = False
    ) -> Meaning:
        """What a category is. A strange one is an obstacle "other", for a line nothing; the first time is a fault."""
        found = meaning(name, attributes)
        if found is None and name not in self._strange:
            self._strange.add(name)
            taken = "its lines are left out" if line else 'taken for an obstacle "other"'
            self.fault(where, f"category {name!r} is unknown here: {taken}")
        found = found or Meaning(*(("",) if line else ("obstacles", "other")))
        self.known |= {found.task} - {""}
        return found

    @contextmanager
    def reading(self, where: int | str, frame: Gathered, task: str = "") -> Generator[None]:
        """Within it a malformed object becomes a fault and is skipped; its task is then not scored on that frame."""
        try:
            yield
        except KeyError as error:
            self.fault(where, f"{error.args[0]!r} is missing: skipped")
        except (ValueError, TypeError, IndexError) as error:
            self.fault(where, f"{' '.join(str(error).split())}: skipped")
        else:
            return
        frame.spoiled.add(task)

    def labels(self) -> Labels:
        """All frames."""
        known = frozenset(self.known)
        return Labels({name: frame.truth(known) for name, frame in self.frames.items()}, self.faults)
