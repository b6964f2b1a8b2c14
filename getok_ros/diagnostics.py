"""How the node is doing, counted as it works and told once a second as diagnostic_msgs/DiagnosticArray.

Rates, latencies and ages cover the time since the last report; counts with "total" in their name never go back.
"""

from __future__ import annotations

import threading
from collections import Counter
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Health:
    """Counters of one node. Every method may be called from any thread."""

    def __init__(self, name: str, image_timeout_s: float = 0.0) -> None:
        self._name, self._image_timeout_s = name, image_timeout_s
        self._lock = threading.Lock()
        self._started = self._since = monotonic()
        self._last_frame: float | None = None
        self._totals: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._latency_s: list[float] = []
        self._age_s: list[float] = []
        self._texts: dict[str, str] = {}
        self._qos: dict[str, str] = {}
        self._engine = (WARN, "loading", "", "")

    def count(self, what: str, by: int = 1, text: str = "") -> None:
        """One more of `what`: images, scenes, malformed, faults, truncated, late, failed, answered, refused."""
        with self._lock:
            self._totals[what] += by
            if what == "images":
                self._last_frame = monotonic()
            if text:
                self._texts[what] = text

    def scene(self, latency_s: float, age_s: float) -> None:
        """A scene went out: time since its frame came in, and since its stamp, both in s."""
        with self._lock:
            self._totals["scenes"] += 1
            self._latency_s.append(latency_s)
            self._age_s.append(age_s)

    def qos_mismatch(self, topic: str, policy: str) -> None:
        """Somebody on the topic offers or asks a quality of service that does not fit ours."""
        with self._lock:
            self._qos[topic] = policy

    def engine(self, state: str, model: str = "", device: str = "") -> None:
        """state: loading, ready, or what went wrong. model: name and weights digest."""
        with self._lock:
            self._engine = ({"ready": OK, "loading": WARN}.get(state, ERROR), state, model, device)

    def report(self, stamp: Any, dropped: int, waiting: int) -> DiagnosticArray:
        """What /diagnostics says now. stamp: builtin_interfaces/Time; dropped, waiting: of the inbox."""
        with self._lock:
            now = monotonic()
            seconds = max(now - self._since, 1e-6)
            new = self._totals - self._told
            new["dropped"] = dropped - self._told["dropped"]
            statuses = [
                self._engine_status(),
                self._image_status(now, seconds, new, dropped),
                self._scene_status(seconds, new),
                self._query_status(new, waiting),
            ]
            self._told = self._totals.copy()
            self._told["dropped"] = dropped
            self._latency_s, self._age_s, self._since = [], [], now
        message = DiagnosticArray(status=statuses)
        message.header.stamp = stamp
        return message

    def _engine_status(self) -> DiagnosticStatus:
        level, state, model, device = self._engine
        return self._status("engine", level, state, {"model": model, "device": device})

    def _image_status(self, now: float, seconds: float, new: Counter[str], dropped: int) -> DiagnosticStatus:
        silent = now - (self._last_frame or self._started)
        level, text = OK, "frames arrive"
        if self._image_timeout_s and silent > self._image_timeout_s:
            level, text = WARN, f"no frame for {silent:.1f} s"
        if new["malformed"]:
            level, text = WARN, f"malformed image: {self._texts['malformed']}"
        if self._qos:
            level, text = (
                WARN,
                "QoS mismatch: " + "; ".join(f"{topic} ({policy})" for topic, policy in self._qos.items()),
            )
        values = {
            "rate [Hz]": f"{new['images'] / seconds:.1f}",
            "time since last frame [s]": f"{silent:.2f}" if self._last_frame else "never",
            "dropped [frames]": new["dropped"],
            "dropped total [frames]": dropped,
            "malformed total [frames]": self._totals["malformed"],
            "last malformed": self._texts.get("malformed", ""),
            "QoS mismatch": "; ".join(f"{topic}: {policy}" for topic, policy in self._qos.items()),
        }
        return self._status("images", level, text, values)

    def _scene_status(self, seconds: float, new: Counter[str]) -> DiagnosticStatus:
        level, text = OK, "scenes go out" if new["scenes"] else "no scene since the last report"
        if new["late"]:
            level, text = WARN, f"{new['late']} scenes were late"
        if new["failed"]:
            level, text = ERROR, f"perception failed: {self._texts['failed']}"
        values = {
            "rate [Hz]": f"{new['scenes'] / seconds:.1f}",
            "latency mean [ms]": f"{1e3 * sum(self._latency_s) / max(len(self._latency_s), 1):.1f}",
            "latency max [ms]": f"{1e3 * max(self._latency_s, default=0.0):.1f}",
            "age max [ms]": f"{1e3 * max(self._age_s, default=0.0):.1f}",
            "faults": new["faults"],
            "truncated [scenes]": new["truncated"],
            "late [scenes]": new["late"],
            "scenes total": self._totals["scenes"],
            "faults total": self._totals["faults"],
            "failed total": self._totals["failed"],
        }
        return self._status("scenes", level, text, values)

    def _query_status(self, new: Counter[str], waiting: int) -> DiagnosticStatus:
        level, text = (
            (WARN, f"query refused: {self._texts['refused']}") if new["refused"] else (OK, "queries are answered")
        )
        values = {
            "waiting": waiting,
            "answered total": self._totals["answered"],
            "refused total": self._totals["refused"],
            "last refused": self._texts.get("refused", ""),
        }
        return self._status("queries", level, text, values)

    def _status(self, part: str, level: bytes, text: str, values: dict[str, Any]) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=level,
            name=f"{self._name}: {part}",
            message=text,
            hardware_id=self._engine[2],
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
