"""How many CPU cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def cores() -> int:
    """Those of its affinity; a container's quota counts."""
    own = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(own, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return own
