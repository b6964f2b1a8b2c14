"""`getok`: what the model sees, on the command line. Results on stdout; progress and errors on stderr.

Exit codes: 0 done, 2 bad input in one line, 130 interrupted. Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"getok: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    from getok_core.errors import GetokError

    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> Parser:
    """The arguments of every command. Cheap: no command's own imports happen here."""
    top = Parser(prog="getok", description="A small vision-language model that speaks geometry, on your images.")
    top.add_argument("--version", action="store_const", const=_version, dest="run", help="print the version")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND")

    perceive = verbs.add_parser("perceive", help="lanes, drivable area, obstacles, signs and lights of what you give")
    perceive.add_argument("source", metavar="IMAGE|FOLDER|VIDEO")
    perceive.add_argument("--json", action="store_true", help="JSON instead of a table: a line a frame, in pixels")
    perceive.add_argument("--overlay", metavar="FILE", help="picture of the result; .mp4 for folders and videos")
    perceive.add_argument("--arrows", action="store_true", help="on it, from each proposed vertex to the refined one")
    perceive.add_argument("--segmenter", metavar="DIR", help="also masks of the obstacles, prompted by their boxes")
    _model_arguments(perceive)
    perceive.set_defaults(run=_perceive)

    ask = verbs.add_parser("ask", help="a question about an image, or about a region of it; answers JSON")
    ask.add_argument("source", metavar="IMAGE")
    ask.add_argument("text", metavar="QUESTION", help='such as "what colour is the sign?"')
    ask.add_argument("--region", metavar="R", help="X1,Y1,X2,Y2 or point:X,Y or polyline:X,Y,.. or polygon:X,Y,..")
    ask.add_argument("--options", metavar="A,B,..", help="the answers to choose from")
    ask.add_argument("--json", action="store_true", help="the default, and the only form")
    ask.add_argument("--overlay", metavar="FILE", help="picture of the answer")
    ask.add_argument("--segmenter", metavar="DIR", help="makes masks of seeds: a nano segmenter, SAM or SAM 2")
    _model_arguments(ask)
    ask.set_defaults(run=_ask)

    info = verbs.add_parser("info", help="what a model is: its manifest")
    info.add_argument("--model", metavar="DIR", help="model folder (default: the nano that comes with getok)")
    info.set_defaults(run=_info)

    replay = verbs.add_parser("replay", help="recordings through one or several models: scores, page, film")
    _replay_arguments(replay)

    demo = verbs.add_parser("demo", help="replay --live --ask of a drive rendered here, or of yours")
    recording = demo.add_mutually_exclusive_group()
    recording.add_argument("--bag", metavar="PATH", help="rosbag2 to play (default: a drive rendered here)")
    recording.add_argument("--video", metavar="PATH", help="video or folder of images to play")
    demo.add_argument("--topic", help="image topic of the bag, where it has several")
    demo.add_argument("--frames", type=_positive, metavar="N", help="play no more than N frames")
    demo.add_argument("--pace", choices=("keep", "real"), default="keep", help="keep: wait for scenes; real: never")
    demo.add_argument("--out", metavar="DIR", default="demo_out", help="where film and page go (default: demo_out)")
    demo.add_argument("--model", metavar="DIR", help="model folder (default: the nano that comes with getok)")
    demo.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    demo.set_defaults(run=_demo)

    bag = verbs.add_parser("labelled-bag", help="short rendered drives with truth: a recording to judge models by")
    bag.add_argument("--out", metavar="DIR", required=True, help="where the bag goes")
    bag.add_argument("--seconds", type=_seconds, metavar="S", default=60.0, help="length of all clips (default: 60)")
    bag.add_argument("--fps", type=_seconds, metavar="N", default=5.0, help="frames a second (default: 5)")
    bag.add_argument("--size", metavar="WxH", default="960x540", help="of a frame in pixels (default: 960x540)")
    bag.set_defaults(run=_labelled_bag)

    judge = verbs.add_parser("gate", help="lets a new model through if it is nowhere worse; else exit code 1")
    judge.add_argument("model", metavar="DIR", help="folder of the new model")
    judge.add_argument("--against", metavar="DIR", help="the present model (default: the nano that comes with getok)")
    judge.add_argument("--bag", metavar="PATH", help="labelled recording (default: one rendered here)")
    judge.add_argument("--labels", metavar="PATH|TOPIC", help="labels of --bag")
    judge.add_argument("--seconds", type=_seconds, metavar="S", default=60.0, help="of the rendered one (default: 60)")
    judge.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    judge.add_argument("--out", metavar="DIR", default="gate_out", help="where all goes; an interrupted run goes on")
    judge.set_defaults(run=_gate)

    again = verbs.add_parser("process-replay", help="a stored drive, perceived again, against what was said before")
    again.add_argument("--update", action="store_true", help="store what is said now as what is expected")
    again.add_argument("--folder", metavar="DIR", help="where drive and expectation lie (default: a checkout's own)")
    again.add_argument("--model", metavar="DIR", help="model folder (default: the nano that comes with getok)")
    again.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    again.set_defaults(run=_process_replay)

    trial = verbs.add_parser("soak", help="tries to break the node, on this machine alone, and prints what came of it")
    trial.add_argument("--minutes", type=_minutes, default=5.0, metavar="M", help="how long (default: 5)")
    trial.add_argument("--seed", type=int, default=0, metavar="N", help="which nonsense (default: 0)")
    trial.add_argument("--out", metavar="DIR", help="where logs and figures go (default: a new folder under /tmp)")
    trial.set_defaults(run=_soak)

    times = verbs.add_parser("bench", help="how fast: stages, baselines and floors of one run, as one table")
    times.add_argument("--shape", choices=("nano", "tiny", "3b", "7b"), default="nano", help="of the network")
    times.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    times.add_argument("--model", metavar="DIR", help="folder of the nano (default: the one that comes with getok)")
    times.add_argument("--refinements", type=_rounds, metavar="R", default=1, help="rounds, 0 to 4 (default: 1)")
    times.add_argument("--runs", type=_positive, metavar="N", default=15, help="of each, the median counts")
    times.add_argument("--json", action="store_true", help="JSON instead of a table")
    times.add_argument("--growth", metavar="FILE.svg", help="also time against lanes, queries, rounds, .. as plots")
    times.add_argument("--not-compiled", dest="compiled", action="store_false", help="leave out what torch compiles")
    times.set_defaults(run=_bench)
    top.set_defaults(run=_nothing)
    return top


