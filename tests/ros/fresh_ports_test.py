"""A node that starts takes ports of Fast DDS that no process has had; a profile of the user's is left alone."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from getok_ros.fresh_ports import PEERS, fresh_ports
from getok_ros.share import fastdds_profile

VARIABLE, PROFILE = fastdds_profile()
FREE = 17
NODE = """
import os, sys
from pathlib import Path
from getok_ros.fresh_ports import fresh_ports
import rclpy
with fresh_ports(os.environ, Path(sys.argv[1])):
    rclpy.init()
    node = rclpy.create_node("fresh")
folder = Path("/proc/self/fd")
print([os.readlink(one) for one in folder.iterdir() if one.is_symlink() and "_port" in os.readlink(one)])
node.destroy_node()
rclpy.shutdown()
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Shared memory in which every participant of domain 3 but one has left something."""
    for number in set(range(PEERS)) - {FREE}:
        (tmp_path / f"fastdds_port{7400 + 250 * 3 + 11 + 2 * number}_el").touch()
    return tmp_path


def test_the_number_that_nobody_has_had_is_taken(shared: Path) -> None:
    environment = {"ROS_DOMAIN_ID": "3"}
    with fresh_ports(environment, shared):
        profile = Path(environment[VARIABLE])
        numbers = [e.text for e in ElementTree.parse(profile).getroot().iter() if e.tag.endswith("participantID")]
    assert numbers == [str(FREE)]
    assert environment[VARIABLE] == PROFILE and not profile.exists()


def test_where_all_have_been_had_one_is_taken_again(shared: Path) -> None:
    (shared / f"fastdds_port{7400 + 250 * 3 + 11 + 2 * FREE}").touch()
    environment = {"ROS_DOMAIN_ID": "3"}
    with fresh_ports(environment, shared):
        assert "<participantID>" in Path(environment[VARIABLE]).read_text()


def test_a_profile_of_the_user_is_kept(shared: Path) -> None:
    environment = {VARIABLE: "mine.xml", "ROS_DOMAIN_ID": "3"}
    with fresh_ports(environment, shared):
        assert environment[VARIABLE] == "mine.xml"
    assert environment[VARIABLE] == "mine.xml"


def test_without_room_for_a_file_the_common_profile_does(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(shared / "none"))
    environment: dict[str, str] = {}
    with fresh_ports(environment, shared):
        assert environment[VARIABLE] == PROFILE


def test_fast_dds_opens_the_ports_of_that_number(shared: Path) -> None:
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp" or not Path("/dev/shm").is_dir():
        pytest.skip("no Fast DDS over /dev/shm here")
    domain = int(os.environ["ROS_DOMAIN_ID"])
    for left in list(shared.iterdir()):
        left.rename(shared / f"fastdds_port{int(left.name[12:-3]) + 250 * (domain - 3)}_el")
    done = subprocess.run(
        [sys.executable, "-c", NODE, str(shared)], env={**os.environ, VARIABLE: PROFILE}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert f"_port{7400 + 250 * domain + 11 + 2 * FREE}_el" in done.stdout, done.stderr
