"""What ends a node, or must not: it is killed, hangs, loses its model or its disk. Each tells what came of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from getok_core.engines.troubled_engine import picture_of

from .share import default_model
from .soak_bench import HANG_LIMIT_S, Bench, Tally
from .soak_client import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE
from .soak_process import node_command, on_full_disk

WEIGHTS = "weights.bin"


def killed_nodes(bench: Bench, size: int, chosen: int) -> Tally:
    """A node killed with SIGKILL in mid-frame and started again."""
    tally = Tally()
    for _ in range(size):
        bench.client.show(picture_of("hang"))
        time.sleep(0.3)
        bench.node.kill()
        tally.tried += 1
        _recovered(bench, tally)
    return tally


def hung_engines(bench: Bench, size: int, chosen: int) -> Tally:
    """An engine that never comes back: the node answers what waits, ends with code 3, and is started again."""
    tally = Tally()
    for _ in range(size):
        ids = bench.names("stuck", 2)
        bench.client.show(picture_of("hang for good"))
        for id in ids:
            bench.client.ask(id)
        bench.asked(tally, ids)
        code = bench.node.wait(HANG_LIMIT_S + 15)
        if code != 3:
            tally.hangs += code is None
            tally.crashes += code is not None
            tally.notes.append(f"a hung engine ended the node with code {code}, not 3")
            bench.node.kill()
        _recovered(bench, tally)
    return tally


def _recovered(bench: Bench, tally: Tally) -> None:
    took_s = bench.respawn()
    if took_s is None:
        tally.hangs += 1
        tally.notes.append(f"a new node did not serve within 60 s: {bench.last_words}")
    else:
        tally.recovery_s.append(took_s)


def replaced_models(folder: Path, size: int, chosen: int) -> Tally:
    """The model's files written over, cut off and removed at work; then loaded again: refused, until they are whole."""
    tally = Tally()
    model = folder / "model"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(default_model(), model)
    with Bench(folder, "-p", f"model:={model}") as bench:
        tally.hangs += not bench.ready()
        for number in range(size):
            _damage(model / WEIGHTS, (number + chosen) % 3)
            tally.tried += 1
            bench.check(tally)
            moved = [bench.client.change_state(step) for step in (DEACTIVATE, CLEANUP, CONFIGURE)]
            if moved != [True, True, False]:
                tally.notes.append(f"with a damaged model deactivate, cleanup, configure gave {moved}")
            shutil.copyfile(default_model() / WEIGHTS, model / WEIGHTS)
            if not (bench.client.change_state(CONFIGURE) and bench.client.change_state(ACTIVATE)):
                tally.notes.append("a model made whole again was not loaded")
            bench.check(tally)
    return tally


def _damage(weights: Path, kind: int) -> None:
    """Cut off, written over with zeros, or removed."""
    if kind == 2:
        weights.unlink()
    else:
        weights.write_bytes(b"cut" if kind == 0 else bytes(weights.stat().st_size))


def full_disks(folder: Path, size: int, chosen: int) -> Tally:
    """A node whose log has no room, and an overlay that does not fit on its disk."""
    tally, disk = Tally(), folder / "disk"
    disk.mkdir(exist_ok=True)
    if subprocess.run(on_full_disk(["true"], disk), capture_output=True, check=False).returncode:
        tally.notes.append("not tried: this machine lends no file system of its own (unshare)")
        return tally
    with Bench(folder, command=lambda *given: _crowded(disk, *given), ROS_LOG_DIR=str(disk)) as bench:
        tally.hangs += not bench.ready()
        tally.tried += 1
        bench.check(tally)
    for number in range(size):
        tally.tried += 1
        said = _overlay_without_room(folder, disk, chosen + number)
        if said:
            tally.crashes += 1
            tally.notes.append(said)
    return tally


def _crowded(disk: Path, space: str, *ros: str) -> list[str]:
    """The node, where a full file system stands at `disk`."""
    fill = 'head -c 100000 /dev/zero > "$0/full" 2>/dev/null; exec "$@"'
    return on_full_disk(["sh", "-c", fill, str(disk), *node_command(space, *ros)], disk)


def _overlay_without_room(folder: Path, disk: Path, chosen: int) -> str:
    """What was wrong with how `getok perceive --overlay` took it, or nothing: one line and exit code 2 are right."""
    picture = folder / "picture.png"
    cv2.imwrite(str(picture), np.random.default_rng(chosen).integers(0, 256, (360, 640, 3), np.uint8))
    command = [sys.executable, "-m", "getok_ros.cli", "perceive", str(picture), "--overlay", str(disk / "overlay.png")]
    done = subprocess.run(on_full_disk(command, disk), capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("getok:")]
    if done.returncode == 2 and len(lines) == 1 and "Traceback" not in done.stderr:
        return ""
    return f"an overlay without room ended with code {done.returncode}: {done.stderr[-200:]}"
