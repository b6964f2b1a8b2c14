"""`getok`: results on stdout and nothing else, bad input in one line with exit code 2. The model here is scripted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from getok_core.errors import GetokError
from getok_core.moves import Moves
from getok_core.perceiver import Seen
from getok_core.queries import ABSENT, SIGN_COLOURS
from getok_core.scene import Answer, Fault, Lane, Obstacle, Scene
from getok_ros import cli, film, perceive
from getok_ros.share import default_model

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"image", "lanes", "drivable_areas", "obstacles", "signs", "lights", "faults", "truncated", "seconds", "model"}


class Scripted:
    """Sees one lane and one car in every image, and answers every question with its own text."""

    def perceive(self, image: np.ndarray) -> Scene:
        height, width = image.shape[:2]
        lane = Lane("dashed white", 0.9, np.array([[0.2 * width, height], [0.5 * width, 0.5 * height]]))
        car = Obstacle("car", 0.8, np.array([0.5, 0.5, 0.6, 0.6]) * [width, height, width, height])
        stages = {"vision": 0.06, "propose": 0.05, "refine": 0.02, "total": 0.14}
        return Scene(width, height, (lane,), (), (car,), faults=(Fault("unclosed"),), seconds=stages, model="fake 0")

    def look_at(self, looks) -> list[Seen]:
        moves = [Moves("pt", np.array([[40.0, 45.0]]), np.array([[120.0, 45.0]]))]
        return [Seen(self.perceive(look.image), [], 1, moves) for look in looks]

    def ask(self, image: np.ndarray, query) -> Answer:
        region = "" if query.region is None else query.region.kind
        scene = Scene(image.shape[1], image.shape[0])
        return Answer(f"{query.text}|{region}|{','.join(query.options)}", 0.5, scene=scene)


@pytest.fixture
def model(monkeypatch):
    """Commands get the scripted model instead of loading one."""
    monkeypatch.setattr(perceive, "load_perceiver", lambda arguments: Scripted())


@pytest.fixture
def picture(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "road.jpg"
    assert cv2.imwrite(str(path), rng.integers(0, 255, (90, 160, 3), np.uint8))
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "drive.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (160, 90))
    for value in range(12):
        writer.write(np.full((90, 160, 3), value * 20, np.uint8))
    writer.release()
    return path


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of one command."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        code = leaving.code
    out, err = capfd.readouterr()
    return code, out, err


def refused(capfd, *arguments: object) -> str:
    """The one line that a bad input gets."""
    code, out, err = run(capfd, *arguments)
    assert code == 2 and out == "", (code, out)
    assert err.startswith("getok: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err


def test_one_image_gives_one_json_object(model, picture, capfd):
    code, out, err = run(capfd, "perceive", picture, "--json")
    scene = json.loads(out)
    assert (code, err) == (0, "") and out.count("\n") == 1
    assert scene["image"] == {"width": 160, "height": 90}
    assert scene["lanes"] == [{"label": "dashed white", "score": 0.9, "points": [[32.0, 90.0], [80.0, 45.0]]}]
    assert scene["obstacles"][0]["box"] == [80.0, 45.0, 96.0, 54.0]
    assert set(scene) == KEYS


def test_one_image_gives_people_a_table(model, picture, capfd):
    code, out, _ = run(capfd, "perceive", picture)
    assert code == 0
    for word in ("road.jpg", "160 x 90", "140 ms", "dashed white", "car", "80,45 to 96,54", "unclosed"):
        assert word in out


def test_a_folder_gives_a_line_an_image_and_names_the_broken_one(model, picture, capfd):
    (picture.parent / "broken.jpg").write_bytes(picture.read_bytes()[:200])
    (picture.parent / "notes.txt").write_text("not an image")
    code, out, err = run(capfd, "perceive", picture.parent, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["frame"] for line in lines] == ["road.jpg"]
    assert code == 2 and "broken.jpg is cut off" in err, "what can be read is read, what cannot is named"


def test_a_video_gives_json_lines_a_progress_bar_and_a_film(model, video, capfd):
    pytest.importorskip("av", reason="films need PyAV: pip install av")
    made = video.parent / "overlay.mp4"
    code, out, err = run(capfd, "perceive", video, "--json", "--overlay", made)
    assert code == 0 and "12/12" in err
    assert [json.loads(line)["frame"] for line in out.splitlines()] == list(range(12))
    assert codec(made) == ("h264", "yuv420p", 160, 90, 12)


def codec(path: Path) -> tuple[str, str, int, int, int]:
    """Codec, pixel layout, width, height and number of frames."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        count = sum(1 for _ in container.decode(stream))
        return stream.codec_context.name, stream.pix_fmt, stream.width, stream.height, count


