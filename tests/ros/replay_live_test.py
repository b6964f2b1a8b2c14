"""Live replay and the demo: the real node process and real DDS around a scripted perceiver."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy")
pytest.importorskip("getok_ros.msg", reason="needs the built messages: pip install .")
pytest.importorskip("av", reason="films need PyAV: pip install av")

from getok_core.errors import BagError
from getok_core.geometry import Box
from getok_core.scene import Scene, Sign
from getok_ros import cli, replay_live
from getok_ros.bags import COMPRESSED, IMAGE, BagWriter
from getok_ros.live_cameras import LiveCamera, camera_names, live_cameras
from getok_ros.live_questions import LANES, SIGN, TRAFFIC, Asker
from getok_ros.node_process import node_command
from getok_ros.recordings import open_recordings
from getok_ros.selection import Selection
from getok_ros.setting_checks import check

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = Path(__file__).with_name("scripted_node.py")
BEGAN_NS = 10**18


@pytest.fixture
def scripted(monkeypatch):
    """The real node around a scripted perceiver is started."""
    monkeypatch.setattr(
        replay_live, "node_command", lambda *given: [sys.executable, str(SCRIPTED), *node_command(*given)[3:]]
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # a live replay sets them; this puts them back
    before = signal.getsignal(signal.SIGTERM)
    yield monkeypatch
    signal.signal(signal.SIGTERM, before)


def picture(number: int) -> np.ndarray:
    return np.full((90, 160, 3), 40 + number, np.uint8)


def record(path: Path, quality: int | None, frames: int = 15, topics: tuple[str, ...] = ("/front/image",)) -> Path:
    """A bag of 10 frames a second."""
    with BagWriter(path) as bag:
        for number in range(frames):
            for topic in topics:
                bag.write(topic, picture(number), BEGAN_NS + number * 10**8, jpeg_quality=quality)
    return path


def film(path: Path, frames: int = 30) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, (160, 90))
    for number in range(frames):
        writer.write(picture(number))
    writer.release()
    return path


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and the getok lines of stderr."""
    code = cli.main([*map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, "".join(re.findall(r"getok: .*\n", err))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("quality", "kind"), [(90, "CompressedImage"), (None, "Image")])
def test_a_demo_has_scenes_three_answers_a_film_and_a_page(scripted, tmp_path, capfd, quality, kind):
    bag, out = record(tmp_path / "bag", quality), tmp_path / "out"
    code, said, told = run(capfd, "demo", "--bag", bag, "--out", out)
    assert code == 0 and f"over DDS as {kind}; 15 sent, 15 scenes back, 0 dropped" in told, told
    assert said.count("asked  ") == 3 and "What colour is the sign?" in said
    page = (out / "report.html").read_text()
    assert page.count("<q>") == 3 and 'data-film="overlay.mp4"' in page and "camera to scene, median" in page
    shown = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert shown.get(cv2.CAP_PROP_FRAME_COUNT) == 15 and shown.get(cv2.CAP_PROP_FPS) == pytest.approx(10, abs=0.01)
    assert bag.is_dir(), "the user's bag stays"


def test_each_scene_is_of_its_frame_and_a_second_run_begins_anew(scripted, tmp_path, capfd):
    bag, out = record(tmp_path / "bag", None, 6), tmp_path / "out"
    for _ in range(2):
        code, _, told = run(capfd, "replay", bag, "--live", "--numbers", "--out", out)
        assert code == 0 and "6 sent, 6 scenes back" in told, told
    colours = [line["scene"]["obstacles"][0]["label"] for line in lines(out / "scenes.jsonl")]
    assert colours == [f"#{40 + number:02x}{40 + number:02x}{40 + number:02x}" for number in range(6)]
    assert all(0 < line["age_s"] < 5 and line["seconds"]["total"] for line in lines(out / "timing.jsonl"))


def test_several_cameras_play_at_once_and_each_scene_is_of_its_own(scripted, tmp_path, capfd):
    asked = [{"text": "Is it wet?", "answer": "Is it wet? #505050"}]
    labels, out = tmp_path / "labels.jsonl", tmp_path / "out"
    labels.write_text(json.dumps({"frame": 2, "questions": asked, "known": []}) + "\n")
    with BagWriter(tmp_path / "bag") as bag:
        for number in range(6):
            at = BEGAN_NS + number * 10**8
            bag.write("/left/image", picture(number), at, jpeg_quality=None)
            bag.write("/right/image_raw", picture(40 + number), at, jpeg_quality=100)
    given = ["--live", "--numbers", "--track", 4, "--labels", labels, "--out", out]
    code, _, told = run(capfd, "replay", tmp_path / "bag", *given)
    assert code == 0 and "as CompressedImage and Image through 2 cameras; 12 sent, 12 scenes back" in told, told
    wanted = {"/left/image": [40 + n for n in range(6)], "/right/image_raw": [80 + n for n in range(6)]}
    seen: dict[str, list[int]] = {}
    tracked: dict[str, list[bool]] = {}
    for line in lines(out / "scenes.jsonl"):
        seen.setdefault(line["topic"], []).append(int(line["scene"]["obstacles"][0]["label"][1:3], 16))
        tracked.setdefault(line["topic"], []).append(line["scene"].get("tracked", False))
        assert [thing["id"] for name in ("lanes", "obstacles") for thing in line["scene"][name]] == [1, 2]
    assert seen == wanted
    assert all(marks == [False, True, True, True, False, True] for marks in tracked.values())
    answers = {line["frame"].split("#")[1]: line["answer"]["answer"] for line in lines(out / "answers.jsonl")}
    assert answers == {"/left/image": "Is it wet? #2a2a2a", "/right/image_raw": "Is it wet? #525252"}


def test_questions_of_labels_are_asked_of_the_node_and_scored(scripted, tmp_path, capfd):
    asked = [{"text": "Is it wet?", "answer": "Is it wet? #2a2a2a"}]
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"frame": n, "questions": asked, "known": []}) + "\n" for n in (2, 3)))
    bag, out = record(tmp_path / "bag", None, 5), tmp_path / "out"
    code, said, told = run(capfd, "replay", bag, "--live", "--numbers", "--labels", labels, "--out", out)
    assert code == 0, told
    answers = [line["answer"]["answer"] for line in lines(out / "answers.jsonl")]
    assert answers == ["Is it wet? #2a2a2a", "Is it wet? #2b2b2b"] and "50.0 (" in said


