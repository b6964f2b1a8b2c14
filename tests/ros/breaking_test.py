"""The trials of `getok soak`, short: a real node around an engine that fails on demand meets nonsense and the worst."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy")
pytest.importorskip("getok_ros.msg", reason="needs the built messages: pip install .")

from getok_core.errors import QueryError
from getok_ros import msg, soak_endings, soak_messages, soak_trials
from getok_ros.messages import query_from_message
from getok_ros.share import default_model
from getok_ros.soak import report
from getok_ros.soak_bench import Bench, Tally
from getok_ros.soak_process import Sample

STAYING = [
    (soak_trials.strange_images, 60),
    (soak_trials.strange_queries, 50),
    (soak_trials.strange_parameters, 25),
    (soak_trials.strange_clocks, 16),
    (soak_trials.broken_engine, 5),
    (soak_trials.lifecycle, 2),
    (soak_trials.killed_cameras, 1),
    (soak_endings.killed_nodes, 1),
    (soak_endings.hung_engines, 1),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Bench(tmp_path_factory.mktemp("soak"), GETOK_SOAK_ENGINE="noise") as bench:
        assert bench.ready(), bench.node.said
        yield bench


@pytest.mark.parametrize(("trial", "size"), STAYING, ids=[trial.__name__ for trial, _ in STAYING])
def test_nothing_crashes_hangs_or_gets_lost(bench, trial, size):
    tally = trial(bench, size, 3)
    assert (tally.crashes, tally.hangs, tally.lost, tally.notes) == (0, 0, 0, []), bench.node.said[-2000:]
    assert tally.tried >= size
    assert bench.node.code is None


@pytest.mark.parametrize("trial", [soak_endings.replaced_models, soak_endings.full_disks])
def test_a_node_of_its_own_survives_what_happens_to_its_disk(tmp_path, trial):
    if trial is soak_endings.replaced_models and not (default_model() / "manifest.json").is_file():
        pytest.skip(f"no model at {default_model()}")
    tally = trial(tmp_path, 1, 3)
    if any(note.startswith("not tried") for note in tally.notes):
        pytest.skip(tally.notes[0])
    assert (tally.crashes, tally.hangs, tally.lost, tally.notes) == (0, 0, 0, [])
    assert tally.tried >= 1


def test_what_goes_wrong_is_counted(bench, tmp_path, monkeypatch):
    tally = Tally()
    bench.client.answers["twice"] = 2
    monkeypatch.setattr(bench.client, "all_answered", lambda ids: False)
    bench.asked(tally, ["never", "twice"])
    assert (tally.tried, tally.lost) == (2, 2)
    dying = Bench(tmp_path, command=lambda *_: [sys.executable, "-c", "print('I fall'); raise SystemExit(7)"])
    monkeypatch.setattr(dying, "respawn", lambda: None)
    with dying:
        assert dying.node.wait(10) == 7
        dying.check(tally)
        assert tally.crashes == 1 and tally.notes == ["exit code 7: I fall"]


def test_the_figures_tell_growth_and_recovery():
    tallies = {"images": Tally(5, 1, 0, 2, ["why"]), "killed": Tally(2, recovery_s=[1.0, 3.0])}
    samples = [Sample(60.0 * number, 100 + number, 20 + number // 10, 9) for number in range(30)]
    text = "\n".join(report(tallies, samples, 0.0))
    assert "in all                      7        1        0        2" in text and "note, images: why" in text
    assert "slope +60.0 MiB/h" in text and "20 at first, 22 at last" in text
    assert "recovery, killed: median 2.0 s, worst 3.0 s" in text
    assert "never measured" in "\n".join(report({}, [], 0.0))


def test_the_messages_are_as_strange_as_they_say_and_the_same_for_a_seed():
    some = [*soak_messages.examples(soak_messages.images(), 50, 1)]
    assert repr(some) == repr([*soak_messages.examples(soak_messages.images(), 50, 1)])
    assert any(one["step"] * one["height"] != len(one["data"]) for one in some)
    assert any(one["stamp"]["sec"] < 0 for one in some) and any(one["width"] > 10**6 for one in some)
    texts = [one["text"] for one in soak_messages.examples(soak_messages.queries(), 200, 1)]
    assert any(len(text) > 10**6 for text in texts) and any("<grid" in text for text in texts)
    assert any(not text.isprintable() for text in texts)


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"text": "\n" * 2**20}, "1048576 characters and 0 options"),
        ({"text": "which?", "options": ["x"] * 10_000}, "10000 options: at most 500 and 32"),
        (
            {"text": "?", "has_region": True, "region": msg.Region(kind="seeds", points=[msg.Point2()] * 257)},
            "257 vert",
        ),
    ],
)
def test_what_is_far_too_long_is_refused_early(fields, fact):
    with pytest.raises(QueryError, match=fact):
        query_from_message(msg.Query(**fields))
