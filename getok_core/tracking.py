"""Track mode of one camera: when a frame is asked in full, what the others start from, and which thing is which.

Every so many frames all is proposed anew; on the others the last scene is the draft and only refinement runs. A
refinement creates nothing, so a thing that comes into view is seen after that many frames at the latest. What is
remembered is what a scene says as JSON, so a recording's scenes are all that is needed to go on where they end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .carrying import USUAL_FIRST_STEP, USUAL_LISTS, Before
from .lattice import Size
from .metrics.assignment import best_pairs
from .metrics.boxes import box_ious
from .metrics.lanes import lane_pairs
from .perceiver import Look, Perceiver
from .scene import THINGS, Lane, Scene, Thing
from .view import RGB

GAP_NS = 10**9
"""after a pause so long, or when a clock goes back, nothing is carried over"""
SAME_BOX, SAME_LANE = 0.3, 0.04
"""IoU, and distance as part of the image's width, at which a thing of two frames is the same"""


class Tracker:
    """Follows what one camera sees."""

    def __init__(self, every: int, lists: tuple[str, ...] = USUAL_LISTS, first_step: int = USUAL_FIRST_STEP):
        """every: all is proposed anew on every so manyth frame. lists and first_step: see carrying.Before."""
        self.every, self.lists, self.first_step = every, lists, first_step
        self._last: Scene | None = None
        self._stamp_ns, self._since, self._newest = 0, 0, 0

    def before(self, size: Size, stamp_ns: int = 0) -> Before | None:
        """What the next frame starts from; None where all is to be asked. stamp_ns: 0 where there is no clock."""
        last = self._last if self._since + 1 < self.every and self._goes_on(size, stamp_ns) else None
        return Before(last, self.lists, self.first_step) if last else None

    def follow(self, scene: Scene, stamp_ns: int = 0) -> Scene:
        """The next frame's scene, its things with the ids that they had before, or with new ones; it is remembered."""
        if not self._goes_on((scene.width, scene.height), stamp_ns):
            self._last = None
        named = self._named(scene)
        self._last, self._stamp_ns = Scene.from_json(named.to_json()), stamp_ns
        self._since = self._since + 1 if named.tracked else 0
        return named

    def resume(self, scenes: Iterable[tuple[Scene, int]]) -> None:
        """Goes on after these scenes and their stamps, which follow() gave."""
        for scene, stamp_ns in scenes:
            self.follow(scene, stamp_ns)

    def _goes_on(self, size: Size, stamp_ns: int) -> bool:
        """Whether a frame may show the same things as the last one."""
        if self._last is None or (self._last.width, self._last.height) != size:
            return False
        return not (stamp_ns and self._stamp_ns) or 0 < stamp_ns - self._stamp_ns <= GAP_NS

    def _named(self, scene: Scene) -> Scene:
        fields: dict[str, Any] = {}
        for name in THINGS:
            things: list[Thing] = list(getattr(scene, name))
            known = {thing.id for thing in things}
            self._newest = max(self._newest, *known, 0)
            left = [thing for thing in (getattr(self._last, name) if self._last else ()) if thing.id not in known]
            new = [at for at, thing in enumerate(things) if not thing.id]
            for was, now in pairs(left, [things[at] for at in new], scene.width):
                things[new[now]] = replace(things[new[now]], id=left[was].id)
            for at, thing in enumerate(things):
                if not thing.id:
                    self._newest += 1
                    things[at] = replace(thing, id=self._newest)
            fields[name] = tuple(things)
        return replace(scene, **fields)


def pairs(before: list[Any], now: list[Any], width: int) -> list[tuple[int, int]]:
    """Places of what is the same thing in two lists of one kind; outlines are the same in their order."""
    if not before or not now:
        return []
    if hasattr(now[0], "box"):
        ious: NDArray[np.float64] = box_ious([one.box for one in before], [one.box for one in now])
        return [(was, at) for was, at in best_pairs(ious) if ious[was, at] >= SAME_BOX]
    if isinstance(now[0], Lane):
        return lane_pairs([one.points for one in before], [one.points for one in now], width, SAME_LANE)
    return [(at, at) for at in range(min(len(before), len(now)))]


def perceive(perceiver: Perceiver, tracker: Tracker, image: RGB, stamp_ns: int = 0) -> Scene:
    """The scene of a camera's next frame (H, W, 3), with ids."""
    look = Look(image, before=tracker.before((image.shape[1], image.shape[0]), stamp_ns))
    return tracker.follow(perceiver.look_at([look])[0].scene, stamp_ns)
