"""What is said of cameras, engine and queries follows from what happened, and from how long nothing did."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_ros import health, memory, tally
from getok_ros.health import ERROR, OK, STALE, WARN, CameraHealth, EngineHealth, Part, QueryHealth
from getok_ros.jobs import AHEAD_S, FOREIGN_S, Frame, Pending
from getok_ros.tally import LONGEST


class Clock:
    """Monotonic time that stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (health, tally):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


def report(camera: CameraHealth, dropped: int = 0) -> dict[str, Part]:
    return {part.name: part for part in camera.report(dropped)}


def watched(name: str = "", max_rate_hz: float = 0.0) -> CameraHealth:
    """A camera whose silence of 2 s is told."""
    camera = CameraHealth(name)
    camera.configure(2.0, max_rate_hz)
    camera.publishers = 1
    return camera


def test_a_camera_that_is_silent_grows_stale_and_recovers(clock: Clock) -> None:
    camera = watched()
    assert report(camera)["images"].message == "inactive: no camera is read"
    camera.active(True)
    clock.now += 1.9
    assert report(camera)["images"].level == OK
    clock.now += 1.0
    assert (report(camera)["images"].level, report(camera)["images"].message) == (STALE, "no frame for 2.9 s")
    camera.image()
    clock.now += 0.5
    said = report(camera)["images"]
    assert (said.level, said.values["rate [Hz]"], said.values["time since last frame [s]"]) == (OK, "2.0", "0.50")


@pytest.mark.parametrize(
    ("what", "part", "level"),
    [
        ("malformed", "images", WARN),
        ("too old", "images", WARN),
        ("foreign stamps", "images", WARN),
        ("failed", "scenes", ERROR),
        ("late", "scenes", WARN),
        ("degraded", "scenes", WARN),
        ("truncated", "scenes", WARN),
    ],
)
def test_trouble_is_told_once_in_the_next_report(clock: Clock, what: str, part: str, level: int) -> None:
    camera = watched("front")
    camera.active(True)
    camera.image()
    camera.scene(0.1, 0.2)
    camera.count(what, text="because of this")
    clock.now += 1.0
    told = report(camera)[f"front/{part}"]
    assert told.level == level
    assert "because of this" in told.message or what in told.message
    clock.now += 0.5
    assert report(camera)[f"front/{part}"].level == OK


def test_a_publisher_that_does_not_fit_is_an_error_while_nothing_comes(clock: Clock) -> None:
    camera = CameraHealth()
    camera.active(True)
    camera.configure(2.0)
    camera.qos = "/image of driver: best effort is offered, reliable wanted"
    assert report(camera)["images"].level == ERROR
    camera.image()
    clock.now += 1.0
    assert report(camera)["images"].level == WARN, "another publisher fits"
    clock.now += 2.0
    assert report(camera)["images"].level == ERROR
    camera.qos = ""
    assert (report(camera)["images"].level, report(camera)["images"].message) == (
        STALE,
        "no frame for 3.0 s: nobody publishes the topic",
    )


def test_subscribers_that_do_not_fit_are_told_of_scenes_and_queries(clock: Clock) -> None:
    camera, queries = watched(), QueryHealth()
    camera.active(True)
    camera.unheard = "/perception/scene of planner: durability"
    queries.qos = "/query of planner: reliability"
    told = [report(camera)["scenes"], queries.report(0)]
    assert [(part.level, part.message[:12]) for part in told] == [(WARN, "QoS mismatch")] * 2
    assert report(camera)["images"].level == OK, "the camera itself is well"


def test_a_camera_that_is_perceived_seldom_is_not_starved(clock: Clock) -> None:
    camera = watched(max_rate_hz=0.2)
    camera.active(True)
    for after_s, level in ((2.5, OK), (9.9, OK), (10.1, ERROR)):
        clock.now = 1000.0 + after_s
        camera.image()
        assert report(camera)["scenes"].level == level, after_s


def test_what_comes_from_outside_is_repeated_in_part(clock: Clock) -> None:
    camera = watched()
    camera.active(True)
    camera.count("malformed", text="x" * 2**20)
    told = report(camera)["images"]
    assert len(told.message) < 600 and len(told.values["last malformed"]) == LONGEST


def test_frames_without_scenes_are_an_error(clock: Clock) -> None:
    camera = watched()
    camera.active(True)
    clock.now += 2.5
    camera.image()
    told = report(camera)["scenes"]
    assert (told.level, told.message) == (ERROR, "frames arrive, but no scene went out for 2.5 s")


