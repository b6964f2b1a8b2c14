"""Tests talk DDS on this machine only, each run in a domain of its own: runs side by side do not hear each other."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(20 + (os.getpid() + 7 * _WORKER) % 80)
for _variable in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):  # the second is Humble's
    os.environ[_variable] = str(Path(__file__).parent / "ros" / "loopback.xml")
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ["ROS_LOCALHOST_ONLY"] = "1"

settings.register_profile("getok", deadline=None)
settings.load_profile("getok")
