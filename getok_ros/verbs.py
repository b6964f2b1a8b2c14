"""The commands of `getok`, a function each for their arguments. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from .argument_types import camera, minutes, positive, rounds, seconds


class Verbs(Protocol):
    """Where a command is added: what ArgumentParser.add_subparsers returns."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...


def add_verbs(verbs: Verbs) -> None:
    """Every command, in the order that help lists them."""
    for add in (_perceive, _ask, _info, _replay, _demo, _labelled_bag, _gate, _process_replay, _soak, _bench):
        add(verbs)


def command(module: str, function: str = "") -> Callable[[argparse.Namespace], int]:
    """What runs a command: this function of a module of getok_ros, or the one that is called as its module is."""

    def run(arguments: argparse.Namespace) -> int:
        return getattr(import_module(f".{module}", __package__), function or module)(arguments)

    return run


def _perceive(verbs: Verbs) -> None:
    verb = verbs.add_parser("perceive", help="lanes, drivable area, obstacles, signs and lights of what you give")
    verb.add_argument("source", metavar="IMAGE|FOLDER|VIDEO")
    verb.add_argument("--json", action="store_true", help="JSON instead of a table: a line a frame, in pixels")
    verb.add_argument("--overlay", metavar="FILE", help="picture of the result; .mp4 for folders and videos")
    verb.add_argument("--arrows", action="store_true", help="on it, from each proposed vertex to the refined one")
    verb.add_argument("--segmenter", metavar="DIR", help="also masks of the obstacles, prompted by their boxes")
    _model_and_device(verb)
    verb.set_defaults(run=command("perceive"))


def _ask(verbs: Verbs) -> None:
    verb = verbs.add_parser("ask", help="a question about an image, or about a region of it; answers JSON")
    verb.add_argument("source", metavar="IMAGE")
    verb.add_argument("text", metavar="QUESTION", help='such as "what colour is the sign?"')
    verb.add_argument("--region", metavar="R", help="X1,Y1,X2,Y2 or point:X,Y or polyline:X,Y,.. or polygon:X,Y,..")
    verb.add_argument("--options", metavar="A,B,..", help="the answers to choose from")
    verb.add_argument("--json", action="store_true", help="the default, and the only form")
    verb.add_argument("--overlay", metavar="FILE", help="picture of the answer")
    verb.add_argument("--segmenter", metavar="DIR", help="makes masks of seeds: a nano segmenter, SAM or SAM 2")
    _model_and_device(verb)
    verb.set_defaults(run=command("perceive", "ask"))


def _info(verbs: Verbs) -> None:
    verb = verbs.add_parser("info", help="what a model is: its manifest")
    _model(verb)
    verb.set_defaults(run=command("perceive", "info"))


def _replay(verbs: Verbs) -> None:
    verb = verbs.add_parser("replay", help="recordings through one or several models: scores, page, film")
    verb.add_argument("source", metavar="BAG|FOLDER|VIDEO", nargs="+", help="rosbag2, rosbag1, folder or video")
    verb.add_argument("--labels", metavar="PATH|TOPIC", help="label file or folder, or a bag's topic of Scenes")
    verb.add_argument("--label-format", metavar="NAME", default="", help="jsonl, coco, cvat, .. (default: recognised)")
    verb.add_argument("--model", metavar="DIR[@DEVICE]", action="append", default=[], help="repeat it to compare")
    _device_or_server(verb)
    verb.add_argument(
        "--engine", metavar="NAME", action="append", default=[], help="onnx, torch or tensorrt; repeat it to compare"
    )
    _refinements(verb)
    verb.add_argument(
        "--track", type=positive, metavar="N", default=0, help="propose anew on every Nth frame, refine in between"
    )
    verb.add_argument("--topic", action="append", help="image topic; repeat it for several (default: all)")
    verb.add_argument("--start", type=seconds, metavar="S", default=0.0, help="seconds into the recording")
    verb.add_argument("--end", type=seconds, metavar="S", help="seconds into the recording")
    verb.add_argument("--stride", type=positive, metavar="N", default=1, help="every Nth frame of a camera")
    verb.add_argument("--limit", type=positive, metavar="N", help="no more than N frames of a camera")
    verb.add_argument(
        "--deadline", type=seconds, metavar="S", help="a frame is late after S (default: camera's period)"
    )
    verb.add_argument(
        "--camera", type=camera, metavar="FX,FY,CX,CY,HEIGHT,PITCH", help="px, m and rad: lateral errors in metres too"
    )
    verb.add_argument("--live", action="store_true", help="over DDS through a node of its own, as on a vehicle")
    verb.add_argument("--pace", choices=("keep", "real"), default="keep", help="live: wait for scenes, or never")
    verb.add_argument("--ask", action="store_true", help="live: ask three questions on the way")
    verb.add_argument(
        "--ray", metavar="ADDRESS", nargs="?", const="local", help="a recording a task on a Ray cluster (default: here)"
    )
    verb.add_argument("--note", metavar="TEXT", action="append", default=[], help="a line for the page")
    verb.add_argument("--rrd", metavar="FILE", help="also write a file for the Rerun viewer")
    verb.add_argument("--numbers", action="store_true", help="numbers only: no page, film or recording")
    verb.add_argument("--out", metavar="DIR", default="replay_out", help="where all goes; an interrupted run goes on")
    verb.set_defaults(run=command("replay"))