def test_percentiles_drops_and_faults_by_kind(clock: Clock) -> None:
    camera = CameraHealth()
    camera.active(True)
    for number in range(101):
        camera.scene(number / 1000, number / 100, ["stray token"] if number % 2 else ["stray token", "unclosed"])
    clock.now += 1.0
    said = report(camera, dropped=7)
    values = said["scenes"].values
    assert [values[f"latency {name} [ms]"] for name in ("p50", "p95", "max")] == ["50.0", "95.0", "100.0"]
    assert values["age p99 [ms]"] == "990.0"
    assert values["faults by kind"] == "stray token 101, unclosed 51"
    assert (said["images"].values["dropped [frames]"], said["images"].values["dropped total [frames]"]) == (7, 7)
    assert report(camera, dropped=9)["images"].values["dropped [frames]"] == 2


def test_the_engine_tells_how_far_its_loading_is() -> None:
    engine = EngineHealth()
    assert (engine.report(0.0, {}).level, engine.report(0.0, {}).message) == (OK, "unconfigured")
    engine.loading("cpu")
    engine.progress("warming up", 0.75)
    told = engine.report(0.0, {})
    assert (told.level, told.message) == (WARN, "loading")
    assert (told.values["step"], told.values["progress [%]"]) == ("warming up", "75")
    engine.ready("nano 1a2b3c")
    told = engine.report(1.25, {"GPU memory used [MiB]": "12"})
    assert (told.level, told.message, told.values["model"]) == (OK, "ready", "nano 1a2b3c")
    assert (told.values["at this frame for [s]"], told.values["GPU memory used [MiB]"]) == ("1.2", "12")
    engine.unloaded("failed: no model")
    assert engine.report(0.0, {}).level == ERROR


def test_refused_queries_are_told_with_the_last_reason() -> None:
    queries = QueryHealth()
    queries.count("answered", 3)
    queries.count("refused", text="the question is empty")
    told = queries.report(2)
    assert (told.level, told.message, told.values["waiting"]) == (WARN, "query refused: the question is empty", 2)
    assert queries.report(0).level == OK
    assert queries.report(0).values["answered total"] == 3


def test_a_query_is_claimed_once_though_many_try() -> None:
    pending, won = Pending(None), []
    threads = [threading.Thread(target=lambda: won.append(pending.claim())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 19 + [True]


@given(st.integers(-100, 100) | st.integers(-1_000_000, 1_000_000), st.integers(0, 600))
def test_an_age_is_that_of_the_stamp_unless_it_is_of_another_clock(off_s: int, limit_s: int) -> None:
    stamp = SimpleNamespace(sec=2_000_000, nanosec=500_000_000)
    frame = Frame(SimpleNamespace(header=SimpleNamespace(stamp=stamp)))
    age_s, foreign = frame.age_s(2_000_000.5 + off_s, limit_s)
    assert foreign == (off_s > max(FOREIGN_S, limit_s) or off_s < -AHEAD_S)
    assert 0 <= age_s < 1 if foreign else age_s == pytest.approx(max(off_s, 0), abs=1e-6)


def test_memory_of_the_process_is_that_of_the_system() -> None:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    assert memory.process_mib() == pytest.approx(int(line.split()[1]) / 1024, rel=0.05)


def test_memory_of_a_gpu_is_told_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: object) -> int:
            asked.append(index)
            return 0

        def nvmlDeviceGetMemoryInfo(self, device: object, told) -> int:
            told[0], told[1], told[2] = 80 << 30, 60 << 30, 20 << 30
            return 0

    asked: list[int] = []
    monkeypatch.setattr(memory, "_nvml", Library)
    for visible, index in (("", 0), ("2", 2), ("3,1", 3), ("GPU-8932f937", 0)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert memory.gpu_mib() and asked[-1] == index
    assert memory.gpu_mib() == (20 * 1024, 80 * 1024)
    assert memory.memory_values()["GPU memory used [MiB]"] == "20480"
    monkeypatch.setattr(memory, "_nvml", lambda: None)
    assert memory.gpu_mib() is None
    assert set(memory.memory_values()) == {"process memory [MiB]"}


def test_the_page_names_every_part_and_value() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "DIAGNOSTICS.md").read_text().split())
    engine = EngineHealth()
    engine.loading("cpu")
    parts = [*CameraHealth().report(0), QueryHealth().report(0), engine.report(0.0, {})]
    for part in parts:
        assert f"| {part.name} | OK |" in page
        percentiles = {key for key in part.values if key.startswith(("latency ", "age "))}
        assert len(percentiles) in (0, 8) and "`latency p50 [ms]`, `p95`, `p99`, `max`" in page and "`age ..`" in page
        for key in part.values.keys() - percentiles:
            assert f"`{key}`" in page, key
