"""How the cameras, the engine and the queries are doing, counted as they work, and what is to be said of it. No ROS.

Rates and counts cover the time since the last report, but for those with "total" in their name, which never go back;
percentiles cover the last 200 scenes.
Every method may be called from any thread.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from .tally import Tally

OK, WARN, ERROR, STALE = range(4)
"""as in diagnostic_msgs/DiagnosticStatus"""
RECENT = 200
"""latencies and ages that percentiles are taken of"""


@dataclass(frozen=True)
class Part:
    """One status: what it is about, OK, WARN, ERROR or STALE, one line for a person, and values with their units."""

    name: str
    level: int
    message: str
    values: dict[str, Any] = field(default_factory=dict)


class CameraHealth(Tally):
    """One camera: its frames, and the scenes made of them.

    Counted: images, malformed, too old, foreign stamps, scenes, failed, late, degraded, truncated, tracked.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self._image_timeout_s = self._scene_timeout_s = 0.0
        self.qos, self.unheard = "", ""
        """what does not fit on the topic that is read, and on those that are offered"""
        self.publishers = 0
        """how many there are on the topic that is read"""
        self._prefix = f"{name}/" if name else ""
        self._active_s: float | None = None
        self._image_s = self._scene_s = 0.0
        self._latencies: deque[float] = deque(maxlen=RECENT)
        self._ages: deque[float] = deque(maxlen=RECENT)

    def configure(self, image_timeout_s: float, max_rate_hz: float = 0.0) -> None:
        """After how long a silence is told, 0: never; no scene is missed that max_rate_hz, unless 0, leaves out."""
        self._image_timeout_s = image_timeout_s
        between_s = 2 / max_rate_hz if max_rate_hz else 0.0
        self._scene_timeout_s = max(image_timeout_s, between_s) if image_timeout_s else 0.0

    def active(self, active: bool) -> None:
        """Frames are expected from now on, or no more."""
        self._active_s = monotonic() if active else None

    def image(self) -> None:
        """A frame came."""
        self._image_s = monotonic()
        self.count("images")

    def scene(self, latency_s: float, age_s: float, kinds: Sequence[str] = ()) -> None:
        """A scene went out: time since its frame came in, and since its stamp, in s; the kinds of its faults."""
        self._scene_s = monotonic()
        self._latencies.append(latency_s)
        self._ages.append(age_s)
        self.fault(kinds)
        self.count("scenes")

    def report(self, dropped: int) -> list[Part]:
        """Its frames, and its scenes. dropped: frames that a newer one overtook, since the start."""
        self.count("dropped", dropped - self.total("dropped"))
        new, seconds = self.fresh()
        return [self._images(new, seconds), self._scenes(new, seconds)]

    def _silent_s(self, last_s: float) -> float:
        """Since last_s, or since frames are expected."""
        return monotonic() - max(last_s, self._active_s or 0.0) if self._active_s is not None else 0.0

    def _images(self, new: Counter[str], seconds: float) -> Part:
        silent_s, qos = self._silent_s(self._image_s), self.qos
        stale = 0 < self._image_timeout_s < silent_s
        alone = "" if self.publishers else ": nobody publishes the topic"
        told = [
            (self._active_s is None, OK, "inactive: no camera is read"),
            (qos and (stale or not self._image_s), ERROR, f"QoS mismatch: {qos}"),
            (stale, STALE, f"no frame for {silent_s:.1f} s{alone}"),
            (new["malformed"], WARN, f"malformed image: {self.text('malformed')}"),
            (new["too old"], WARN, f"{new['too old']} frames too old: {self.text('too old')}"),
            (qos, WARN, f"QoS mismatch: {qos}"),
            (new["foreign stamps"], WARN, self.text("foreign stamps")),
            (new["images"], OK, "frames arrive"),
            (True, OK, "no frame since the last report"),
        ]
        values = {
            "rate [Hz]": f"{new['images'] / seconds:.1f}",
            "publishers": self.publishers,
            "time since last frame [s]": f"{monotonic() - self._image_s:.2f}" if self._image_s else "never",
            "dropped [frames]": new["dropped"],
            "dropped total [frames]": self.total("dropped"),
            "too old total [frames]": self.total("too old"),
            "malformed total [frames]": self.total("malformed"),
            "last malformed": self.text("malformed"),
            "QoS mismatch": qos,
        }
        return Part(f"{self._prefix}images", *_first(told), values)

    def _scenes(self, new: Counter[str], seconds: float) -> Part:
        silent_s = self._silent_s(self._scene_s)
        starved = new["images"] and 0 < self._scene_timeout_s < silent_s and not new["too old"] + new["malformed"]
        told = [
            (new["failed"], ERROR, f"perception failed: {self.text('failed')}"),
            (starved, ERROR, f"frames arrive, but no scene went out for {silent_s:.1f} s"),
            (new["late"], WARN, f"{new['late']} scenes were late"),
            (new["degraded"], WARN, f"{new['degraded']} scenes were degraded: {self.text('degraded')}"),
            (new["truncated"], WARN, f"{new['truncated']} scenes were truncated"),
            (self.unheard, WARN, f"QoS mismatch: {self.unheard}"),
            (new["scenes"], OK, "scenes go out"),
            (True, OK, "no scene since the last report"),
        ]
        values = {
            "rate [Hz]": f"{new['scenes'] / seconds:.1f}",
            **_percentiles("latency", self._latencies),
            **_percentiles("age", self._ages),
            "late [scenes]": new["late"],
            "degraded [scenes]": new["degraded"],
            "truncated [scenes]": new["truncated"],
            "tracked [scenes]": new["tracked"],
            "scenes total": self.total("scenes"),
            "failed total": self.total("failed"),
            "faults total": sum(self.faults.values()),
            "faults by kind": self.faults_by_kind,
            "QoS mismatch": self.unheard,
        }
        return Part(f"{self._prefix}scenes", *_first(told), values)