def test_frames_without_stamps_still_find_their_scenes(scripted, tmp_path, capfd):
    with BagWriter(tmp_path / "bag") as bag:
        for number in range(8):
            bag.write("/front/image", picture(number), 0)
    code, _, told = run(capfd, "replay", tmp_path / "bag", "--live", "--numbers", "--out", tmp_path / "out")
    assert code == 0 and "8 sent, 8 scenes back" in told, told


def test_at_real_pace_a_slow_node_drops_frames_and_says_so(scripted, tmp_path, capfd):
    scripted.setenv("GETOK_TEST_SECONDS", "0.3")
    bag, out = record(tmp_path / "bag", 90, 20), tmp_path / "out"
    code, said, told = run(capfd, "replay", bag, "--live", "--numbers", "--pace", "real", "--out", out)
    assert code == 0, told
    sent, back, dropped = map(int, re.search(r"(\d+) sent, (\d+) scenes back, (\d+) dropped", told).groups())
    assert sent == 20 and 4 <= back < 16 and back + dropped == sent
    assert sum(line.get("dropped", False) for line in lines(out / "timing.jsonl")) == dropped
    assert re.search(rf"frames dropped by the node +{100 * dropped / 20:.1f} \(", said)


def test_a_video_is_sent_as_the_pictures_it_holds(scripted, tmp_path, capfd):
    video, out = film(tmp_path / "drive.avi"), tmp_path / "out"
    code, _, told = run(capfd, "demo", "--video", video, "--frames", 9, "--out", out)
    assert code == 0 and "as Image; 9 sent, 9 scenes back" in told, told
    assert [line["frame"] for line in lines(out / "scenes.jsonl")] == [f"drive.avi##{number}" for number in range(9)]


def test_an_engine_that_cannot_load_ends_the_replay_in_one_line(scripted, tmp_path, capfd):
    scripted.setenv("GETOK_TEST_LOAD", "weights are a fairy tale: take real ones")
    code, said, told = run(capfd, "demo", "--bag", record(tmp_path / "bag", 90), "--out", tmp_path / "out")
    assert (code, said) == (1, "") and told.count("\n") == 1 and "fairy tale" in told and "node.log" in told


