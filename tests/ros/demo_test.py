"""The demo with the real node process, real DDS and a scripted perceiver; the real model is the demo's own proof."""

from __future__ import annotations

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

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy")
pytest.importorskip("getok_ros.msg", reason="needs the built messages: pip install .")
pytest.importorskip("av", reason="films need PyAV: pip install av")

from getok_core.geometry import Box
from getok_core.scene import Answer, Lane, Scene, Sign
from getok_ros import cli, demo
from getok_ros.bags import COMPRESSED, IMAGE, BagWriter
from getok_ros.demo_page import write_page
from getok_ros.demo_report import Asked, Report, Seen, key_frames, summary

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = Path(__file__).with_name("scripted_node.py")


@pytest.fixture
def scripted(monkeypatch):
    """The demo starts the real node around a scripted perceiver."""
    real = demo.node_command
    monkeypatch.setattr(demo, "node_command", lambda *given: [sys.executable, str(SCRIPTED), *real(*given)[3:]])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # the demo sets them; this puts them back
    before = signal.getsignal(signal.SIGTERM)
    yield monkeypatch
    signal.signal(signal.SIGTERM, before)


def picture(number: int) -> np.ndarray:
    return np.full((90, 160, 3), 40 + number, np.uint8)


def record(path: Path, quality: int | None, frames: int = 15, stamps: bool = True) -> Path:
    """A bag of 10 frames a second; without stamps every header says 0."""
    with BagWriter(path) as bag:
        for number in range(frames):
            bag.write("/front/image", picture(number), 10**18 + number * 10**8 if stamps else 0, jpeg_quality=quality)
    return path


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and the getok lines of stderr."""
    code = cli.main(["demo", *map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, "".join(re.findall(r"getok: .*\n", err))


@pytest.mark.parametrize(("quality", "topic"), [(90, "CompressedImage"), (None, "Image")])
def test_a_bag_becomes_scenes_answers_a_film_and_a_page(scripted, tmp_path, capfd, quality, topic):
    bag = record(tmp_path / "bag", quality)
    code, out, err = run(capfd, "--bag", bag, "--out", tmp_path / "out")
    assert (code, err) == (0, ""), err
    assert f"160 x 90, over DDS as {topic}" in out and "15 sent, 15 scenes back, 0 dropped" in out
    assert out.count("asked") == 3 and "What colour is the sign? #" in out and "scripted 000000 on cpu" in out
    page = (tmp_path / "out" / "index.html").read_text()
    assert "overlay.mp4" in page and "&lt;grid_" in page and not re.search(r'(src|href)="https?:', page)
    film = cv2.VideoCapture(str(tmp_path / "out" / "overlay.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 15 and film.get(cv2.CAP_PROP_FPS) == pytest.approx(10, abs=0.01)
    assert bag.is_dir(), "the user's bag stays"


def test_frames_without_stamps_still_find_their_scenes(scripted, tmp_path, capfd):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for number in range(8):
            bag.write("/front/image", picture(number), 0)
    code, out, err = run(capfd, "--bag", path, "--out", tmp_path / "out")
    assert code == 0 and "8 sent, 8 scenes back" in out, err


def test_at_real_pace_a_slow_node_drops_frames_and_says_so(scripted, tmp_path, capfd):
    scripted.setenv("GETOK_TEST_SECONDS", "0.3")
    code, out, err = run(capfd, "--bag", record(tmp_path / "bag", 90, 20), "--out", tmp_path / "out", "--pace", "real")
    assert code == 0, err
    sent, back, dropped = map(int, re.search(r"(\d+) sent, (\d+) scenes back, (\d+) dropped", out).groups())
    assert sent == 20 and 4 <= back < 16 and dropped >= 4 and back + dropped <= sent + 1


def test_a_video_becomes_a_recording_first(scripted, tmp_path, capfd):
    video = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 20, (160, 90))
    for number in range(30):
        writer.write(picture(number))
    writer.release()
    code, out, err = run(capfd, "--video", video, "--frames", 9, "--out", tmp_path / "out")
    assert code == 0 and "video drive.avi" in out and "9 sent, 9 scenes back" in out, err
    assert (tmp_path / "out" / "recording" / "metadata.yaml").is_file()


def test_an_engine_that_cannot_load_ends_the_demo_in_one_line(scripted, tmp_path, capfd):
    scripted.setenv("GETOK_TEST_LOAD", "weights are a fairy tale: take real ones")
    code, out, err = run(capfd, "--bag", record(tmp_path / "bag", 90), "--out", tmp_path / "out")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "fairy tale" in err and "node.log" in err


def test_a_missing_model_ends_the_real_node_and_the_demo_in_one_line(scripted, tmp_path, capfd):
    scripted.undo()
    bag = record(tmp_path / "bag", 90)
    code, out, err = run(capfd, "--bag", bag, "--out", tmp_path / "out", "--model", tmp_path / "no model")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "no model" in err


def test_bad_recordings_are_refused_before_anything_starts(scripted, tmp_path, capfd):
    scripted.setattr(demo, "NodeProcess", None)
    cv2.imwrite(str(tmp_path / "one.png"), picture(0))
    for arguments, says in (
        (["--bag", tmp_path / "none"], "does not exist"),
        (["--video", tmp_path / "none.mp4"], "does not exist"),
        (["--video", tmp_path / "one.png"], "is one image"),
        (["--bag", record(tmp_path / "bag", 90), "--topic", "/rear"], "no images on /rear"),
        (["--bag", tmp_path / "bag", "--out", tmp_path / "one.png"], "cannot create folder"),
    ):
        code, out, err = run(capfd, *arguments)
        assert (code, out) == (2, "") and says in err and err.count("\n") == 1, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_an_interrupted_demo_leaves_no_process_behind(tmp_path, number, code):
    record(tmp_path / "bag", 90, 200)
    program = (
        "import sys; from getok_ros import cli, demo; real = demo.node_command\n"
        f"demo.node_command = lambda *given: [sys.executable, {str(SCRIPTED)!r}, *real(*given)[3:]]\n"
        f"sys.exit(cli.main(['demo', '--bag', {str(tmp_path / 'bag')!r}, '--out', {str(tmp_path / 'out')!r}]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, env=environment, text=True)
    try:
        seen = ""
        while "playing" not in seen:
            seen += running.stderr.read(1)
        children = [int(pid) for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
        assert children, "the node is a process of its own"
        time.sleep(0.5)
        running.send_signal(number)
        running.stderr.read()
        assert running.wait(20) == code
    finally:
        running.kill()
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def sample_report() -> tuple[Report, dict[int, np.ndarray]]:
    """Five frames, one with a sign that was asked about, one without a scene."""
    lane = Lane("dashed white", 0.9, np.array([[30.0, 85.0], [60.0, 50.0], [70.0, 40.0]]))
    sign = Sign("stop", "red", "clear", 0.9, np.array([100.0, 10.0, 120.0, 30.0]))
    stages = {"vision": 0.06, "propose": 0.05, "refine": 0.02, "total": 0.14}
    report = Report("synthetic drive <seed 1>", COMPRESSED, [10**18 + n * 10**8 for n in range(5)])
    report.scenes = {
        n: Seen(Scene(160, 90, (lane,), signs=(sign,) * (n == 2), seconds=stages), 0.2) for n in (0, 1, 2, 4)
    }
    report.latencies_s, report.played_s, report.recorded_s = np.array([0.1, 0.2, 0.2, 0.4]), 2.0, 0.4
    region = Box(sign.box.reshape(2, 2))
    report.asked = [Asked("demo-0", "What colour is the sign?", region, report.stamps[2], 2, Answer("red & dull", 0.9))]
    report.model, report.device = "getok-nano 1a2b3c", "cpu"
    return report, {index: picture(index) for index in key_frames(report)}


def test_the_summary_states_what_was_measured(tmp_path):
    report, _ = sample_report()
    text = summary(report, tmp_path)
    for said in ("5 sent, 4 scenes back", "2.0 scenes/s", "200 ms median, 370 ms p95", "4 lanes (dashed white 4)"):
        assert said in text
    assert (
        "red & dull (score 0.90)" in text and "box x 100..120, y 10..30" in text and "getok-nano 1a2b3c on cpu" in text
    )


def test_the_page_escapes_what_it_is_given_and_stands_alone(tmp_path):
    report, frames = sample_report()
    write_page(report, frames, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "red &amp; dull" in page and "&lt;seed 1&gt;" in page and "$" not in re.sub(r"base64,[^\"]+", "", page)
    assert "says nothing about real roads" in re.sub(r"say nothing", "says nothing", page)
    assert 'dashed white &lt;pl&gt; <i data-cell="6-30"' in page and len(frames) >= 2


def test_topic_and_transport_of_the_node_follow_the_recording():
    arguments = cli.parser().parse_args(["demo"])
    assert "image_transport:=compressed" in demo.node_command(arguments, COMPRESSED)
    assert "image_transport:=raw" in demo.node_command(arguments, IMAGE)
    assert "scripted" not in " ".join(demo.node_command(arguments, IMAGE))
