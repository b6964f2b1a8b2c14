"""The pictures of frames that were replayed, found again by name; asked for in their order, each is decoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from getok_core.errors import ImageError
from getok_core.view import RGB

from .recordings import RecordedFrame, Recording


class Pictures:
    """Name of a frame -> (H, W, 3) RGB, or None where it cannot be read. Goes through each recording like a tape."""

    def __init__(self, recordings: Sequence[Recording], frames: Sequence[str]) -> None:
        """frames: all names that may be asked for, in the order they were replayed."""
        self._recordings = {recording.name: recording for recording in recordings}
        self._order = {frame: at for at, frame in enumerate(frames)}
        self._tapes: dict[str, Iterator[RecordedFrame]] = {}
        self._reached: dict[str, int] = {}

    def __call__(self, frame: str) -> RGB | None:
        """The picture; None for a name that is none of the frames too."""
        source = next((name for name in self._recordings if frame.startswith(f"{name}#")), None)
        if source is None or frame not in self._order:
            return None
        if self._order[frame] <= self._reached.get(source, len(self._order)):
            self._tapes[source] = self._recordings[source].frames()
        for found in self._tapes[source]:
            self._reached[source] = self._order.get(found.frame, self._reached.get(source, -1))
            if found.frame == frame:
                return _read(found)
        self._reached[source] = len(self._order)
        return None


def _read(frame: RecordedFrame) -> RGB | None:
    try:
        return frame.read()
    except ImageError:
        return None
