"""`getok replay`: the same bytes again, after any interruption too; numbers known by hand; bad input in one line."""

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
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_replay import SIZE, load_models, picture, scene

from getok_ros import cli, replay, replay_run
from getok_ros.bags import BagWriter
from getok_ros.recordings import open_recordings
from getok_ros.replay_log import ReplayLog
from getok_ros.selection import Selection

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = Path(__file__).with_name("scripted_replay.py")
START, STEP, FRAMES = 10**18, 10**8, 10
FILES = ("scenes.jsonl", "timing.jsonl", "answers.jsonl")


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    """The command gets scripted models instead of loading any."""
    monkeypatch.setattr(replay, "load_models", load_models)


def record(path: Path, topics: tuple[str, ...] = ("/front",), frames: int = FRAMES) -> Path:
    with BagWriter(path) as bag:
        for number in range(frames):
            for topic in topics:
                bag.write(topic, picture(number), START + number * STEP, jpeg_quality=None)
    return path


def labels(path: Path, frames: int = FRAMES, **more: object) -> Path:
    """Our own JSON Lines, true to the letter; the first half by night."""
    lines = []
    for number in range(frames):
        seen = {name: value for name, value in scene(number).to_json().items() if name not in ("seconds", "model")}
        conditions = {"time of day": "night" if number < frames // 2 else "day"}
        lines.append({"frame": number, **seen, "slices": conditions, **more})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and the getok lines of stderr."""
    code = cli.main(["replay", "--numbers", *map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, "".join(re.findall(r"getok: .*\n", err))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows(out: Path, model: str = "scripted 000000", table: int = 0) -> dict[str, list[float]]:
    return json.loads((out / "metrics.json").read_text())["models"][model]["tables"][table]["columns"]["model"]


# -- the same again -------------------------------------------------------------------------------------------------


def test_a_second_replay_writes_the_same_bytes(tmp_path, capfd):
    bag = record(tmp_path / "bag", ("/front", "/rear"))
    for out in ("one", "two"):
        assert run(capfd, bag, "--model", "a 1", "--model", "b 2", "--out", tmp_path / out)[0] == 0
    assert (tmp_path / "one/scenes.jsonl").read_bytes() == (tmp_path / "two/scenes.jsonl").read_bytes()
    said = lines(tmp_path / "one/scenes.jsonl")
    assert len(said) == 2 * 2 * FRAMES and [line["model"] for line in said[:3]] == ["a 1", "b 2", "a 1"]
    assert said[0]["frame"] == f"bag#/front#{START}" and "seconds" not in said[0]["scene"]
    assert [line["topic"] for line in said[:4]] == ["/front", "/front", "/rear", "/rear"]


def written(folder: Path, out: Path, track: int = 0) -> dict[str, bytes]:
    """Replays the folder's bag and the questions in its labels with two models; returns what out then holds."""
    recordings, known = open_recordings([folder / "bag"], Selection()), folder / "labels.jsonl"
    truths = replay.labels_of(recordings, str(known), "") if known.exists() else {}
    with ReplayLog(out, {"source": "bag"}) as log:
        replay_run.run(recordings, load_models(["a 1", "b 2"], "cpu", None), log, truths, track)
    return {name: (out / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bag with labels, and what an uninterrupted replay of it writes."""
    folder = tmp_path_factory.mktemp("whole")
    record(folder / "bag")
    labels(folder / "labels.jsonl", questions=[{"task": "sign colour", "answer": "red"}])
    return folder, written(folder, folder / "out")


@given(cuts=st.tuples(*(st.floats(0, 1) for _ in FILES)), dirt=st.sampled_from([b"", b'{"frame": "ba', b"\xff\x00"]))
def test_a_replay_cut_off_anywhere_goes_on_with_nothing_lost_and_nothing_twice(tmp_path_factory, whole, cuts, dirt):
    folder, files = whole
    out = tmp_path_factory.mktemp("cut")
    for name, cut in zip(FILES, cuts, strict=True):
        (out / name).write_bytes(files[name][: round(cut * len(files[name]))] + dirt)
    found = written(folder, out)
    assert {name: found[name] for name in FILES[:2]} == {name: files[name] for name in FILES[:2]}
    assert sorted(found["answers.jsonl"].splitlines()) == sorted(files["answers.jsonl"].splitlines())


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Two cameras, tracked, uninterrupted."""
    folder = tmp_path_factory.mktemp("tracked")
    record(folder / "bag", ("/left", "/right"))
    return folder, written(folder, folder / "out", 3)


@given(cuts=st.tuples(*(st.floats(0, 1) for _ in FILES)))
def test_a_tracked_replay_cut_off_anywhere_says_the_same(tmp_path_factory, tracked, cuts):
    folder, files = tracked
    out = tmp_path_factory.mktemp("cut")
    for name, cut in zip(FILES, cuts, strict=True):
        (out / name).write_bytes(files[name][: round(cut * len(files[name]))])
    assert written(folder, out, 3)["scenes.jsonl"] == files["scenes.jsonl"]


def test_a_tracked_replay_proposes_on_every_nth_frame_of_a_camera_and_keeps_ids(tracked):
    scenes = [json.loads(line) for line in tracked[1]["scenes.jsonl"].splitlines()]
    for camera in ("/left", "/right"):
        own = [line["scene"] for line in scenes if line["topic"] == camera and line["model"] == "a 1"]
        assert [scene.get("tracked", False) for scene in own] == [number % 3 > 0 for number in range(FRAMES)]
        assert {lane["id"] for scene in own for lane in scene["lanes"]} == {1}


def test_a_tracked_replay_tells_how_many_frames_were(tmp_path, capfd):
    code, said, _ = run(capfd, record(tmp_path / "bag"), "--track", 5, "--out", tmp_path / "out")
    assert code == 0 and re.search(r"frames on which something was carried over +80\.0 \(", said)
    assert run(capfd, tmp_path / "bag", "--out", tmp_path / "out")[2].count("holds a replay with other track") == 1


def test_a_killed_replay_goes_on_where_it_stopped(tmp_path, capfd):
    bag = record(tmp_path / "bag", frames=40)
    arguments = [str(bag), "--model", "scripted 000000", "--out", str(tmp_path / "out")]
    command = [sys.executable, str(SCRIPTED), "replay", *arguments]
    environment = {**os.environ, "GETOK_TEST_SECONDS": "0.05", "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        scenes = tmp_path / "out" / "scenes.jsonl"
        end = time.monotonic() + 60
        while not (scenes.exists() and scenes.read_bytes().count(b"\n") >= 5):
            assert running.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
    finally:
        running.kill()
    before = scenes.read_bytes().count(b"\n")
    assert 5 <= before < 40
    assert run(capfd, *arguments)[0] == 0
    assert run(capfd, *arguments[:-1], tmp_path / "fresh")[0] == 0
    assert scenes.read_bytes() == (tmp_path / "fresh/scenes.jsonl").read_bytes() and len(lines(scenes)) == 40


def test_labels_may_be_mended_without_asking_the_model_again(tmp_path, capfd):
    bag, out = record(tmp_path / "bag"), tmp_path / "out"
    assert run(capfd, bag, "--out", out)[0] == 0
    before = (out / "timing.jsonl").read_bytes()
    assert run(capfd, bag, "--labels", labels(tmp_path / "labels.jsonl"), "--out", out)[0] == 0
    assert (out / "timing.jsonl").read_bytes() == before and rows(out)["lanes within 1 %: F1"][0] == 1


# -- numbers ----------------------------------------------------------------------------------------------------------


def test_scenes_that_are_true_score_one_and_the_worst_frame_comes_last(tmp_path, capfd):
    bag, truth = record(tmp_path / "bag"), labels(tmp_path / "labels.jsonl")
    code, out, err = run(
        capfd, bag, "--labels", truth, "--model", "a 1", "--model", "late 2", "--out", tmp_path / "out"
    )
    assert (code, err) == (0, "") and "10 of 10 frames are labelled" in out and "time of day: night" in out
    exact, late = rows(tmp_path / "out", "a 1"), rows(tmp_path / "out", "late 2")
    for row in ("lanes within 1 %: F1", "lanes, CULane at IoU 0.75: F1", "obstacles: AP", "lanes, TuSimple: accuracy"):
        assert exact[row][0] == 1
    assert exact["lanes: lateral error, px"][0] == 0 and "drivable area: IoU" not in exact
    assert late["lanes within 2 %: F1"][0] == pytest.approx(6 / 10)  # frames 0, 3, 6, 9 lie 6 % of the width beside
    assert exact["frames with a fault"][0] == 1 / 10
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    scored = {frame["frame"][-9:]: frame for frame in metrics["frames"]}
    assert [frame["score"] for frame in metrics["frames"]] == [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
    assert scored["000000000"]["worst"] == "lanes within 2 %: F1"
    assert metrics["parity"]["frames"] == 10 and metrics["parity"]["equal scenes"][0] == 6 / 10
    assert metrics["parity"]["largest difference, px"] == pytest.approx(4.0)
    assert metrics["parity"]["same words"][0] == 1 and metrics["parity"]["obstacles"][0] == 1


def test_answers_slices_false_things_and_times_are_counted(tmp_path, capfd):
    bag = record(tmp_path / "bag", frames=12)
    asked = [{"task": "sign colour", "region": "1,1,20,20", "answer": "red"}]
    truth = labels(tmp_path / "labels.jsonl", 12, questions=asked, obstacles=[])
    code, out, _ = run(capfd, bag, "--labels", truth, "--deadline", "0.025", "--out", tmp_path / "out")
    assert code == 0 and "false obstacles, signs and lights on empty road, per hour" in out
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())["models"]["scripted 000000"]
    scenes, answers, times = (table["columns"]["model"] for table in metrics["tables"])
    assert answers["sign colour"][0] == 3 / 12
    assert metrics["confusions"]["sign colour"] == {"red": {"blue": 9, "red": 3}}
    # a car on frames 1, 3, .. 9, and the 11 steps of 0.1 s that lie between the 12 frames
    assert scenes["false obstacles, signs and lights on empty road, per hour"][0] == pytest.approx(5 * 3600 / 1.1)
    assert times["median, ms"][0] == pytest.approx(25.5) and times["longest, ms"][0] == pytest.approx(31)
    assert times["frames later than the deadline of 25 ms"][0] == 6 / 12
    slices = {"time of day: night": 6, "time of day: day": 6, "camera: /front": 12}
    assert set(metrics["slices"]) == {f"{name} ({count} frames)" for name, count in slices.items()}


def test_labels_may_lie_in_the_bag(tmp_path, capfd):
    from getok_ros.bag_scenes import scene_to_record

    with BagWriter(tmp_path / "bag") as bag:
        for number in range(FRAMES):
            stamp = START + number * STEP
            bag.write("/front", picture(number), stamp, jpeg_quality=None)
            bag.write_message("/truth", scene_to_record(scene(number), stamp), stamp)
    code, _, err = run(capfd, tmp_path / "bag", "--labels", "/truth", "--out", tmp_path / "out")
    assert (code, err) == (0, "") and rows(tmp_path / "out")["lanes within 1 %: F1"][0] == 1


# -- bad input --------------------------------------------------------------------------------------------------------


def test_of_a_damaged_bag_what_can_be_read_is_scored_and_the_rest_is_listed(tmp_path, capfd):
    bag = record(tmp_path / "bag", frames=200)
    file = next((tmp_path / "bag").glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    code, _, err = run(capfd, bag, "--out", tmp_path / "out")
    said = lines(tmp_path / "out/scenes.jsonl")
    assert code == 2 and 50 < len(said) < 150
    unreadable = json.loads((tmp_path / "out/metrics.json").read_text())["unreadable"]
    assert f"/front: {200 - len(said)} of 200 messages are lost" in [lost["why"] for lost in unreadable]
    assert err.count("\n") == len(unreadable)


def test_frames_of_several_sizes_are_scored_each_in_its_own_pixels(tmp_path, capfd):
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(4):
        size = SIZE if number < 3 else (128, 72)
        cv2.imwrite(str(folder / f"{number}.png"), picture(number, size))
    (folder / "4.png").write_bytes(b"\x89PNG, or so it says")
    code, _, err = run(capfd, folder, "--out", tmp_path / "out")
    assert code == 2 and "frames of 2 sizes: 3 of 64 x 36, 1 of 128 x 72" in err and "4.png" in err
    assert len(lines(tmp_path / "out/scenes.jsonl")) == 4


def test_bad_input_is_one_line_before_anything_runs(tmp_path, capfd):
    bag, out = record(tmp_path / "bag"), tmp_path / "out"
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "file").write_text("")
    other = labels(tmp_path / "other.jsonl")
    other.write_text(other.read_text().replace('"frame": ', '"frame": 77'))
    table = [
        ([tmp_path / "none"], "does not exist"),
        ([bag, "--topic", "/rear"], "no images on /rear: name one of /front"),
        ([bag, bag], "was given twice"),
        ([bag, "--start", "5", "--end", "2"], "range 5..2 s is empty"),
        ([bag, "--labels", tmp_path / "none.jsonl"], "none.jsonl"),
        ([bag, "--labels", tmp_path / "empty.jsonl"], "is empty"),
        ([bag, "--labels", other], "belong to other frames"),
        ([bag, "--labels", "/truth"], "/truth"),
        ([bag, "--out", tmp_path / "file"], "cannot create folder"),
        ([bag, "--start", "900"], "no frame of"),
    ]
    for arguments, says in table:
        code, said, err = run(capfd, *arguments, *(() if "--out" in arguments else ("--out", out)))
        assert (code, said) == (2, "") and says in err and err.count("\n") == 1, (arguments, err)


def test_a_folder_holds_one_replay(tmp_path, capfd):
    bag, out = record(tmp_path / "bag"), tmp_path / "out"
    assert run(capfd, bag, "--out", out)[0] == 0
    for change in (["--stride", 2], ["--model", "b 2"]):
        code, _, err = run(capfd, bag, "--out", out, *change)
        assert code == 2 and re.search("holds a replay with other (selection|model)", err) and err.count("\n") == 1


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(tmp_path, capfd):
    bag, out = record(tmp_path / "bag"), tmp_path / "out"
    command = [sys.executable, str(SCRIPTED), "replay", str(bag), "--out", str(out)]
    small = ["sh", "-c", 'ulimit -f 3; exec "$@"', "sh", *command]  # no file over 3 blocks of 512 bytes
    done = subprocess.run(
        small,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("getok")]
    assert done.returncode == 2 and len(said) == 1 and "make room and run the same command again" in said[0]
    assert run(capfd, bag, "--out", out)[0] == 0 and len(lines(out / "scenes.jsonl")) == FRAMES


def test_what_is_written_is_json_that_any_reader_takes(tmp_path, capfd):
    run(capfd, record(tmp_path / "bag", frames=1), "--out", tmp_path / "out")
    for file in (tmp_path / "out").iterdir():
        for text in [file.read_text()] if file.suffix == ".json" else file.read_text().splitlines():
            json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity
