"""What is built and declared fits the tree: messages, entry points, dependencies, the files that travel along."""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path
from xml.etree import ElementTree

import pytest

from getok_ros import msg
from getok_ros.share import default_model, fastdds_profile, share

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = sorted(path.stem for path in (ROOT / "msg").glob("*.msg"))


@pytest.mark.parametrize("name", MESSAGES)
def test_the_built_message_is_the_one_in_the_tree(name: str) -> None:
    """Otherwise run `make setup` again."""
    installed = Path(sys.prefix) / "share" / "getok_ros" / "msg" / f"{name}.msg"
    if not installed.is_file():
        pytest.skip(f"no {installed}: getok_ros was built elsewhere, by colcon")
    assert installed.read_text() == (ROOT / "msg" / f"{name}.msg").read_text()
    assert hasattr(msg, name)


def test_the_checkout_serves_its_own_files() -> None:
    assert share() == ROOT
    assert default_model() == ROOT / "models" / "nano"
    variable, profile = fastdds_profile()
    assert variable.endswith("_DEFAULT_PROFILES_FILE")
    root = ElementTree.parse(profile).getroot()
    sizes = [int(element.text or 0) for element in root.iter() if element.tag.endswith("segment_size")]
    assert sizes == [64 * 2**20]


def test_both_doors_declare_version_licence_and_commands() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    built = distribution("getok_ros")
    assert package.findtext("name") == "getok_ros"
    assert package.findtext("version") == built.version
    assert package.findtext("license") == "Apache-2.0"
    commands = {entry.name: entry.value for entry in built.entry_points if entry.group == "console_scripts"}
    assert commands == {"getok": "getok_ros.cli:main", "getok-node": "getok_ros.perception_node:main"}


def test_optional_engines_are_extras_and_the_runtime_needs_no_torch() -> None:
    built = distribution("getok_ros")
    assert {"training", "torch", "sam2", "gpu", "tensorrt", "test"} <= set(
        built.metadata.get_all("Provides-Extra") or []
    )
    plain = [line for line in built.requires or [] if "extra ==" not in line]
    assert any(line.startswith("onnxruntime") for line in plain)
    assert not any(line.startswith(("torch", "transformers", "peft")) for line in plain)
    assert all("x86_64" in line for line in plain if line.startswith("ros-"))
