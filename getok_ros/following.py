"""A tracker for every camera, as the parameters say; without track_every none. Needs no ROS."""

from __future__ import annotations

from dataclasses import replace

from getok_core.lattice import Size
from getok_core.perceiver import Look, Seen
from getok_core.tracking import Tracker

from .settings import Settings

_Way = tuple[int, tuple[str, ...], int]


class Following:
    """Remembers the last scene of each camera from frame to frame."""

    def __init__(self) -> None:
        self._trackers: dict[str, tuple[_Way, Tracker]] = {}

    def drafted(self, look: Look, camera: str, stamp_ns: int, settings: Settings) -> Look:
        """The look at a camera's next frame with what it starts from, where a scene is wanted and one is remembered."""
        tracker = self._tracker(camera, settings)
        if tracker is None or not look.standing:
            return look
        size: Size = (look.image.shape[1], look.image.shape[0])
        return replace(look, before=tracker.before(size, stamp_ns))

    def followed(self, seen: Seen, camera: str, stamp_ns: int, settings: Settings) -> Seen:
        """What was seen on it, with ids; it is remembered."""
        tracker = self._tracker(camera, settings)
        return replace(seen, scene=tracker.follow(seen.scene, stamp_ns)) if tracker else seen

    def _tracker(self, camera: str, settings: Settings) -> Tracker | None:
        """That of a camera; other parameters begin anew."""
        way = settings.track_every, tuple(filter(None, settings.track_lists)), settings.track_first_step
        if settings.track_every < 2:
            self._trackers.clear()
            return None
        if camera not in self._trackers or self._trackers[camera][0] != way:
            self._trackers[camera] = way, Tracker(*way)
        return self._trackers[camera][1]
