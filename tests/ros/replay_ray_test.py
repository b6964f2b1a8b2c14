"""Replay on a Ray cluster of this machine: the same bytes as one process, also when a worker dies in mid-run."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="needs Ray: pip install ray")

from scripted_replay import load_models, picture

from getok_core.errors import GetokError
from getok_ros import replay_ray
from getok_ros.bags import BagWriter
from getok_ros.recordings import open_recordings
from getok_ros.replay_log import ReplayLog
from getok_ros.replay_ray import LOCAL, RETRIES, run_ray
from getok_ros.replay_run import run
from getok_ros.selection import Selection

HERE = str(Path(__file__).parent)
TITLE = "scripted 000000"
ARGUMENTS = SimpleNamespace(ray=LOCAL, model=[], device="cpu", refinements=None, engine=[], track=0)
PLAN = {"source": "three bags"}
FRAMES = (5, 4, 6)


@pytest.fixture
def recordings(tmp_path):
    for name, frames in zip("abc", FRAMES, strict=True):
        with BagWriter(tmp_path / name) as bag:
            for number in range(frames):
                bag.write("/front", picture(number), 10**18 + number * 10**8, jpeg_quality=None)
    return open_recordings([tmp_path / name for name in "abc"], Selection())


def loader(flag: Path, deaths: int):
    """Makes scripted models on a worker, and kills the worker in mid-frame that often."""

    def load(given, device, refinements, engines):
        sys.path.insert(0, HERE)
        from scripted_replay import Scripted

        class Mortal(Scripted):
            def perceive(self, image):
                said = super().perceive(image)
                if "car" in {thing.label for thing in said.obstacles} and len(list(flag.iterdir())) < deaths:
                    (flag / str(os.getpid())).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return said

        return {TITLE: Mortal(TITLE)}

    flag.mkdir()
    return load


def scenes(recordings, out: Path) -> bytes:
    """What one process writes."""
    with ReplayLog(out, PLAN) as log:
        run(recordings, load_models([], "cpu", None), log)
    return (out / "scenes.jsonl").read_bytes()


def test_shards_merge_to_what_one_process_writes_though_workers_die(recordings, tmp_path):
    expected = scenes(recordings, tmp_path / "one")
    ran = run_ray(recordings, {}, tmp_path / "many", PLAN, ARGUMENTS, loader(tmp_path / "deaths", 2))
    assert len(list((tmp_path / "deaths").iterdir())) == 2, "two workers were killed"
    assert (tmp_path / "many" / "scenes.jsonl").read_bytes() == expected
    assert ran.frames == sum(FRAMES) and ran.lost == []


def test_finished_recordings_are_kept_and_one_that_is_lost_for_good_is_one_line(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(replay_ray, "RETRIES", 0)
    expected = scenes(recordings, tmp_path / "one")
    deadly = loader(tmp_path / "deaths", 1)
    with pytest.raises(GetokError, match=r"was lost 1 times .*run the same command again") as refusal:
        run_ray(recordings, {}, tmp_path / "many", PLAN, ARGUMENTS, deadly)
    assert "\n" not in str(refusal.value) and RETRIES == 3
    run_ray(recordings, {}, tmp_path / "many", PLAN, ARGUMENTS, deadly)
    assert (tmp_path / "many" / "scenes.jsonl").read_bytes() == expected


def test_what_was_merged_is_not_asked_again(recordings, tmp_path, monkeypatch):
    run_ray(recordings, {}, tmp_path / "out", PLAN, ARGUMENTS, loader(tmp_path / "deaths", 0))
    before = (tmp_path / "out" / "scenes.jsonl").read_bytes()
    monkeypatch.setattr(replay_ray, "_connected", None)
    run_ray(recordings, {}, tmp_path / "out", PLAN, ARGUMENTS)
    assert (tmp_path / "out" / "scenes.jsonl").read_bytes() == before
    with pytest.raises(GetokError, match="other source"):
        run_ray(recordings, {}, tmp_path / "out", {"source": "another"}, ARGUMENTS)


def test_bad_input_of_a_worker_is_its_own_line(recordings, tmp_path):
    def load(given, device, refinements, engines):
        raise GetokError("no model at nowhere: name a model folder")

    with pytest.raises(GetokError, match=r"^no model at nowhere: name a model folder$"):
        run_ray(recordings, {}, tmp_path / "out", PLAN, ARGUMENTS, load)


def test_without_ray_one_line_names_the_extra(recordings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(GetokError, match=r"getok_ros\[ray\]"):
        run_ray(recordings, {}, tmp_path / "out", PLAN, ARGUMENTS)
