"""How many may come: so many a second in the long run, and so many at once. A token bucket. No ROS."""

from __future__ import annotations


class RateLimit:
    """Admits at most burst + rate_hz * t in any t seconds; a rate of 0 admits everything."""

    def __init__(self) -> None:
        self._used = 0.0
        self._last_s = 0.0

    def admit(self, now_s: float, rate_hz: float, burst: int) -> bool:
        """Whether one more may come at now_s, a monotonic time in s; if so it counts."""
        self._used = max(0.0, self._used - max(now_s - self._last_s, 0.0) * rate_hz)
        self._last_s = now_s
        admitted = not rate_hz or self._used + 1 <= burst
        self._used += admitted and bool(rate_hz)
        return admitted
