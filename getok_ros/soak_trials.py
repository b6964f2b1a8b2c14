"""What a node that stays is put through, a function a kind of trouble; each tells what it tried and what came of it."""

from __future__ import annotations

import sys
import time

import numpy as np

from getok_core.engines.troubled_engine import TROUBLES, picture_of

from . import soak_messages as made
from .soak_bench import Bench, Tally
from .soak_client import ACTIVATE, CONFIGURE, DEACTIVATE
from .soak_process import TrialProcess


def huge_queries(bench: Bench, size: int, chosen: int) -> Tally:
    """Bursts of 90 queries larger than any that follow. DDS never gives back the room for its longest queue of the
    largest messages; once it has that room, what still grows is a leak."""
    tally = Tally()
    for _ in range(size):
        ids = bench.names("huge", 90)
        for id in ids:
            bench.client.ask(id, {"text": made.LARGEST})
        bench.asked(tally, ids)
    bench.check(tally)
    return tally


def crowded_frames(bench: Bench, size: int, chosen: int) -> Tally:
    """As many questions as one frame takes, the longest among them: a runtime keeps the room of its largest batch."""
    tally = Tally()
    for _ in range(size):
        ids = bench.names("crowd", 8)
        for id in ids:
            bench.client.ask(id, made.LONGEST if id == ids[0] else None)
        bench.client.show(np.full((48, 64, 3), 9, np.uint8))
        bench.asked(tally, ids)
    bench.check(tally)
    return tally


def strange_images(bench: Bench, size: int, chosen: int) -> Tally:
    """Images of any size, step, encoding, length and stamp."""
    tally = Tally()
    for fields in made.examples(made.images(), size, chosen):
        bench.client.send_image(fields)
        tally.tried += 1
        time.sleep(0.005)
    bench.check(tally)
    return tally


def strange_queries(bench: Bench, size: int, chosen: int) -> Tally:
    """Queries of any text (up to 1 MB, control characters, tokens), region (NaN, wrong kinds), stamp and time-out."""
    tally = Tally()
    fields = [*made.examples(made.queries(), size, chosen)]
    for start in range(0, len(fields), 40):
        part = fields[start : start + 40]
        ids = bench.names("query \u00e9\x1b", len(part))
        for id, one in zip(ids, part, strict=True):
            bench.client.ask(id, one)
            time.sleep(0.002)
        bench.client.show(np.full((48, 64, 3), 9, np.uint8))
        bench.asked(tally, ids)
    bench.check(tally)
    return tally


def strange_parameters(bench: Bench, size: int, chosen: int) -> Tally:
    """Parameters changed at run time, most of them out of bounds or of another type."""
    tally = Tally()
    for name, value in made.examples(made.settings, size, chosen):
        answer = bench.client.set_parameter(name, value)
        tally.tried += 1
        if answer is None:
            tally.hangs += 1
            tally.notes.append(f"parameter {name} = {value!r} got no reply")
        elif not answer.successful and not answer.reason:
            tally.notes.append(f"parameter {name} = {value!r} was refused without a reason")
    for name, value in (("refinements", -1), ("deadline_s", 0.0), ("max_age_s", 1.0), ("query_limit", 200)):
        bench.client.set_parameter(name, value)
    bench.check(tally)
    return tally


def strange_clocks(bench: Bench, size: int, chosen: int) -> Tally:
    """Stamps that stand still, jump and run backwards as in a bag that loops; simulated time that does the same."""
    tally = Tally()
    rng = np.random.default_rng(chosen)
    bench.client.set_parameter("use_sim_time", True)
    start = float(rng.integers(1, 2**31 - 10**6))
    for number in range(size):
        at = start + (number % 8) * 0.1 - (number // 8 % 3) * 500  # a bag of 0.8 s that loops, and jumps
        bench.client.tick(at)
        stamp = bench.client.show(np.full((48, 64, 3), number % 200, np.uint8), (int(at), int(at % 1 * 1e9)))
        bench.client.wait(lambda stamp=stamp: stamp in bench.client.stamps, 0.2)
        tally.tried += 1
    ids = bench.names("clock", 3)
    for id, sec in zip(ids, (0, int(start), 2**31 - 1), strict=True):
        stamp = {"sec": sec, "nanosec": 0}
        bench.client.ask(id, {"text": "hm?", "has_stamp": True, "stamp": stamp, "region": {"kind": "", "points": []}})
    bench.asked(tally, ids)
    bench.client.set_parameter("use_sim_time", False)
    bench.check(tally)
    return tally


def broken_engine(bench: Bench, size: int, chosen: int) -> Tally:
    """An engine that raises, hangs for a second, says garbage, gives NaN or answers too little, with queries on top."""
    tally = Tally()
    kinds = [trouble for trouble in TROUBLES if trouble != "hang for good"]
    for number in range(size):
        trouble = kinds[(number + chosen) % len(kinds)]
        id = bench.names(trouble, 1)
        bench.client.show(picture_of(trouble))
        bench.client.ask(id[0])
        bench.asked(tally, id)
    bench.check(tally)
    return tally


def lifecycle(bench: Bench, size: int, chosen: int) -> Tally:
    """Deactivated and activated while queries come in; transitions that are not allowed."""
    tally = Tally()
    for number in range(size):
        ids = bench.names("state", 6)
        for place, id in enumerate(ids):
            bench.client.ask(id)
            if place == 2:
                moved = bench.client.change_state(DEACTIVATE)
                refused = bench.client.change_state(CONFIGURE if number % 2 else DEACTIVATE)
                tally.hangs += moved is None or refused is None
                tally.notes += ["a transition that is not allowed was made"] if refused else []
        bench.asked(tally, ids)
        tally.tried += 2
        bench.client.change_state(ACTIVATE)
    bench.check(tally)
    return tally


def killed_cameras(bench: Bench, size: int, chosen: int) -> Tally:
    """Cameras in processes of their own, killed in mid-frame with SIGKILL and restarted; every other has wrong QoS."""
    tally = Tally()
    for number in range(size):
        reliability = "best_effort" if number % 2 else "reliable"
        log = bench.folder / "camera.log"
        command = [sys.executable, "-m", "getok_ros.soak_client", bench.space, reliability]
        camera = TrialProcess(command, log)
        time.sleep(1.5 + 0.1 * (chosen % 7))
        camera.kill()
        tally.tried += 1
        bench.check(tally)
    return tally