def _demo(verbs: Verbs) -> None:
    verb = verbs.add_parser("demo", help="replay --live --ask of a drive rendered here, or of yours")
    recording = verb.add_mutually_exclusive_group()
    recording.add_argument("--bag", metavar="PATH", help="rosbag2 to play (default: a drive rendered here)")
    recording.add_argument("--video", metavar="PATH", help="video or folder of images to play")
    verb.add_argument("--topic", help="image topic of the bag, where it has several")
    verb.add_argument("--frames", type=positive, metavar="N", help="play no more than N frames")
    verb.add_argument("--pace", choices=("keep", "real"), default="keep", help="keep: wait for scenes; real: never")
    verb.add_argument("--out", metavar="DIR", default="demo_out", help="where film and page go (default: demo_out)")
    _model(verb)
    _device(verb)
    verb.set_defaults(run=command("demo"))


def _labelled_bag(verbs: Verbs) -> None:
    verb = verbs.add_parser("labelled-bag", help="short rendered drives with truth: a recording to judge models by")
    verb.add_argument("--out", metavar="DIR", required=True, help="where the bag goes")
    verb.add_argument("--seconds", type=seconds, metavar="S", default=60.0, help="length of all clips (default: 60)")
    verb.add_argument("--fps", type=seconds, metavar="N", default=5.0, help="frames a second (default: 5)")
    verb.add_argument("--size", metavar="WxH", default="960x540", help="of a frame in pixels (default: 960x540)")
    verb.set_defaults(run=command("labelled_bag"))


def _gate(verbs: Verbs) -> None:
    verb = verbs.add_parser("gate", help="lets a new model through if it is nowhere worse; else exit code 1")
    verb.add_argument("model", metavar="DIR", help="folder of the new model")
    verb.add_argument("--against", metavar="DIR", help="the present model (default: the nano that comes with getok)")
    verb.add_argument("--bag", metavar="PATH", help="labelled recording (default: one rendered here)")
    verb.add_argument("--labels", metavar="PATH|TOPIC", help="labels of --bag")
    verb.add_argument("--seconds", type=seconds, metavar="S", default=60.0, help="of the rendered one (default: 60)")
    _device(verb)
    verb.add_argument("--out", metavar="DIR", default="gate_out", help="where all goes; an interrupted run goes on")
    verb.set_defaults(run=command("gate"))


def _process_replay(verbs: Verbs) -> None:
    verb = verbs.add_parser("process-replay", help="a stored drive, perceived again, against what was said before")
    verb.add_argument("--update", action="store_true", help="store what is said now as what is expected")
    verb.add_argument("--folder", metavar="DIR", help="where drive and expectation lie (default: a checkout's own)")
    _model(verb)
    _device(verb)
    verb.set_defaults(run=command("process_replay"))


def _soak(verbs: Verbs) -> None:
    verb = verbs.add_parser("soak", help="tries to break the node, on this machine alone, and prints what came of it")
    verb.add_argument("--minutes", type=minutes, default=5.0, metavar="M", help="how long (default: 5)")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="which nonsense (default: 0)")
    verb.add_argument("--out", metavar="DIR", help="where logs and figures go (default: a new folder under /tmp)")
    verb.set_defaults(run=command("soak"))


def _bench(verbs: Verbs) -> None:
    verb = verbs.add_parser("bench", help="how fast: stages, baselines and floors of one run, as one table")
    verb.add_argument("--shape", choices=("nano", "tiny", "3b", "7b"), default="nano", help="of the network")
    _device(verb)
    verb.add_argument("--model", metavar="DIR", help="folder of the nano (default: the one that comes with getok)")
    _engine(verb)
    verb.add_argument("--refinements", type=rounds, metavar="R", default=1, help="rounds, 0 to 4 (default: 1)")
    verb.add_argument("--runs", type=positive, metavar="N", default=15, help="of each, the median counts")
    verb.add_argument("--json", action="store_true", help="JSON instead of a table")
    verb.add_argument("--out", metavar="FILE.json", help="also write the JSON there, anew after every row")
    verb.add_argument("--memory", action="store_true", help="only say what 3b and 7b need, and which cards hold them")
    verb.add_argument("--growth", metavar="FILE.svg", help="also time against lanes, queries, rounds, .. as plots")
    verb.add_argument("--not-compiled", dest="compiled", action="store_false", help="leave out what torch compiles")
    verb.set_defaults(run=command("bench"))


def _model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--model", metavar="DIR", help="model folder (default: the nano that comes with getok)")


def _device(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")


def _device_or_server(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", default="cpu", help="cpu, cuda, or http://HOST:PORT of a model server (default: cpu)")


def _refinements(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--refinements", type=rounds, metavar="R", help="refinement rounds, 0 to 4 (default: the model's)"
    )


def _model_and_device(verb: argparse.ArgumentParser) -> None:
    _model(verb)
    _device_or_server(verb)
    _engine(verb)
    _refinements(verb)


def _engine(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--engine", metavar="NAME", default="", help="onnx, torch or tensorrt (default: the model's own)")
