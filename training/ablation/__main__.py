"""Trains and scores the arms one after another: `python -m training.ablation --out runs/ablation --samples 120000`.

Scenes are rendered once; every arm sees the same in the same order. Results are kept after each arm: the same command
goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from getok_core.errors import DataError, GetokError
from training.sft_options import TINY

from .arms import ARMS, TABLES, Arm, chosen
from .learner import Effort, Gallery, train
from .network import save
from .scenes import training_scenes, unseen_scenes
from .scores import ALONE, TOKENS, measure

SECONDS = "seconds to train"
DECIMALS = {TOKENS: 0, ALONE: 0, SECONDS: 0}
"""of columns that are no percentages"""


def run(options: argparse.Namespace, arms: Sequence[Arm], results: dict[str, Any]) -> None:
    """Trains and scores what is not in the results yet, and writes them after each arm. Raises GetokError."""
    arms = [arm for arm in arms if arm.name not in results["arms"]]
    if not arms:
        return
    began = time.monotonic()
    tests = unseen_scenes(options.scenes, options.workers)
    scenes = training_scenes(options.frames, arms, options.workers)
    print(f"{len(scenes)} training and {len(tests)} test scenes in {time.monotonic() - began:.0f} s", flush=True)
    effort = Effort(options.samples, options.batch, options.rate, seed=options.seed, device=options.device,
                    compile=options.compile, imagenet=options.imagenet, sizes=TINY if options.tiny else {})  # fmt: skip
    gallery = Gallery(scenes, options.device)
    for arm in arms:
        model, seconds = train(arm, scenes, gallery, effort)
        save(model, arm, options.out)
        began = time.monotonic()
        scores = {name: list(cell) for name, cell in measure(model, arm, tests).items()}
        results["arms"][arm.name] = {**scores, SECONDS: [seconds] * 3}
        _write(options.out / "results.json", json.dumps(results, indent=1) + "\n")
        print(f"{arm.name}: trained {seconds:.0f} s, scored {time.monotonic() - began:.0f} s", flush=True)


def markdown(results: dict[str, Any]) -> str:
    """The tables of all arms that were run, a row an arm; the best interval is for the reader to find."""
    effort = results["effort"]
    lines = [
        f"{effort['samples']} samples an arm from {effort['frames']} scenes, {effort['batch']} at once, in one "
        f"order; {effort['scenes']} test scenes. Greedy, no grammar, offsets where an arm says so. Percent unless a "
        "column says otherwise; in brackets 95 % bootstrap intervals over scenes."
    ]
    for table in TABLES:
        rows = [ARMS[name] for name in table.arms if name in results["arms"]]
        if rows:
            columns = list(dict.fromkeys(name for arm in rows for name in results["arms"][arm.name]))
            lines += ["", f"**{table.title}**", "", "| |" + "|".join(columns) + "|", "|---" * (len(columns) + 1) + "|"]
            lines += [f"| {arm.says} |" + "|".join(_cell(results, arm, name) for name in columns) + "|" for arm in rows]
    return "\n".join(lines) + "\n"


def _cell(results: dict[str, Any], arm: Arm, column: str) -> str:
    value, low, high = results["arms"][arm.name].get(column, [float("nan")] * 3)
    if value != value:
        return "-"
    if column in DECIMALS:
        return f"{value:.{DECIMALS[column]}f}"
    return f"{100 * value:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def started(options: argparse.Namespace) -> dict[str, Any]:
    """Results so far in the folder, or none. Raises DataError when they come of another effort."""
    effort = {name: getattr(options, name) for name in ("samples", "frames", "batch", "rate", "scenes", "seed", "tiny")}
    path = options.out / "results.json"
    if options.fresh or not path.is_file():
        return {"effort": effort, "device": options.device, "arms": {}}
    results = json.loads(path.read_text())
    if results["effort"] != effort:
        old = results["effort"]
        raise DataError(f"{path} holds results of {old}, asked is {effort}: name another --out or give --fresh")
    return results


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; name a folder that can be written") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser("python -m training.ablation", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--arms", default="all", help="names with commas, or all: " + ", ".join(ARMS))
    add("--out", type=Path, default=Path("runs/ablation"), help="folder of results.json and tables.md")
    add("--samples", type=int, default=120_000 if cuda else 64, help="images each arm is shown")
    add("--frames", type=int, default=24_000 if cuda else 48, help="different training scenes")
    add("--scenes", type=int, default=256 if cuda else 8, help="test scenes")
    add("--batch", type=int, default=128 if cuda else 8)
    add("--rate", type=float, default=1.5e-3 if cuda else 1e-3, help="peak learning rate")
    add("--workers", type=int, default=15 if cuda else 2, help="processes that render; 0 renders in this one")
    add("--device", default="cuda" if cuda else "cpu")
    add("--compile", action=argparse.BooleanOptionalAction, default=cuda, help="compile the vision; default on a GPU")
    add("--imagenet", type=Path, help="ImageNet weights as safetensors; default: those the package carries")
    add("--seed", type=int, default=0)
    add("--tiny", action=argparse.BooleanOptionalAction, default=not cuda, help="a small network; default on a CPU")
    add("--fresh", action="store_true", help="forget the results in --out")
    options = parser.parse_args(arguments)
    try:
        results = started(options)
        run(options, chosen(options.arms), results)
        tables = markdown(results)
        _write(options.out / "tables.md", tables)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
