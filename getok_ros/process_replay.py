"""`getok process-replay`: a stored drive is perceived again and compared, token by token, with what was said before.

Tokens must be the same, geometry and scores within a tolerance, and time within a budget. Time is the processor's, all
cores together, and counts in runs of a fixed piece of arithmetic timed beside each frame: so the budget means the same
on a slower or a busy machine.
"""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from getok_core.errors import DataError
from getok_core.geometry import Box
from getok_core.queries import SceneQuery, question
from getok_core.view import RGB

from .bags import ImageBag
from .difference import differences
from .share import default_model, share

DRIVE, EXPECTED = "drive", "expected.json"
"""in the folder: the bag, and what was said about it"""
SPARE = {"mean": 2.0, "worst": 4.0}
"""by how much a budget exceeds what was measured when it was set"""
SHOWN = 40
"""differences printed; the rest are counted"""
PASSES = 3
"""the drive is perceived so often: each pass must say the same, and the quickest look at a frame counts"""


def process_replay(arguments: Namespace) -> int:
    """0 when nothing has changed, 1 with a line a difference. Raises DataError, ModelError and BagError."""
    from getok_core.engines import load_engine
    from getok_core.engines.tapped_engine import TappedEngine

    folder = Path(arguments.folder) if arguments.folder else share() / "tests" / "process_replay"
    images = _images(folder / DRIVE)
    expected = None if arguments.update else _read(folder / EXPECTED)
    model = Path(arguments.model) if arguments.model else default_model()
    engine = TappedEngine(load_engine(model, arguments.device))
    identity = {"model": engine.manifest.title, "images": _digest(images)}
    if expected is not None:
        _check_same(expected, identity, folder / EXPECTED)
    passes = [_said(engine, images) for _ in range(PASSES)]
    frames, spent = passes[0][0], np.min([times for _, times in passes], axis=0)
    measured = {"mean": float(spent.mean()), "worst": float(spent.max())}
    changed = [line for again, _ in passes[1:] for line in _compared(frames, again, "from pass to pass, frame")]
    if expected is None:
        budget = {name: round(value * SPARE[name], 2) for name, value in measured.items()}
        if not changed:
            _write(folder / EXPECTED, {**identity, "budget": budget, "frames": frames})
        return _report(changed, measured, budget, f"written: {folder / EXPECTED}, of {identity['model']}")
    changed += _compared(expected["frames"], frames, "frame")
    return _report(changed, measured, expected["budget"], f"{len(images)} frames of {identity['model']} as expected")


def asked(image: RGB) -> tuple[SceneQuery, ...]:
    """What every frame (H, W, 3) is asked beside the standing queries: words, a region, and given options."""
    height, width = image.shape[:2]
    middle = Box(np.array([[width / 2, height / 4], [width * 3 / 4, height / 2]]))
    return (
        question("How dense is the traffic?"),
        question("What colour is the sign?", middle),
        question("Is it raining?", options=("yes", "no")),
    )


def calibration_s() -> float:
    """Processor seconds that a fixed piece of arithmetic takes here and now: the shortest of five."""
    values = np.linspace(-3, 3, 200_000)
    spent: list[float] = []
    for _ in range(5):
        began = process_time()
        np.cumsum(np.tanh(values))
        spent.append(process_time() - began)
    return min(spent)


def _said(engine: Any, images: list[RGB]) -> tuple[list[Any], list[float]]:
    """For each frame its tokens, scene and answers as JSON; and how many calibration runs it took."""
    from getok_core.perceiver import Perceiver

    perceiver = Perceiver(engine)
    frames: list[Any] = []
    ratios: list[float] = []
    for image in images:
        engine.spoken.clear()
        unit = calibration_s()
        began = process_time()
        scene, answers = perceiver.look(image, asked(image))
        ratios.append((process_time() - began) / unit)
        frames.append(
            {
                "spoken": [asdict(one) for one in engine.spoken],
                "scene": _lasting(scene.to_json()),
                "answers": [_lasting(answer.to_json()) for answer in answers],
            }
        )
    return frames, ratios


def _lasting(said: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run."""
    return {name: value for name, value in said.items() if name not in ("seconds", "model")}


def _compared(expected: list[Any], found: list[Any], what: str) -> list[str]:
    """One line a field that differs, frame after frame."""
    if len(expected) != len(found):
        return [f"{len(expected)} frames expected, {len(found)} found"]
    pairs = enumerate(zip(expected, found, strict=True))
    return [f"{what} {number}: {line}" for number, (one, other) in pairs for line in differences(one, other)]


def _report(changed: list[str], measured: dict[str, float], budget: dict[str, float], fine: str) -> int:
    """Prints what changed, then the times; returns the exit code."""
    for line in changed[:SHOWN]:
        print(line)
    if len(changed) > SHOWN:
        print(f".. and {len(changed) - SHOWN} more")
    over = [name for name, value in measured.items() if value > budget[name]]
    spent = ", ".join(f"{name} {value:.1f} of {budget[name]:.1f}" for name, value in measured.items())
    print(f"time a frame, in calibration runs: {spent}{' - OVER BUDGET' if over else ''}")
    print(f"{len(changed)} differences" if changed else fine)
    return 1 if changed or over else 0


def _images(bag: Path) -> list[RGB]:
    with ImageBag(bag) as recording:
        return [recorded.rgb() for recorded in recording]


def _digest(images: list[RGB]) -> str:
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:16]


def _check_same(expected: dict[str, Any], identity: dict[str, str], path: Path) -> None:
    """What was expected of another model, or of other pictures, says nothing about this run."""
    for what, ours in identity.items():
        if expected[what] != ours:
            raise DataError(
                f"{path} is about {what} {expected[what]}, this run about {ours}: add --update to replace it"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        expected = json.loads(path.read_text())
        if not {"model", "images", "budget", "frames"} <= set(expected):
            raise ValueError("fields are missing")
        return expected
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}: add --update to write it") from None
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} is no expectation ({error}): add --update to write it again") from None


def _write(path: Path, expected: dict[str, Any]) -> None:
    """One line a request, so that a later difference is one line too."""
    frames = [
        "{" + ",\n".join(f'"{part}": {_lines(frame[part])}' for part in ("spoken", "scene", "answers")) + "}"
        for frame in expected["frames"]
    ]
    head = ",\n".join(f'"{name}": {json.dumps(expected[name])}' for name in ("model", "images", "budget"))
    path.write_text("{" + head + ',\n"frames": [\n' + ",\n".join(frames) + "\n]}\n")


def _lines(value: Any) -> str:
    return "[" + ",\n".join(map(json.dumps, value)) + "]" if isinstance(value, list) else json.dumps(value)
