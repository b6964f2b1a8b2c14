"""Where the package keeps its files: the same call works in a checkout, after pip install and in a colcon workspace."""

from __future__ import annotations

import os
from pathlib import Path


def share() -> Path:
    """The folder that holds models, config, launch and msg. Raises FileNotFoundError in a broken installation."""
    here = Path(__file__).resolve()
    if (here.parents[1] / "package.xml").is_file():
        return here.parents[1]
    for prefix in here.parents:
        if (prefix / "share" / "getok_ros" / "package.xml").is_file():
            return prefix / "share" / "getok_ros"
    raise FileNotFoundError(f"no share/getok_ros above {here}: install getok_ros again")


def default_model() -> Path:
    """The folder of the nano model that comes with the package: weights, manifest.json, model card."""
    return share() / "models" / "nano"


def default_segmenter() -> Path:
    """The folder of the nano segmenter that comes with the package; a clone without weights has none."""
    return share() / "models" / "nano_segmenter"


def fastdds_profile() -> tuple[str, str]:
    """The environment variable by which Fast DDS finds its profile, and the profile that lets camera frames through."""
    old = os.environ.get("ROS_DISTRO") in ("humble", "iron")
    return f"{'FASTRTPS' if old else 'FASTDDS'}_DEFAULT_PROFILES_FILE", str(share() / "config" / "fastdds.xml")