class QueryHealth(Tally):
    """The queries: answered, refused."""

    def __init__(self) -> None:
        super().__init__()
        self.qos = ""
        """what does not fit on the topics of queries and answers"""

    def report(self, waiting: int) -> Part:
        """waiting: queries that wait now."""
        new, _ = self.fresh()
        told = [
            (new["refused"], WARN, f"query refused: {self.text('refused')}"),
            (self.qos, WARN, f"QoS mismatch: {self.qos}"),
            (True, OK, "queries are answered"),
        ]
        values = {
            "waiting": waiting,
            "answered total": self.total("answered"),
            "refused total": self.total("refused"),
            "last refused": self.text("refused"),
            "faults by kind": self.faults_by_kind,
            "QoS mismatch": self.qos,
        }
        return Part("queries", *_first(told), values)


class EngineHealth:
    """The engine: unconfigured, loading, ready, or what went wrong."""

    def __init__(self) -> None:
        self.state, self.model, self.device = "unconfigured", "", ""
        self._step, self._done = "", 0.0

    def loading(self, device: str) -> None:
        """It is being loaded."""
        self.state, self.model, self.device, self._step, self._done = "loading", "", device, "", 0.0

    def progress(self, step: str, done: float) -> None:
        """What the loading does now, and the share done, 0..1."""
        self._step, self._done = step, done

    def ready(self, model: str) -> None:
        """It works. model: name and weights digest."""
        self.state, self.model = "ready", model

    def unloaded(self, why: str = "unconfigured") -> None:
        """It is gone."""
        self.state, self.model = why, ""

    def report(self, busy_s: float, memory: dict[str, str]) -> Part:
        """busy_s: how long it has been at the present frame; memory: of the process and its GPU."""
        level = {"ready": OK, "loading": WARN, "unconfigured": OK}.get(self.state, ERROR)
        loading = {"step": self._step, "progress [%]": f"{100 * self._done:.0f}"} if self.state == "loading" else {}
        values = {
            "model": self.model,
            "device": self.device,
            **loading,
            "at this frame for [s]": f"{busy_s:.1f}",
            **memory,
        }
        return Part("engine", level, self.state, values)


def _first(told: Sequence[tuple[Any, int, str]]) -> tuple[int, str]:
    """Level and message of the first row that is true."""
    return next((level, message) for true, level, message in told if true)


def _percentiles(what: str, values: deque[float]) -> dict[str, str]:
    """Of seconds, in ms."""
    names = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    at = np.percentile(np.array(values), list(names.values())) * 1e3 if values else np.zeros(len(names))
    return {f"{what} {name} [ms]": f"{value:.1f}" for name, value in zip(names, at, strict=True)}
