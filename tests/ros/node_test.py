"""The real node as a process, seen over DDS: images of every encoding in, scenes out, queries answered exactly once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from live import Client, Process, plain, running, scene_of
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from getok_ros import msg

BOX = msg.Region(kind=msg.Region.BOX, points=[msg.Point2(x=1.0, y=1.0), msg.Point2(x=5.0, y=4.0)])
OUTSIDE = msg.Region(kind=msg.Region.POINT, points=[msg.Point2(x=900.0, y=900.0)])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Client]]:
    with running(tmp_path_factory.mktemp("node")) as pair:
        yield pair


@pytest.fixture
def client(live: tuple[Process, Client]) -> Client:
    return live[1]


def grey_frame(encoding: str, value: int) -> Image:
    """A frame whose every byte is value, in the encoding; rows padded by 3 bytes of another value."""
    size = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "mono16": 2}.get(encoding)
    size = size or (2 if encoding.startswith(("yu", "uy")) or encoding.endswith("16") else 1)
    rows = np.full((6, 8 * size + 3), value, np.uint8)
    rows[:, 8 * size :] = 77
    return Image(encoding=encoding, width=8, height=6, step=8 * size + 3, data=rows.tobytes())


@pytest.mark.parametrize(
    "encoding",
    [
        *("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "uyvy", "yuv422_yuy2", "yuyv"),
        *(f"bayer_{pattern}{bits}" for pattern in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)),
    ],
)
def test_every_encoding_gives_a_scene_of_its_colour(client: Client, encoding: str) -> None:
    header = client.publish(grey_frame(encoding, 128))
    scene = client.wait(lambda: scene_of(client, header))
    grey = "828282" if "yu" in encoding or "uy" in encoding else "808080"  # 1.164 * (128 - 16) = 130
    assert scene.obstacles[0].label == f"#{grey}"
    assert (scene.width, scene.height) == (8, 6)


def test_a_scene_carries_the_header_timing_faults_and_model_of_its_frame(client: Client) -> None:
    header = client.publish(plain((10, 200, 30), (40, 20)))
    scene = client.wait(lambda: scene_of(client, header))
    assert scene.header.frame_id == "camera"
    assert scene.model == "scripted 000000"
    assert scene.seconds == msg.Seconds(vision=0.01, propose=0.02, refine=0.03, total=0.06)
    assert [(f.kind, f.query) for f in scene.faults] == [("stray token", "lanes")]
    assert not (scene.late or scene.degraded or scene.truncated or scene.tracked)
    assert [(p.x, p.y) for p in scene.lanes[0].points] == [(0.0, 20.0), (20.0, 0.5)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step": 20}, "image step is 20, but 8 pixels of rgb8 take 24 bytes"),
        ({"data": b"\0" * 10}, "image has 10 bytes, but step 24 x height 6 is 144"),
        ({"encoding": "32FC1"}, "image encoding '32FC1' is unknown"),
        ({"width": 0}, "image is 0 x 6 pixels"),
        ({"height": 0}, "image is 8 x 0 pixels"),
        ({"width": 4_000_000_000, "height": 4_000_000_000}, "at most 67108864 are taken"),
    ],
)
def test_a_malformed_image_gives_a_warning_and_nothing_else(
    live: tuple[Process, Client], change: dict[str, object], reason: str
) -> None:
    process, client = live
    image = plain((1, 2, 3))
    for name, value in change.items():
        setattr(image, name, value)
    before = len(client.scenes)
    client.publish(image)
    process.wait_for(reason)
    client.wait(lambda: reason in client.status("images")["last malformed"])
    assert len(client.scenes) == before
    client.show()


def test_the_parts_of_a_scene_have_topics_of_their_own(client: Client) -> None:
    kinds = {
        "lanes": msg.LaneArray,
        "drivable_areas": msg.DrivableAreaArray,
        "obstacles": msg.ObstacleArray,
        "signs": msg.SignArray,
        "lights": msg.LightArray,
    }
    parts: dict[str, list] = {name: [] for name in kinds}
    pictures: list[Image] = []
    for name, kind in kinds.items():
        client.subscribe(kind, f"perception/{name}", parts[name])
    client.subscribe(Image, "perception/overlay", pictures)
    client.meet()
    scene = client.show(size=(64, 48))
    client.wait(lambda: pictures and all(parts.values()))
    for name, (part,) in parts.items():
        assert part.header == scene.header
        assert getattr(part, name) == getattr(scene, name)
    assert parts["lanes"][0].faults == scene.faults
    assert parts["obstacles"][0].faults == []
    assert (pictures[0].width, pictures[0].height, pictures[0].encoding) == (64, 48, "rgb8")
    assert pictures[0].header == scene.header


def test_a_query_is_answered_once_on_the_newest_frame(client: Client) -> None:
    scene = client.show((255, 0, 0))
    answer = client.ask("what is there?")
    assert (answer.answer, answer.text, answer.score) == ("what is there? #ff0000", "what is there?", 0.75)
    assert answer.header == scene.header
    assert not answer.faults
    client.spin(0.5)
    assert [a.id for a in client.answers].count(answer.id) == 1


def test_a_query_about_a_region_and_a_stamp_is_answered_on_that_frame(client: Client) -> None:
    old = client.show((0, 255, 0))
    client.show((0, 0, 255))
    answer = client.ask("which?", has_region=True, region=BOX, has_stamp=True, stamp=old.header.stamp)
    assert answer.answer == "which? at box #00ff00"
    assert answer.header == old.header


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        ({"text": " "}, "bad query", "the question is empty"),
        ({"has_region": True, "region": OUTSIDE}, "bad query", "lies outside the image of 8 x 6"),
        ({"has_region": True, "region": msg.Region(kind="blob")}, "bad query", "region kind 'blob' is unknown"),
        ({"has_region": True, "region": msg.Region(kind="box", points=BOX.points[:1])}, "bad query", "at least 2"),
        ({"has_stamp": True}, "no frame", "no frame with stamp 0.000000000 is kept"),
        ({"options": ["a", "a"]}, "bad query", "at most 32 different"),
        ({"text": "explode"}, "failed", "told to explode"),
    ],
)
def test_a_query_that_cannot_be_answered_gets_a_fault_and_a_warning(
    live: tuple[Process, Client], fields: dict, kind: str, reason: str
) -> None:
    process, client = live
    client.show()
    answer = client.ask(**fields)
    assert [fault.kind for fault in answer.faults] == [kind]
    assert reason in answer.faults[0].detail
    assert answer.answer == ""
    process.wait_for(reason)
    client.spin(0.3)
    assert [a.id for a in client.answers].count(answer.id) == 1


def test_a_question_that_breaks_the_model_harms_no_other(client: Client) -> None:
    client.show()
    texts = ["one", "explode", "two"]
    for text in texts:
        client.queries.publish(msg.Query(id=f"batch {text}", text=text))
    header = client.publish(plain((9, 9, 9)))
    answers = client.wait(lambda: (a := [a for a in client.answers if a.id.startswith("batch")]) and len(a) == 3 and a)
    assert {a.text: bool(a.faults) for a in answers} == {"one": False, "explode": True, "two": False}
    client.wait(lambda: scene_of(client, header))


def test_diagnostics_tell_engine_rates_and_counts(client: Client) -> None:
    for _ in range(3):
        client.show()
    client.diagnostics.clear()
    assert client.status("engine")["message"] == "ready"
    assert client.status("engine")["model"] == "scripted 000000"
    assert int(client.status("scenes")["scenes total"]) >= 3
    client.wait(lambda: "no frame for" in client.status("images")["message"])
    assert client.status("images")["level"] == "3"
    assert client.status("node")["state"] == "active"


def test_a_stamp_of_another_clock_does_not_make_a_scene_late(client: Client) -> None:
    image = plain((5, 5, 5))
    image.header.stamp.sec = 1_000_000_000
    client.images.publish(image)
    scene = client.wait(lambda: next((s for s in client.scenes if s.header.stamp.sec == 1_000_000_000), None))
    assert not scene.late


def test_an_old_frame_is_dropped_and_counted_but_a_question_about_it_is_answered(client: Client) -> None:
    image = plain((6, 6, 6))
    image.header = client.header()
    image.header.stamp.sec -= 50
    client.images.publish(image)
    client.wait(lambda: "frames too old: 50." in client.status("images")["message"])
    assert client.status("images")["too old total [frames]"] == "1"
    answer = client.ask("which?", has_stamp=True, stamp=image.header.stamp)
    assert (answer.answer, answer.late) == ("which? #060606", True)
    assert scene_of(client, image.header) is None


def test_newest_frame_wins_while_the_engine_is_slow(tmp_path) -> None:
    with running(tmp_path, GETOK_TEST_SECONDS="0.25") as (_, client):
        sent = []
        for _ in range(30):
            sent.append(client.publish(plain((1, 1, 1))))
            client.spin(0.05)
        last = client.wait(lambda: scene_of(client, sent[-1]))
        seen = [scene.header for scene in client.scenes]
        places = [sent.index(header) for header in seen]
        assert seen[-1] == last.header
        assert places == sorted(set(places))
        assert 5 <= len(seen) <= 12
        client.diagnostics.clear()
        dropped = int(client.status("images")["dropped total [frames]"])
        assert 25 <= dropped + len(seen) <= 30  # DDS itself may let a frame go, which nobody is told


def test_compressed_images_are_read_and_a_cut_off_one_is_refused(tmp_path) -> None:
    with running(tmp_path, "-p", "image_transport:=compressed", client={"compressed": True}) as (process, client):
        bgr = np.full((16, 16, 3), (30, 20, 200), np.uint8)
        for suffix, form in ((".png", "png"), (".jpg", "rgb8; jpeg compressed bgr8")):
            data = cv2.imencode(suffix, bgr)[1].tobytes()
            header = client.publish(CompressedImage(format=form, data=data))
            colour = client.wait(lambda header=header: scene_of(client, header)).obstacles[0].label
            rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
            assert np.abs(np.subtract(rgb, (200, 20, 30))).max() <= 3
            client.publish(CompressedImage(format=form, data=data[: len(data) // 2]))
            process.wait_for("cut off or damaged" if suffix == ".png" else "cut off")
        client.publish(CompressedImage(format="h264", data=b"\0\0\0\1abc"))
        process.wait_for("'h264' is neither jpeg nor png")


def test_a_publisher_whose_reliability_does_not_fit_shows_in_diagnostics(tmp_path) -> None:
    process = Process(tmp_path, "--namespace", "unfit", "--ros-args", "-p", "image_reliability:=reliable")
    client = Client("unfit", image_qos=ReliabilityPolicy.BEST_EFFORT)
    try:
        process.wait_for("QoS mismatch")
        client.wait(lambda: "QoS mismatch: /unfit/image" in client.status("images")["message"])
        assert "reliability" in client.status("images")["QoS mismatch"]
    finally:
        client.close()
        assert process.stop() == 0


def test_queries_wait_for_a_first_frame_and_no_longer_than_told(tmp_path) -> None:
    with running(tmp_path, "-p", "query_limit:=2", "-p", "query_wait_s:=2") as (_, client):
        for name in "abc":
            client.queries.publish(msg.Query(id=name, text="first"))
        refused = client.wait(lambda: client.answers and client.answers[0])
        assert [f.kind for f in refused.faults] == ["too many queries"]
        header = client.publish(plain((1, 2, 3)))
        client.wait(lambda: len(client.answers) == 3)
        assert {a.header.stamp.sec: len(a.faults) for a in client.answers} == {0: 1, header.stamp.sec: 0}


def test_a_query_without_any_frame_is_answered_with_the_reason(tmp_path) -> None:
    with running(tmp_path, "-p", "query_wait_s:=0.2") as (_, client):
        began = time.monotonic()
        answer = client.ask()
        assert [f.kind for f in answer.faults] == ["no frame"]
        assert "no frame has come yet" in answer.faults[0].detail
        assert time.monotonic() - began < 3


def test_standing_queries_are_answered_on_every_frame(tmp_path) -> None:
    with running(tmp_path, "-p", "queries:=['is it wet?', 'is it dark?']") as (_, client):
        headers = [client.show().header for _ in range(2)]
        client.wait(lambda: len(client.answers) == 4)
        assert [(a.id, a.header) for a in client.answers] == [
            (text, header) for header in headers for text in ("is it wet?", "is it dark?")
        ]
