"""`getok demo`: a drive, rendered here or given, replayed live with three questions: film, page and numbers."""

from __future__ import annotations

import shutil
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import cv2

from getok_core.errors import GetokError

from .bags import BagWriter
from .film import make_folder, open_overlay
from .frames import open_source
from .progress import bar
from .replay import replay
from .replay_film import FILM

SEED, FRAMES, SIZE, FPS = 125, 160, (1280, 720), 10.0
"""the rendered drive"""
DRIVE = "synthetic_drive"


def demo(arguments: Namespace) -> int:
    """0 when scenes and three answers arrived, else one line on stderr and 1. Raises GetokError on bad input."""
    from .cli import parser

    signal.signal(signal.SIGTERM, _interrupt)
    out = Path(arguments.out)
    if arguments.video and open_source(arguments.video).kind == "image":
        raise GetokError(f"{arguments.video} is one image: give a video or a folder, or use getok perceive")
    make_folder(out)
    open_overlay(out / FILM, "video")  # what the last step needs is missed now, not then
    given = ["--out", str(out), "--device", arguments.device, "--pace", arguments.pace]
    source = arguments.bag or arguments.video
    if source is None:
        source = _drive(out / DRIVE, arguments.frames or FRAMES)
        given += ["--note", f"The drive is synthetic, rendered from seed {SEED}: it says nothing about real roads."]
    for option, value in (("--topic", arguments.topic), ("--model", arguments.model), ("--limit", arguments.frames)):
        given += [option, str(value)] if value else []
    return replay(parser().parse_args(["replay", str(source), "--live", "--ask", *given]))


def _drive(path: Path, count: int) -> Path:
    """A new bag of the synthetic drive."""
    try:
        from training.scenes import drive
    except ModuleNotFoundError:
        raise GetokError(
            "the drive is rendered by training/, in a checkout: run there, or give --bag or --video"
        ) from None
    cv2.setNumThreads(1)
    shutil.rmtree(path, ignore_errors=True)
    with BagWriter(path) as bag:
        for number, rendered in enumerate(bar(drive(SEED, count, SIZE, FPS), DRIVE, count)):
            bag.write("/image/compressed", rendered.image, 10**18 + int(number * 1e9 / FPS))
    return path


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    from .cli import main

    sys.exit(main(["demo", *sys.argv[1:]]))