def test_an_overlay_of_an_image_is_a_picture(model, picture, capfd):
    made = picture.parent / "overlay.png"
    assert run(capfd, "perceive", picture, "--overlay", made)[0] == 0
    plain = cv2.imread(str(made))
    assert plain.shape == (90, 160, 3)
    assert run(capfd, "perceive", picture, "--overlay", made, "--arrows")[0] == 0
    changed = (cv2.imread(str(made)) != plain).any(axis=2)
    assert changed[40:50, 38:122].any() and not changed[:30].any(), "from the proposed vertex to the refined one"


def test_overlays_of_many_may_go_to_a_folder(model, video, capfd):
    made = video.parent / "pictures"
    assert run(capfd, "perceive", video, "--overlay", made)[0] == 0
    assert len(list(made.glob("*.png"))) == 12


def test_odd_sizes_and_changing_sizes_make_a_film(tmp_path):
    pytest.importorskip("av", reason="films need PyAV: pip install av")
    with film.open_overlay(tmp_path / "odd.mp4", "folder", 7.5) as made:
        for size in ((101, 75), (33, 21), (1, 1)):
            made.write("x", np.zeros((size[1], size[0], 3), np.uint8))
    assert codec(tmp_path / "odd.mp4")[2:] == (100, 74, 3)


def test_one_pixel_is_an_image(model, tmp_path, capfd):
    path = tmp_path / "dot.png"
    cv2.imwrite(str(path), np.zeros((1, 1, 3), np.uint8))
    code, out, _ = run(capfd, "perceive", path, "--json", "--overlay", tmp_path / "o.png")
    assert code == 0 and json.loads(out)["image"] == {"width": 1, "height": 1}


def test_questions_carry_region_and_options(model, picture, capfd):
    code, out, err = run(capfd, "ask", picture, "what colour?", "--region", "1,2,30,40", "--options", "red,blue")
    assert (code, err) == (0, "") and json.loads(out)["answer"] == "what colour?|box|red,blue"
    for region, kind in (("point:3,4", "pt"), ("polyline:1,2,3,4", "pl"), ("polygon:1,2,30,4,5,60", "poly")):
        assert f"|{kind}|" in json.loads(run(capfd, "ask", picture, "what?", "--region", region)[1])["answer"]


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("1,2,3", "x, y pairs"),
        ("1,2,x,4", "no number"),
        ("blob:1,2", "unknown"),
        ("30,40,1,2", "top-left"),
        ("500,500,600,600", "outside the image of 160 x 90"),
        ("nan,1,2,3", "not finite"),
        ("", "no number"),
    ],
)
def test_a_wrong_region_is_refused(model, picture, capfd, region, says):
    assert says in refused(capfd, "ask", picture, "what is it?", "--region", region)


def test_questions_without_text_or_options_are_refused(model, picture, capfd):
    assert "empty" in refused(capfd, "ask", picture, "  ")
    assert "option" in refused(capfd, "ask", picture, "what?", "--options", "a,,b")


