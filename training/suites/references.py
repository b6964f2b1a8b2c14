"""What a model stands beside: the truth as the lattice can say it, and an answer that never looks at the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.assembly import Found, Heard, assemble, box_of
from getok_core.lattice import Lattice, Size
from getok_core.metrics.answers import most_frequent
from getok_core.metrics.areas import union
from getok_core.queries import SceneQuery
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign, scaled
from training.baselines import ConstantLines
from training.targets import Frame, Target, scene_targets

Asked = Sequence[tuple[SceneQuery, str]]
"""questions about one image with their true answers"""


# -- the codec's ceiling -----------------------------------------------------------------------------------------


def ceiling(frame: Frame, lattice: Lattice, rounds: int) -> Scene:
    """The truth, written in cells and `rounds` offsets exactly as training targets are, and read back."""
    heard = [
        Heard(name, [found for target in targets if (found := _spoken(target, frame.size, lattice, rounds))])
        for name, targets in scene_targets(frame, lattice).items()
    ]
    return assemble(heard, frame.size, {}, "ceiling")


def _spoken(target: Target, size: Size, lattice: Lattice, rounds: int) -> Found | None:
    code = lattice.encode(target.written(), (lattice.n, lattice.n), rounds)
    xy = lattice.decode(code.ij, size, code.offsets)
    if target.kind == "box":
        box = box_of(xy, tuple(np.asarray(lattice.error_px(size, rounds)) * 2))
        if box is None:
            return None
        xy = np.clip(box.reshape(2, 2), 0, size)
    return Found(target.label, 1.0, ((target.kind, xy),))


# -- the constant ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constant:
    """The same scene and the same answers whatever the image shows, learned from training frames."""

    unit: Scene
    """coordinates in parts of width and height"""
    answers: dict[str, str]
    """task -> its most frequent answer"""
    colour: str
    state: str
    obstacle: str
    """most frequent sign colour, light state and obstacle class"""

    @classmethod
    def learned(cls, frames: Iterable[tuple[Frame, Asked]]) -> Constant:
        """Medians of lines and boxes, the mean drivable mask above one half, and the most frequent words."""
        scenes, said = [], {}
        for frame, asked in frames:
            scenes.append(scaled(frame.scene, (1.0 / frame.size[0], 1.0 / frame.size[1])))
            for query, answer in asked:
                said.setdefault(query.name, []).append(answer)
        colour = most_frequent(sign.colour for scene in scenes for sign in scene.signs)
        shape = most_frequent(sign.label for scene in scenes for sign in scene.signs)
        visible = most_frequent(sign.visible_state for scene in scenes for sign in scene.signs)
        state = most_frequent(light.state for scene in scenes for light in scene.lights)
        obstacle = most_frequent(thing.label for scene in scenes for thing in scene.obstacles)
        paint = most_frequent(lane.label for scene in scenes for lane in scene.lanes)
        unit = Scene(
            1,
            1,
            tuple(Lane(paint, 1.0, xy) for xy in _median_lines(scenes)),
            tuple(DrivableArea("drivable", 1.0, xy) for xy in _mean_area(scenes)),
            tuple(Obstacle(obstacle, 1.0, box) for box in _median_boxes([s.obstacles for s in scenes])),
            tuple(Sign(shape, colour, visible, 1.0, box) for box in _median_boxes([s.signs for s in scenes])),
            tuple(Light(state, 1.0, box) for box in _median_boxes([s.lights for s in scenes])),
        )
        answers = {task: most_frequent(given) for task, given in said.items()}
        return cls(unit, answers, colour, state, obstacle)

    def scene(self, size: Size) -> Scene:
        """The scene it always says, in pixels of an image of size (width, height)."""
        return scaled(self.unit, size)


def _usual(counts: Sequence[int]) -> int:
    """The median count, at least 1: a predictor that draws nothing could not be compared."""
    return max(1, round(float(np.median(counts)))) if counts else 0


def _median_lines(scenes: Sequence[Scene]) -> tuple[NDArray[np.float64], ...]:
    """Lane by lane, over the frames that have the usual number of lanes."""
    usual = _usual([len(scene.lanes) for scene in scenes])
    frames = [[lane.points for lane in scene.lanes] for scene in scenes if len(scene.lanes) == usual]
    return ConstantLines.median_of(frames).lines if frames else ()


def _median_boxes(frames: Sequence[Sequence[Any]]) -> list[NDArray[np.float64]]:
    """First, second, .. nearest box, over the frames that have the usual number or more."""
    usual = _usual([len(things) for things in frames])
    boxes = [[thing.box for thing in things[:usual]] for things in frames if len(things) >= usual]
    return list(np.median(boxes, axis=0)) if boxes else []


def _mean_area(scenes: Sequence[Scene], size: Size = (480, 270)) -> list[NDArray[np.float64]]:
    """Outlines, in parts of the image, of what is drivable in at least half of the frames."""
    if not scenes:
        return []
    mean = np.mean([union([area.points * size for area in scene.drivable_areas], size) for scene in scenes], axis=0)
    contours, _ = cv2.findContours((mean >= 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [(contour[:, 0] + 0.5) / size for contour in contours if len(contour) >= 3]