def test_bad_input_is_refused_before_anything_starts(scripted, tmp_path, capfd):
    scripted.setattr(replay_live, "NodeProcess", None)
    cv2.imwrite(str(tmp_path / "one.png"), picture(0))
    both = [record(tmp_path / "raw", None, 2), record(tmp_path / "compressed", 90, 2)]
    live, nano = ["--live", "--numbers", "--out", tmp_path / "out"], ROOT / "models" / "nano"
    for arguments, says in (
        (["demo", "--bag", tmp_path / "none"], "does not exist"),
        (["demo", "--video", tmp_path / "none.mp4"], "does not exist"),
        (["demo", "--video", tmp_path / "one.png"], "is one image"),
        (["demo", "--bag", both[0], "--topic", "/rear"], "no images on /rear"),
        (["demo", "--bag", both[0], "--out", tmp_path / "one.png"], "cannot create folder"),
        (["replay", both[0], *live, "--model", tmp_path / "no model"], "no model"),
        (["replay", both[0], *live, "--model", nano, "--model", nano], "a node runs one"),
        (
            ["replay", both[0], *live, "--engine", "onnx", "--engine", "torch"],
            "2 engines were given: live",
        ),
        (["replay", *both, *live], "some images of /front/image are compressed and others raw"),
    ):
        code, said, told = run(capfd, *arguments)
        assert (code, said) == (2, "") and says in told and told.count("\n") == 1, told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(tmp_path, number):
    record(tmp_path / "bag", 90, 200)
    # A shell's background job hands down an ignored SIGINT; a terminal does not.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from getok_ros import cli, replay_live; real = replay_live.node_command\n"
        f"replay_live.node_command = lambda *given: [sys.executable, {str(SCRIPTED)!r}, *real(*given)[3:]]\n"
        f"sys.exit(cli.main(['demo', '--bag', {str(tmp_path / 'bag')!r}, '--out', {str(tmp_path / 'out')!r}]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, env=environment, text=True)
    try:
        seen = ""
        while "bag:" not in seen:
            seen += running.stderr.read(1)
        children = [int(pid) for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
        assert children, "the node is a process of its own"
        time.sleep(0.5)
        running.send_signal(number)
        running.stderr.read()
        assert running.wait(20) == 130
    finally:
        running.kill()
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_transport_refinements_and_engine_of_the_node_follow_the_replay():
    alone = [LiveCamera("", COMPRESSED)]
    assert "image_transport:=compressed" in node_command(ROOT, "cpu", None, alone)
    command = node_command(ROOT, "cpu", 1, [LiveCamera("", IMAGE)], "torch")
    assert {"image_transport:=raw", "refinements:=1", "engine:=torch"} < set(command)
    assert "scripted" not in " ".join(command) and not any("cameras" in part for part in command)
    command = node_command(ROOT, "cpu", None, [LiveCamera("left", IMAGE), LiveCamera("right", COMPRESSED)])
    assert {"cameras:=[left, right]", "left.transport:=raw", "right.transport:=compressed"} < set(command)


@given(st.lists(st.text(st.sampled_from("/_aB0é."), max_size=6), unique=True, max_size=6))
def test_every_topic_gets_a_camera_name_that_the_node_takes(topics):
    names = camera_names(topics)
    assert list(names) == topics and len(set(names.values())) == len(topics)
    assert check("cameras", list(names.values())) == list(names.values())


def test_more_cameras_than_a_node_reads_are_refused(tmp_path):
    bag = record(tmp_path / "bag", 90, 1, tuple(f"/camera{number}" for number in range(33)))
    with pytest.raises(BagError, match="there are 33 cameras and a node reads 32: choose some with --topic"):
        live_cameras(open_recordings([bag], Selection()))


def signs(*heights: float) -> Scene:
    boxes = (np.array([10.0, 10.0, 10 + high, 10 + high]) for high in heights)
    return Scene(160, 100, signs=tuple(Sign("stop", "red", "clear", 0.9, box) for box in boxes))


def test_each_question_is_asked_once_where_it_makes_sense():
    asked: list[tuple[str, object, int]] = []
    asker = Asker(lambda query, stamp_ns: asked.append((query.text, query.region, stamp_ns)), 30)
    for index, height in enumerate([2, 4, 8, 7, 6, 5, *[0] * 24]):
        asker.look(signs(height) if height else Scene(160, 100), index, 100 + index)
    assert [(text, stamp) for text, _, stamp in asked] == [(SIGN, 102), (TRAFFIC, 110), (LANES, 120)]
    assert asked[0][1] == Box.of([10, 10, 18, 18]), "about the sign when it was largest"
    asker.last_chance(29, 129)
    assert len(asked) == 3


def test_what_could_not_be_asked_is_asked_at_the_end():
    asked: list[str] = []
    asker = Asker(lambda query, stamp_ns: asked.append(query.text), 30)
    asker.last_chance(3, 103)
    assert asked == [SIGN, TRAFFIC, LANES]