def _model_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--model", metavar="DIR", help="model folder (default: the nano that comes with getok)")
    verb.add_argument("--device", default="cpu", help="cpu, cuda, or http://HOST:PORT of a model server (default: cpu)")
    verb.add_argument("--engine", metavar="NAME", default="", help="onnx, torch or tensorrt (default: the model's own)")
    verb.add_argument(
        "--refinements", type=_rounds, metavar="R", help="refinement rounds, 0 to 4 (default: the model's)"
    )


def _replay_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("source", metavar="BAG|FOLDER|VIDEO", nargs="+", help="rosbag2, rosbag1, folder or video")
    verb.add_argument("--labels", metavar="PATH|TOPIC", help="label file or folder, or a bag's topic of Scenes")
    verb.add_argument("--label-format", metavar="NAME", default="", help="jsonl, coco, cvat, .. (default: recognised)")
    verb.add_argument("--model", metavar="DIR[@DEVICE]", action="append", default=[], help="repeat it to compare")
    verb.add_argument("--device", default="cpu", help="cpu, cuda, or http://HOST:PORT of a model server (default: cpu)")
    verb.add_argument(
        "--engine", metavar="NAME", action="append", default=[], help="onnx, torch or tensorrt; repeat it to compare"
    )
    verb.add_argument(
        "--refinements", type=_rounds, metavar="R", help="refinement rounds, 0 to 4 (default: the model's)"
    )
    verb.add_argument(
        "--track", type=_positive, metavar="N", default=0, help="propose anew on every Nth frame, refine in between"
    )
    verb.add_argument("--topic", action="append", help="image topic; repeat it for several (default: all)")
    verb.add_argument("--start", type=_seconds, metavar="S", default=0.0, help="seconds into the recording")
    verb.add_argument("--end", type=_seconds, metavar="S", help="seconds into the recording")
    verb.add_argument("--stride", type=_positive, metavar="N", default=1, help="every Nth frame of a camera")
    verb.add_argument("--limit", type=_positive, metavar="N", help="no more than N frames of a camera")
    verb.add_argument(
        "--deadline", type=_seconds, metavar="S", help="a frame is late after S (default: camera's period)"
    )
    verb.add_argument(
        "--camera", type=_camera, metavar="FX,FY,CX,CY,HEIGHT,PITCH", help="px, m and rad: lateral errors in metres too"
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
    verb.set_defaults(run=_replay)


def _camera(text: str) -> list[float]:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(abs(number) < 1e6 for number in numbers) or min(*numbers[:2], numbers[4]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no camera: give six numbers, such as 800,800,640,360,1.4,0.03")
    return numbers


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _rounds(text: str) -> int:
    if not text.isdigit() or int(text) > 4:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 4")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes up to a day")
    return minutes


def _perceive(arguments: argparse.Namespace) -> int:
    from .perceive import perceive

    return perceive(arguments)


def _ask(arguments: argparse.Namespace) -> int:
    from .perceive import ask

    return ask(arguments)


def _info(arguments: argparse.Namespace) -> int:
    from .perceive import info

    return info(arguments)


def _replay(arguments: argparse.Namespace) -> int:
    from .replay import replay

    return replay(arguments)


def _labelled_bag(arguments: argparse.Namespace) -> int:
    from .labelled_bag import labelled_bag

    return labelled_bag(arguments)


def _gate(arguments: argparse.Namespace) -> int:
    from .gate import gate

    return gate(arguments)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import demo

    return demo(arguments)


def _process_replay(arguments: argparse.Namespace) -> int:
    from .process_replay import process_replay

    return process_replay(arguments)


def _soak(arguments: argparse.Namespace) -> int:
    from .soak import soak

    return soak(arguments)


def _bench(arguments: argparse.Namespace) -> int:
    from .bench import bench

    return bench(arguments)


def _nothing(arguments: argparse.Namespace) -> int:
    parser().print_help(sys.stderr)
    return 2


def _version(arguments: argparse.Namespace) -> int:
    import re

    from .share import share

    version = re.search("<version>(.+?)</version>", (share() / "package.xml").read_text())
    print(f"getok {version[1] if version else 'of unknown version'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
