"""Plays a recording to the node through a client, asks three questions on the way, and keeps all that comes back."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np

from getok_core.geometry import Box, Shape
from getok_core.scene import Answer, Scene

from .bags import ImageBag, Recorded
from .demo_client import Client
from .demo_report import Asked, Report, Seen
from .progress import bar

SIGN, TRAFFIC, LANES = "What colour is the sign?", "How dense is the traffic?", "Where are the lane lines?"
SCENE_PATIENCE_S = 5.0
"""a frame whose scene has not come by then counts as unanswered"""
LEGIBLE = 0.06
"""height of a sign worth a question, as a share of the image's"""
RECENT = 40
"""frames that the node surely still keeps, for a question about an earlier one"""


def play(bag: ImageBag, client: Client, check: Callable[[], None], what: str, arguments: Namespace) -> Report:
    """Sends every frame of the bag at its own pace; with arguments.pace "keep" never faster than scenes come back.

    check() raises when the node is gone. Returns what was sent, seen and answered.
    """
    report, sent_at, due, before = Report(what, bag.type), {}, time.monotonic(), None
    count = min(bag.count, arguments.frames or bag.count)
    asker = Asker(client, count)
    progress = bar(None, "playing", count)
    for index, recorded in enumerate(islice(bag, count)):
        one = _stamped(recorded, report.stamps)
        due = max(due, time.monotonic() - 0.5) + (max(one.received_ns - before, 0) / 1e9 if before is not None else 0.0)
        before = one.received_ns
        time.sleep(max(0.0, due - time.monotonic()))
        report.stamps.append(one.stamp_ns)
        sent_at[one.stamp_ns] = client.publish(one)
        if arguments.pace == "keep":
            client.wait(lambda stamp=one.stamp_ns: stamp in client.scenes, SCENE_PATIENCE_S)
        check()
        asker.look(index, one.stamp_ns)
        progress.update()
    progress.close()
    client.wait(lambda: report.stamps[-1] in client.scenes, SCENE_PATIENCE_S)
    asker.last_chance(len(report.stamps) - 1, report.stamps[-1])
    client.wait(lambda: len(client.answers) >= len(asker.asked), 20.0)
    client.wait(lambda: False, 1.2)  # one more report of the node's own counts
    return _gathered(report, client, asker, sent_at)


class Asker:
    """Asks about a sign once one is near enough to read, about traffic a third in, and for lanes two thirds in."""

    def __init__(self, client: Client, count: int) -> None:
        self.asked: list[Asked] = []
        self._client, self._count = client, count
        self._best: tuple[float, Shape, int, int] | None = None

    def look(self, index: int, stamp_ns: int) -> None:
        """Called after every frame sent; asks what is due, on the frame of the newest scene."""
        heard = self._client.scenes.get(stamp_ns) or next(reversed(self._client.scenes.values()), None)
        if heard is None:
            return
        self._watch_signs(heard.what, index, heard.stamp_ns)
        if index >= self._count // 3:
            self._ask(TRAFFIC, None, index, heard.stamp_ns)
        if index >= 2 * self._count // 3:
            self._ask(LANES, None, index, heard.stamp_ns)

    def last_chance(self, index: int, stamp_ns: int) -> None:
        """Asks what has not been asked, on the last frame; without a sign seen lately, about the whole picture."""
        if self._best is not None and index - self._best[2] <= RECENT:
            self._ask(SIGN, *self._best[1:])
        for text in (SIGN, TRAFFIC, LANES):
            self._ask(text, None, index, stamp_ns)

    def _watch_signs(self, scene: Scene, index: int, stamp_ns: int) -> None:
        """Asks about a sign large enough to read, once it has stopped growing; later a smaller one will do."""
        sizes = [(float(sign.box[3] - sign.box[1]) / scene.height, sign) for sign in scene.signs if sign.score > 0.4]
        best = max(sizes, key=lambda pair: pair[0], default=None)
        if best is not None and (self._best is None or best[0] > self._best[0] or index - self._best[2] > RECENT):
            self._best = (best[0], Box(best[1].box.reshape(2, 2)), index, stamp_ns)
            return
        legible = LEGIBLE if index < self._count // 2 else LEGIBLE / 2
        if self._best is not None and self._best[0] >= legible and 3 <= index - self._best[2] <= RECENT:
            self._ask(SIGN, *self._best[1:])

    def _ask(self, text: str, region: Shape | None, index: int, stamp_ns: int) -> None:
        if all(asked.text != text for asked in self.asked):
            self.asked.append(Asked(f"demo-{len(self.asked)}", text, region, stamp_ns))
            self._client.ask(self.asked[-1].id, text, region, stamp_ns)


def _stamped(one: Recorded, earlier: list[int]) -> Recorded:
    """The same message; a stamp that repeats or goes back is replaced by the time of recording, or by the next ns."""
    last = earlier[-1] if earlier else 0
    if one.stamp_ns > last:
        return one
    stamp = max(one.received_ns, last + 1)
    sec, nanosec = divmod(stamp, 10**9)
    order = "little" if one.raw[1] & 1 else "big"
    raw = one.raw[:4] + sec.to_bytes(4, order) + nanosec.to_bytes(4, order) + one.raw[12:]
    return replace(one, stamp_ns=stamp, raw=raw)


def _gathered(report: Report, client: Client, asker: Asker, sent_at: dict[int, float]) -> Report:
    known = {stamp: index for index, stamp in enumerate(report.stamps)}
    for stamp, heard in list(client.scenes.items()):
        if stamp in known and isinstance(heard.what, Scene):
            report.scenes[known[stamp]] = Seen(heard.what, heard.at_s - sent_at[stamp])
    for asked in asker.asked:
        heard = client.answers.get(asked.id)
        answer = heard.what if heard is not None and isinstance(heard.what, Answer) else None
        index = known.get(heard.stamp_ns, known[asked.stamp_ns]) if heard else known[asked.stamp_ns]
        report.asked.append(replace(asked, answer=answer if answer and answer.answer else None, index=index))
    arrivals = [heard.at_s for heard in client.scenes.values()]
    report.played_s = max(arrivals) - min(sent_at.values()) if arrivals else 0.0
    images, engine = client.diagnostics.get("images", ("", {})), client.diagnostics.get("engine", ("", {}))
    report.dropped = int(images[1].get("dropped total [frames]", 0))
    report.model, report.device = engine[1].get("model", ""), engine[1].get("device", "")
    report.recorded_s = (report.stamps[-1] - report.stamps[0]) / 1e9 if report.stamps else 0.0
    report.latencies_s = np.array([seen.latency_s for seen in report.scenes.values()])
    return report
