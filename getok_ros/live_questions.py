"""The three questions of a demonstration, each asked while the recording plays, on a frame where it makes sense."""

from __future__ import annotations

from collections.abc import Callable

from getok_core.geometry import Box, Shape
from getok_core.queries import SceneQuery, question
from getok_core.scene import Scene

SIGN, TRAFFIC, LANES = "What colour is the sign?", "How dense is the traffic?", "Where are the lane lines?"
LEGIBLE = 0.06
"""height of a sign worth a question, as a share of the image's"""
RECENT = 40
"""frames that the node surely still keeps, for a question about an earlier one"""


class Asker:
    """Asks about a sign once one is near enough to read, about traffic a third in, and for lanes two thirds in."""

    def __init__(self, ask: Callable[[SceneQuery, int], None], count: int) -> None:
        """ask: the query and the stamp of its frame in ns; count: frames expected."""
        self._ask_now, self._count = ask, count
        self._left = [SIGN, TRAFFIC, LANES]
        self._best: tuple[float, Shape, int, int] | None = None

    def look(self, scene: Scene, index: int, stamp_ns: int) -> None:
        """Called with the newest scene, the number of the frame and the scene's stamp; asks what is due."""
        self._watch_signs(scene, index, stamp_ns)
        if index >= self._count // 3:
            self._ask(TRAFFIC, None, stamp_ns)
        if index >= 2 * self._count // 3:
            self._ask(LANES, None, stamp_ns)

    def last_chance(self, index: int, stamp_ns: int) -> None:
        """Asks what has not been asked, on the last frame; without a sign seen lately, about the whole picture."""
        if self._best is not None and index - self._best[2] <= RECENT:
            self._ask(SIGN, self._best[1], self._best[3])
        for text in (SIGN, TRAFFIC, LANES):
            self._ask(text, None, stamp_ns)

    def _watch_signs(self, scene: Scene, index: int, stamp_ns: int) -> None:
        """Asks about a sign large enough to read, once it has stopped growing; later a smaller one will do."""
        sizes = [(float(sign.box[3] - sign.box[1]) / scene.height, sign) for sign in scene.signs if sign.score > 0.4]
        best = max(sizes, key=lambda pair: pair[0], default=None)
        if best is not None and (self._best is None or best[0] > self._best[0] or index - self._best[2] > RECENT):
            self._best = (best[0], Box(best[1].box.reshape(2, 2)), index, stamp_ns)
            return
        legible = LEGIBLE if index < self._count // 2 else LEGIBLE / 2
        if self._best is not None and self._best[0] >= legible and 3 <= index - self._best[2] <= RECENT:
            self._ask(SIGN, self._best[1], self._best[3])

    def _ask(self, text: str, region: Shape | None, stamp_ns: int) -> None:
        if text in self._left:
            self._left.remove(text)
            self._ask_now(question(text, region), stamp_ns)
