"""What nobody sane would send or set does not end the node, grows nothing in it, and is told in a line."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import rclpy
from live import Client, Process, plain, running, scene_of
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from getok_ros import msg
from getok_ros.messages import MAX_NAME
from getok_ros.tally import LONGEST

MILLION = "x" * 10**6


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Client]]:
    with running(tmp_path_factory.mktemp("hostile"), "-p", "max_age_s:=0.0") as pair:
        yield pair


@pytest.fixture
def client(live: tuple[Process, Client]) -> Client:
    return live[1]


def test_a_request_that_rclpy_itself_chokes_on_does_not_end_the_node(live: tuple[Process, Client]) -> None:
    process, client = live
    service = client.node.create_client(SetParameters, "perception/set_parameters")
    client.wait(service.service_is_ready)
    unheard_of = Parameter(name="max_age_s", value=ParameterValue(type=77))
    service.call_async(SetParameters.Request(parameters=[unheard_of]))
    process.wait_for("a request was not understood: ValueError: 77 is not a valid Parameter.Type")
    client.show()
    assert client.set_parameter("max_age_s", 0.0) == ""


def test_messages_damaged_on_their_way_do_not_end_the_node(live: tuple[Process, Client]) -> None:
    process, client = live
    lens = client.node.create_publisher(CameraInfo, "camera_info", 5)
    client.wait(lens.get_subscription_count)
    whole = {
        client.queries: msg.Query(id="damaged", text="which?", options=["a", "b"], has_region=True),
        client.images: plain((1, 2, 3)),
        lens: CameraInfo(width=3, height=4, d=[1.0] * 5, distortion_model="plumb_bob"),
    }
    random = Random(3)
    for publisher, message in whole.items():
        for _ in range(60):
            raw = bytearray(serialize_message(message))
            for at in random.sample(range(len(raw)), 8):
                raw[at] = random.randrange(256)
            publisher.publish(bytes(raw[: random.choice([None, random.randrange(1, len(raw))])]))
            client.spin(0.002)
    client.show()
    assert process.popen.poll() is None
    assert client.set_parameter("max_age_s", 0.0) == ""
    client.node.destroy_publisher(lens)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"id": MILLION}, "bad query"),
        ({"camera": MILLION}, "bad query"),
        ({"text": MILLION}, "bad query"),
        ({"options": ["<" + MILLION]}, "bad query"),
        ({"has_region": True, "region": msg.Region(kind=MILLION)}, "bad query"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_an_answer_repeats_little_of_a_query_that_is_too_large(client: Client, fields: dict, kind: str) -> None:
    client.show()
    before = len(client.answers)
    client.queries.publish(msg.Query(**{"id": "large", "text": "which?", **fields}))
    answer = client.wait(lambda: client.answers[before:])[0]
    assert [fault.kind for fault in answer.faults] == [kind]
    assert len(answer.id) <= MAX_NAME and len(answer.camera) <= MAX_NAME and len(answer.text) <= 2000
    assert len(answer.faults[0].detail) <= LONGEST and len(answer.faults[0].query) <= MAX_NAME


def test_an_image_with_a_name_of_a_million_characters_is_told_in_part(live: tuple[Process, Client]) -> None:
    process, client = live
    client.publish(Image(encoding=MILLION, width=1, height=1, step=1, data=b"a"))
    client.wait(lambda: "image encoding 'xxx" in client.status("images")["last malformed"])
    assert len(client.status("images")["last malformed"]) <= LONGEST
    assert max(map(len, process.output.splitlines())) < 2 * LONGEST


def test_an_image_of_a_frame_with_a_name_too_long_is_malformed(client: Client) -> None:
    image, seen = plain((1, 2, 3)), len(client.scenes)
    image.header = client.header("x" * 256)
    client.images.publish(image)
    client.wait(lambda: "frame_id has 256 characters" in client.status("images")["last malformed"])
    assert len(client.scenes) == seen
    image.header = client.header("x" * 255)
    client.images.publish(image)
    client.wait(lambda: scene_of(client, image.header))


def test_two_clients_may_use_one_id(client: Client) -> None:
    for text in ("one?", "two?"):
        client.queries.publish(msg.Query(id="same", text=text))
    client.publish(plain((1, 2, 3)))
    client.wait(lambda: sum(answer.id == "same" for answer in client.answers) >= 2)
    client.spin(0.3)
    assert sorted(answer.text for answer in client.answers if answer.id == "same") == ["one?", "two?"]


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("box", [(5.0, 4.0), (1.0, 1.0)]),
        ("box", [(float("nan"), 1.0), (5.0, 4.0)]),
        ("point", [(float("inf"), 1.0)]),
        ("point", [(-7.0, -7.0)]),
        ("box", [(-9.0, -9.0), (0.0, 3.0)]),
        ("polygon", [(1.0, 1.0), (2.0, 2.0)]),
        ("seeds", []),
    ],
)
def test_a_region_that_makes_no_sense_is_a_fault(client: Client, kind: str, points: list[Any]) -> None:
    client.show()
    region = msg.Region(kind=kind, points=[msg.Point2(x=x, y=y) for x, y in points])
    answer = client.ask("which?", has_region=True, region=region)
    assert [fault.kind for fault in answer.faults] == ["bad query"]


@pytest.fixture
def stranger(client: Client) -> Iterator[Node]:
    """A node of another process, as far as DDS can tell."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("stranger", namespace=client.space, context=context)
    yield node
    rclpy.shutdown(context=context)


def test_diagnostics_tell_who_does_not_fit_and_forget_who_left(client: Client, stranger: Node) -> None:
    client.show()
    stranger.create_publisher(CompressedImage, "image", 1)
    stranger.create_publisher(msg.Query, "query", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    stranger.create_subscription(msg.Scene, "perception/scene", lambda _: None, latched)
    wanted = {
        "images": "image of stranger is sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image",
        "queries": "query of stranger: reliability best effort is offered, reliable wanted",
        "scenes": "perception/scene of stranger: durability volatile is offered, transient local wanted",
    }
    for part, text in wanted.items():
        client.wait(lambda part=part, text=text: text in client.status(part)["QoS mismatch"])
    stranger.destroy_node()
    for part in wanted:
        client.wait(lambda part=part: not client.status(part)["QoS mismatch"])


def test_a_topic_that_nobody_publishes_is_named(client: Client) -> None:
    assert client.status("images")["publishers"] == "1"
    client.node.destroy_publisher(client.cameras.pop())
    client.wait(lambda: "nobody publishes the topic" in client.status("images")["message"])
    assert client.status("images")["level"] == "3"