def test_sources_that_hold_nothing_are_refused(model, picture, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.mp4").write_text("not a video at all")
    (tmp_path / "notes.txt").write_text("neither")
    (tmp_path / "cut.jpg").write_bytes(picture.read_bytes()[:300])
    (tmp_path / "zero.png").write_bytes(b"")
    assert "does not exist" in refused(capfd, "perceive", tmp_path / "missing.jpg")
    assert "holds no image" in refused(capfd, "perceive", tmp_path / "empty")
    assert "neither an image nor a video" in refused(capfd, "perceive", tmp_path / "notes.mp4")
    assert "neither an image nor a video" in refused(capfd, "perceive", tmp_path / "notes.txt", "--json")
    assert "cut off" in refused(capfd, "perceive", tmp_path / "cut.jpg")
    assert "0 bytes" in refused(capfd, "perceive", tmp_path / "zero.png")
    assert "cannot read image" in refused(capfd, "ask", tmp_path / "missing.jpg", "what?")


def test_places_that_cannot_be_written_are_refused(model, picture, video, tmp_path, capfd):
    assert "does not exist" in refused(capfd, "perceive", picture, "--overlay", tmp_path / "no" / "o.png")
    assert "add --overlay FILE" in refused(capfd, "perceive", picture, "--arrows")
    assert "suffix of an image" in refused(capfd, "perceive", picture, "--overlay", tmp_path / "o.mp4")
    assert "film or a folder" in refused(capfd, "perceive", video, "--overlay", tmp_path / "o.png")
    assert "cannot create folder" in refused(capfd, "perceive", video, "--overlay", picture / "inside")
    (tmp_path / "taken.png").mkdir()
    code, _, err = run(capfd, "perceive", picture, "--overlay", tmp_path / "taken.png")
    assert code == 2 and "cannot write" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux: /dev/full")
def test_a_full_disk_is_one_line(model, picture, monkeypatch, capfd):
    with open("/dev/full", "w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        assert cli.main(["perceive", str(picture), "--json"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("getok: cannot write all of the output: No space left on device; free some space")


def test_a_full_disk_is_one_line_in_the_middle_of_long_work(model, picture, monkeypatch, capfd):
    def fill(arguments):
        raise OSError(28, "No space left on device", "drive/scenes.jsonl")

    monkeypatch.setattr(perceive, "load_perceiver", fill)
    assert "cannot write drive/scenes.jsonl: No space left" in refused(capfd, "perceive", picture)


def test_arguments_are_refused_in_one_line(capfd, picture):
    assert "0 to 4" in refused(capfd, "perceive", picture, "--refinements", "9")
    assert "required" in refused(capfd, "ask", picture)
    assert "invalid choice" in refused(capfd, "see", picture)


def test_models_and_devices_that_are_not_there_are_refused(picture, tmp_path, capfd):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text('{"name": "other", "view": [1, 1], "engines": [], "tasks": []}')
    for command in (["perceive", picture], ["ask", picture, "what?"], ["info"]):
        assert "no model at" in refused(capfd, *command, "--model", tmp_path / "none")
        assert "is no JSON" in refused(capfd, *command, "--model", tmp_path / "broken")
        assert "malformed" in refused(capfd, *command, "--model", tmp_path / "other")
    assert "device 'tpu' is unknown" in refused(capfd, "perceive", picture, "--device", "tpu")


def test_a_cut_video_is_read_to_its_end_and_named(model, tmp_path, capfd):
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 90))
    rng = np.random.default_rng(0)
    for _ in range(20):
        writer.write(rng.integers(0, 255, (90, 160, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, out, err = run(capfd, "perceive", path, "--json")
    assert code == 2 and 5 < len(out.splitlines()) < 15 and "cut off" in err


def test_interruption_and_bugs_keep_their_own_exits(monkeypatch, picture, capfd):
    def stop(arguments):
        raise KeyboardInterrupt

    def fail(arguments):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(perceive, "load_perceiver", stop)
    assert run(capfd, "perceive", picture) == (130, "", "")
    monkeypatch.setattr(perceive, "load_perceiver", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["perceive", str(picture)])


def test_the_model_that_ships_sees_and_answers(picture, capfd):
    if not (default_model() / "manifest.json").is_file():
        pytest.skip(f"no model at {default_model()}: train and export one")
    code, out, err = run(capfd, "perceive", picture, "--json")
    scene = json.loads(out)
    assert (code, err) == (0, "") and set(scene) == KEYS and scene["seconds"]["total"] > 0
    digest = json.loads(run(capfd, "info")[1])["title"]
    assert scene["model"] == digest
    code, out, err = run(capfd, "ask", picture, "what colour is the sign?", "--region", "10,10,60,60")
    assert (code, err) == (0, "") and json.loads(out)["answer"] in (*SIGN_COLOURS, *ABSENT)


def test_films_without_pyav_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GetokError, match="pip install av"):
        film.open_overlay(tmp_path / "o.mp4", "video")


def test_help_is_quick_and_loads_no_vendor():
    code = "import sys; from getok_ros.cli import parser; parser(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "cv2", "onnxruntime", "torch", "rclpy", "tqdm", "rosbags"} & set(loaded.split())


def test_version_is_that_of_the_package(capfd):
    code, out, _ = run(capfd, "--version")
    assert code == 0 and f"<version>{out.split()[1]}</version>" in (ROOT / "package.xml").read_text()
