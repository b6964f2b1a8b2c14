"""The files under config/ for other tools name the topics and services that a running node really has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy")

from live import running

from getok_ros import msg
from getok_ros.share import share

CONFIG = share() / "config"
OPTIONAL = {"/image/compressed", "/clock", "/tf", "/tf_static", "/perception/detections", "/parameter_events"}
"""there only with another transport, simulated time, tf2_ros or vision_msgs"""
PUBLISHED, READ, SERVED = "publisher", "subscriber", "service"


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> dict[str, set[str]]:
    """What a running node has opened, as if it ran without a namespace."""
    with running(tmp_path_factory.mktemp("config")) as (_, client):
        space = f"/{client.space}"
        return {
            kind: {
                name.removeprefix(space)
                for name, _ in getattr(client.node, f"get_{kind}_names_and_types_by_node")("perception", space)
            }
            for kind in (PUBLISHED, READ, SERVED)
        }


def texts(value: Any) -> Iterator[str]:
    """Every text in nested lists and tables, keys included."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


def named(value: Any) -> set[str]:
    """Topics, without the path to a field that may follow."""
    return {match[0] for text in texts(value) if (match := re.match(r"/[\w/]+", text))}


def rules(enclave: str, kind: str, qualifier: str) -> set[str]:
    """What the policy allows an enclave."""
    policy = ElementTree.parse(CONFIG / "sros2" / "policy.xml")
    lists = policy.findall(f".//enclave[@path='{enclave}']/profiles/profile/{kind}[@{qualifier}='ALLOW']")
    return {(one.text or "").strip() for some in lists for one in some}


def test_the_foxglove_layout_names_our_topics_and_every_panel_is_laid_out(opened):
    layout = json.loads((CONFIG / "foxglove_layout.json").read_text())
    topics = named(layout)
    assert {"/perception/overlay", "/perception/markers", "/diagnostics", "/query"} <= topics
    assert topics <= opened[PUBLISHED] | opened[READ]
    placed = [text for text in texts(layout["layout"]) if "!" in text]
    assert sorted(placed) == sorted(layout["configById"])
    asked = layout["configById"]["Publish!ask"]
    assert set(json.loads(asked["value"])) <= set(msg.Query.get_fields_and_field_types())


def test_the_rviz_configuration_names_our_topics(opened):
    topics = named(yaml.safe_load((CONFIG / "perception.rviz").read_text()))
    assert topics == {"/perception/markers", "/perception/overlay", "/perception/drivable_mask"}
    assert topics <= opened[PUBLISHED]


@pytest.mark.parametrize(
    ("kind", "qualifier", "what"),
    [("topics", "publish", PUBLISHED), ("topics", "subscribe", READ), ("services", "reply", SERVED)],
)
def test_the_policy_allows_the_node_what_it_opens_and_nothing_more(opened, kind, qualifier, what):
    allowed = rules("/getok/perception", kind, qualifier)
    assert opened[what] <= allowed
    assert allowed <= opened[what] | OPTIONAL


def test_the_policy_allows_a_client_only_what_the_node_offers(opened):
    assert rules("/getok/client", "topics", "publish") <= opened[READ] | {"/rosout", "/parameter_events"}
    assert rules("/getok/client", "topics", "subscribe") <= opened[PUBLISHED] | OPTIONAL
    assert not rules("/getok/client", "services", "request"), "who only looks and asks changes no parameter"


def test_the_files_travel_with_the_package():
    assert "install(DIRECTORY config " in (Path(share()) / "CMakeLists.txt").read_text()
