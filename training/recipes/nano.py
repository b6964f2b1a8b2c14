"""Everything that models/nano and its tables take, by one command that may be stopped and called again.

`training/recipes/nano.sh OUT --minutes 14` trains the network and the segmenter, runs the ablations, exports both and
scores the result; OUT/state.json says what is done. Exits 0 when all is done, 3 when the same command has to be called
again, 1 when a stage failed, 2 on a user's mistake.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import safe_open

from getok_core.errors import DataError, GetokError
from getok_core.manifest import check_files, read_manifest

from .parcel import write_parcel
from .stages import DONE, FAILED, SKIPPED, STATE, Stage, run

TRAIN, SEGMENTER, EXPORT, EXPORT_SEGMENTER = "train", "segmenter", "export", "export_segmenter"
ABLATIONS, SYNTHETIC, REAL = "ablations", "synthetic", "real"
KEPT = ("nano", "nano_segmenter", "run/average.safetensors", "run/curve.jsonl", "segmenter", "ablation/results.json",
        "ablation/tables.md", "synthetic.json", "synthetic.md", "real.json", "real.md", STATE)  # fmt: skip
"""what the parcel holds; weights of the arms stay behind"""
STEP_S = 5.0
"""more than a step of the segmenter takes: its clock stands still in the last"""
REAL_FRAMES = ("udacity_carnd_p1", "comma10k", "roadsigns")
"""folders of GETOK_DATA that the real suite reads"""
TINY_TRAIN = ("--tiny", "--samples", "8", "--batch", "2", "--workers", "0", "--first", "4", "--pool", "8", "--length",
              "160", "--threads", "1", "--show-s", "0", "--device", "cpu", "--no-compile")  # fmt: skip
TINY_SEGMENTER = ("--minutes", "0.02", "--batch", "1", "--first", "2", "--pool", "4", "--workers", "0", "--side", "128",
                  "--held-out", "1", "--device", "cpu")  # fmt: skip
TINY_ABLATION = ("--arms", "grid", "--samples", "4", "--frames", "4", "--scenes", "1", "--batch", "2", "--workers", "0",
                 "--device", "cpu", "--tiny", "--no-compile")  # fmt: skip
TINY_SCORES = ("--scenes", "1", "--empty", "1", "--learn", "2", "--workers", "1", "--real-frames", "1")


def stages_of(options: argparse.Namespace) -> list[Stage]:
    """The stages that the options ask for, in order: what is dear to lose comes first."""
    out, smoke = options.out, options.smoke
    cores = str(len(os.sched_getaffinity(0)))
    imagenet = ("--imagenet", str(options.imagenet)) if options.imagenet else ()
    photos = ("--no-photos",) if options.no_photos else ()
    train = TINY_TRAIN if smoke else ("--minutes", str(options.minutes), "--workers", cores, "--save-s", "120")
    segmenter = TINY_SEGMENTER if smoke else ("--minutes", str(options.segmenter_minutes), "--workers", cores)
    ablation = TINY_ABLATION if smoke else ("--arms", options.arms, "--workers", cores)
    scores = TINY_SCORES if smoke else ("--scenes", str(options.scenes))
    run_, model = str(out / "run"), str(out / "nano")

    def scored(suite: str) -> tuple[str, ...]:
        return ("training.evaluate", "--model", model, "--suite", suite, "--refinements", "0,1,2,3", "--device", "cpu",
                "--json", str(out / f"{suite}.json"), "--markdown", str(out / f"{suite}.md"), *scores)  # fmt: skip

    unasked = "" if options.arms else "no arms are asked for"
    return [
        Stage(TRAIN, ("training.sft", "--out", run_, *train, *imagenet, *photos, *shlex.split(options.sft)),
              _quiet(lambda: _trained(out, options.minutes, smoke)), least=2.5, pause="--pause"),
        Stage(EXPORT, ("training.export", run_, model, "--precision", "float16", "--refinements", "2", "--engines",
                       _engines()),
              _quiet(lambda: _exported(out)), (TRAIN,)),
        Stage(SEGMENTER, ("training.segmenter", "--out", str(out / "segmenter"), *segmenter, "--start", run_, *photos),
              _quiet(lambda: _segmenter_state(out)["seconds"] > 60 * float(segmenter[1]) - STEP_S), (TRAIN,),
              least=1.5),
        Stage(EXPORT_SEGMENTER, ("training.export_segmenter", str(out / "segmenter"), str(out / "nano_segmenter")),
              _quiet(lambda: _json(out / "nano_segmenter/manifest.json")["training"] == _segmenter_state(out)),
              (SEGMENTER,), skip=_no_onnx()),
        Stage(ABLATIONS, ("training.ablation", "--out", str(out / "ablation"), *ablation, *imagenet,
                          *shlex.split(options.ablation)),
              _quiet(lambda: _compared(out, ablation[1])), least=3.0, skip=unasked),
        Stage(SYNTHETIC, scored(SYNTHETIC), _quiet(lambda: _scored(out, SYNTHETIC)), (EXPORT,), least=3.0),
        Stage(REAL, scored(REAL), _quiet(lambda: _scored(out, REAL)), (EXPORT,), least=3.0, skip=_no_real_frames()),
    ]  # fmt: skip


# -- what is done --------------------------------------------------------------------------------------------------


def _quiet(look: Callable[[], bool]) -> Callable[[], bool]:
    """What cannot be read is not done."""

    def done() -> bool:
        try:
            return look()
        except (OSError, ValueError, KeyError, TypeError, GetokError):
            return False

    return done


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _state(out: Path) -> Any:
    """Samples and seconds of the network's checkpoint."""
    with safe_open(str(out / "run/average.safetensors"), "np") as file:
        return json.loads(file.metadata()["state"])


