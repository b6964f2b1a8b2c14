"""A stored drive is said again token by token; what changed is named field by field; only --update replaces it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from getok_core import engines
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.engines.tapped_engine import TappedEngine
from getok_core.perceiver import Perceiver
from getok_ros import cli, process_replay
from getok_ros.bags import BagWriter
from getok_ros.difference import differences
from getok_ros.share import share


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A drive of three frames and an engine without weights; nothing is expected yet."""
    with BagWriter(tmp_path / "drive") as bag:
        for number in range(3):
            image = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
            bag.write("/image", image, 10**18 + number, jpeg_quality=None)
    monkeypatch.setattr(engines, "load_engine", lambda *_: NoiseEngine(tokens=60))
    monkeypatch.setattr(process_replay, "SPARE", {"mean": 1e3, "worst": 1e3})
    return tmp_path


def run(capsys, folder, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["process-replay", "--folder", str(folder), *arguments])
    return (code, *capsys.readouterr())


def edit(folder, change):
    path = folder / "expected.json"
    expected = json.loads(path.read_text())
    change(expected)
    path.write_text(json.dumps(expected))
    return path.read_text()


def test_what_was_said_is_said_again(folder, capsys):
    assert run(capsys, folder, "--update")[0] == 0
    code, out, _ = run(capsys, folder)
    assert code == 0 and "3 frames of noise" in out and "as expected" in out
    expected = json.loads((folder / "expected.json").read_text())
    spoken = expected["frames"][0]["spoken"]
    assert len(spoken) == 8 and any(len(one["rounds"]) == 2 for one in spoken)


def test_every_change_is_named_and_nothing_is_updated_unasked(folder, capsys):
    run(capsys, folder, "--update")

    def change(expected):
        one, two, three = expected["frames"]
        one["spoken"][0]["tokens"][0] = "<grid_0_0>"
        two["scene"]["lanes"].append({"label": "curb", "score": 0.5, "points": []})
        three["answers"][0]["answer"] = "never"

    before = edit(folder, change)
    code, out, _ = run(capsys, folder)
    assert code == 1
    assert "frame 0: spoken[0].tokens[0]: '<grid_0_0>' -> " in out
    assert "frame 1: scene.lanes: " in out and "frame 2: answers[0].answer: 'never' -> " in out
    assert (folder / "expected.json").read_text() == before
    assert run(capsys, folder, "--update")[0] == 0 and run(capsys, folder)[0] == 0


def test_a_budget_that_is_exceeded_fails(folder, capsys):
    run(capsys, folder, "--update")
    edit(folder, lambda expected: expected["budget"].update(worst=1e-6))
    code, out, _ = run(capsys, folder)
    assert code == 1 and "OVER BUDGET" in out and "as expected" in out


def test_an_engine_that_says_something_else_each_time_is_not_stored(folder, capsys, monkeypatch):
    numbers = iter(range(1000))
    scripted = process_replay._said
    monkeypatch.setattr(process_replay, "_said", lambda *given: _renamed(scripted(*given), next(numbers)))
    code, out, _ = run(capsys, folder, "--update")
    assert code == 1 and "from pass to pass" in out and not (folder / "expected.json").exists()


def _renamed(said, number):
    said[0][0]["scene"]["width"] = number
    return said


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda e: e.update(model="other 123"), "is about model other 123, this run about noise"),
        (lambda e: e.update(images="0"), "is about images 0, this run about"),
        (lambda e: e.pop("budget"), "is no expectation (fields are missing): add --update"),
    ],
)
def test_an_expectation_of_something_else_is_refused(folder, capsys, change, line):
    run(capsys, folder, "--update")
    edit(folder, change)
    code, _, err = run(capsys, folder)
    assert code == 2 and line in err and err.count("\n") == 1


def test_a_missing_expectation_says_how_to_write_it(folder, capsys):
    code, _, err = run(capsys, folder)
    assert code == 2 and "expected.json" in err and "add --update to write it" in err


def test_the_stored_drive_is_small_and_its_expectation_is_complete():
    place = share() / "tests" / "process_replay"
    assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) < 2**20
    expected = json.loads((place / "expected.json").read_text())
    assert len(expected["frames"]) == 8 and expected["budget"]["mean"] > 0
    assert all(one["tokens"] for frame in expected["frames"] for one in frame["spoken"])


def test_a_tap_hears_every_token_and_changes_nothing():
    image = np.random.default_rng(5).integers(0, 256, (90, 160, 3), np.uint8)
    tap = TappedEngine(NoiseEngine())
    queries = process_replay.asked(image)
    tapped, plain = (Perceiver(engine).look(image, queries) for engine in (tap, NoiseEngine()))
    assert [*differences(plain[0].to_json() | {"seconds": 0}, tapped[0].to_json() | {"seconds": 0})] == []
    assert len(tap.spoken) == 8
    for one in tap.spoken:
        assert one.tokens[-1] == "</answer>" or one.stop != "end"


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"points": [[1.0, 2.0]]}, {"points": [[1.4, 2.0]]}, []),
        ({"points": [[1.0, 2.0]]}, {"points": [[1.6, 2.0]]}, ["points[0][0]: 1 -> 1.6"]),
        ({"points": [[1.0, 2.0]]}, {"points": []}, ["points: 1 expected, 0 found"]),
        ({"score": 0.5}, {"score": 0.505}, []),
        ({"score": 0.5}, {"score": float("nan")}, ["score: 0.5 -> nan"]),
        ({"count": 1}, {"count": True}, ["count: 1 -> True"]),
        ({"a": 1}, {"b": 1}, ["a: only expected", "b: only found"]),
        ({"label": "car"}, {"label": "bus"}, ["label: 'car' -> 'bus'"]),
        ([{"tokens": ["<pl>"]}], [{"tokens": ["<box>"]}], ["[0].tokens[0]: '<pl>' -> '<box>'"]),
    ],
)
def test_differences_are_named_by_their_path(one, other, said):
    assert [*differences(one, other)] == said