def _engines() -> str:
    """What the network is exported for here; unpacked where onnx is, it is exported again."""
    return "torch" if _no_onnx() else "onnx"


def _no_onnx() -> str:
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    remedy = "pip install 'getok_ros[training]', or unpack the parcel where it is"
    return f"{' and '.join(missing)} missing: {remedy}" if missing else ""


def _segmenter_state(out: Path) -> Any:
    return _json(out / "segmenter/state.json")


def _trained(out: Path, minutes: float, smoke: bool) -> bool:
    state = _state(out)
    return state["samples"] > 0 if smoke else state["seconds"] >= 60 * minutes


def _exported(out: Path) -> bool:
    manifest = read_manifest(out / "nano")
    check_files(out / "nano", manifest)
    return manifest.training["samples"] == _state(out)["samples"] and _engines() in manifest.engines


def _compared(out: Path, names: str) -> bool:
    from training.ablation.arms import chosen

    ready = _json(out / "ablation/results.json")["arms"]
    return (out / "ablation/tables.md").is_file() and all(arm.name in ready for arm in chosen(names))


def _scored(out: Path, suite: str) -> bool:
    return _json(out / f"{suite}.json")["model"] == read_manifest(out / "nano").title


def _no_real_frames() -> str:
    data = Path(os.environ.get("GETOK_DATA") or "/nowhere")
    missing = [name for name in REAL_FRAMES if not (data / name).is_dir()]
    command = "where they are, python -m training.evaluate --model OUT/nano --suite real scores them"
    return f"GETOK_DATA holds no {', '.join(missing)}: {command}" if missing else ""


# -- the command ---------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status, as the module says."""
    parser = argparse.ArgumentParser("nano.sh", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("out", type=Path, nargs="?", default=Path("runs/recipe"), help="folder of all that comes out")
    add("--minutes", type=float, default=14.0, help="training time of the network, all calls together")
    add("--segmenter-minutes", type=float, default=3.0)
    add("--call-minutes", type=float, default=0.0, help="after which this call stops; 0 for no limit")
    add("--arms", default="all", help='arms of the ablations, with commas; "" for none')
    add("--scenes", type=int, default=1000, help="synthetic scenes that the network is scored on")
    add("--imagenet", type=Path, help="ImageNet weights as safetensors; default: those the package carries")
    add("--no-photos", action="store_true", help="train on synthetic scenes only, no GETOK_DATA needed")
    add("--sft", default="", help='further options of training.sft, such as "--frozen-blocks 10"')
    add("--ablation", default="", help='further options of training.ablation, such as "--samples 60000"')
    add("--smoke", action="store_true", help="everything tiny, on a CPU: to see that all of it runs")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    try:
        return recipe(options)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2


def recipe(options: argparse.Namespace) -> int:
    """Runs what is not done and packs what there is. Raises GetokError."""
    if 0 < options.call_minutes < 4:
        raise DataError(f"--call-minutes is {options.call_minutes:g}: a call needs 4 at least, 0 is no limit")
    if options.smoke:
        options.no_photos = True
    elif not options.no_photos and not (Path(os.environ.get("GETOK_DATA") or "/nowhere") / "roadsigns").is_dir():
        raise DataError("GETOK_DATA names no folder with roadsigns/: set it, or give --no-photos")
    results = run(stages_of(options), options.out, options.call_minutes)
    pieces = write_parcel(options.out, KEPT)
    total = sum(piece.stat().st_size for piece in pieces) / 2**20
    print(f"{len(pieces)} pieces of {total:.1f} MiB together in {options.out / 'parcel'}", flush=True)
    if FAILED in results.values():
        return 1
    return 0 if set(results.values()) <= {DONE, SKIPPED} else 3


if __name__ == "__main__":
    sys.exit(main())
