"""Grid tokens against text coordinates as actions, figure 10: `python -m training.action_space --out runs/actions`.

Two networks of the same size see the same scenes: one writes a vertex as a grid token, one as digits. Each is first
trained by supervision, with the same samples, then by GRPO with the same steps, questions and rewards, both without a
grammar. The curves of their mean reward stand in one picture. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from getok_core.errors import GetokError
from getok_core.vocabulary import Vocabulary

from . import curves, grpo
from .ablation.arms import ARMS as SPELLINGS
from .ablation.learner import Effort, Gallery, train
from .ablation.scenes import training_scenes
from .ablation.spelling import FINE, Spelling
from .checkpoint import Ema, load_average, save_training
from .grpo_options import arguments
from .nano_policy import NanoPolicy
from .rewarded_questions import Question
from .rewards import Proposal, read
from .sft_options import TINY

ARMS = {"grid": "grid-plain", "text": "text"}
"""name here -> arm of training.ablation; both with ordinary embeddings and plain targets: only the spelling differs"""
TOKENS = {"grid": 128, "text": 640}
"""most in an answer: the same answers take about five times as many as digits"""


def hear(spelling: Spelling, question: Question, ids: NDArray[np.int64], vocabulary: Vocabulary, n: int) -> Proposal:
    """A reply in an arm's own spelling -> a proposal with its exact vertices; both arms are read the same way."""
    said = spelling.read(ids.tolist())
    return read(said.ids, FINE, question.query.form, FINE.n, said.places)


def supervise(name: str, options: argparse.Namespace) -> Path:
    """The arm's supervised start, trained unless it is there."""
    folder = options.out / f"{name}-start"
    if (folder / "average.safetensors").is_file():
        return folder
    arm = SPELLINGS[ARMS[name]]
    scenes = training_scenes(options.frames, [arm], options.workers)
    effort = Effort(options.samples, options.batch, options.supervised_rate, seed=options.seed, device=options.device,
                    sizes=TINY if options.tiny else {})  # fmt: skip
    model, seconds = train(arm, scenes, Gallery(scenes, options.device), effort)
    folder.mkdir(parents=True, exist_ok=True)
    learn = torch.optim.AdamW(model.parameters())
    save_training(folder, model, learn, Ema(model, 0.0), {"samples": options.samples, "seconds": seconds}, model.config)
    return folder


def explore(name: str, start: Path, options: argparse.Namespace, left: float) -> bool:
    """GRPO on an arm as far as the minutes left allow; True when all its steps are taken."""
    folder = options.out / name
    results = folder / "results.json"
    if not (results.is_file() and json.loads(results.read_text())["steps"] >= options.proposing):
        args = argparse.Namespace(
            **{**vars(options), "out": folder, "refining": 0, "unconstrained": True, "pause": left}
        )
        policy = NanoPolicy(load_average(start).to(options.device), options.eye, TOKENS[name])
        grpo.train(args, policy, partial(hear, SPELLINGS[ARMS[name]].spelling))
    return json.loads(results.read_text())["steps"] >= options.proposing


def run(options: argparse.Namespace) -> None:
    """Both arms, and their curves as a picture; results.json says whether they are complete."""
    began, complete = time.monotonic(), True
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ARMS:
        start = supervise(name, options)
        left = options.pause - (time.monotonic() - began) / 60 if options.pause else 0.0
        if (options.pause and left < 0.1) or not explore(name, start, options, left):
            complete = False
            break
    drawn = {name: curves.read(options.out / name) for name in ARMS if (options.out / name / "curve.jsonl").is_file()}
    if drawn:
        (options.out / "curves.svg").write_text(curves.drawn(drawn))
        print(options.out / "curves.svg")
    found = {name: _ends(options.out / name) for name in drawn}
    report = json.dumps({"complete": complete, "mean reward of the first and last tenth": found})
    (options.out / "results.json").write_text(report + "\n")
    print(report)


def _ends(folder: Path) -> list[float]:
    rewards = [json.loads(line).get("reward", 0.0) for line in (folder / "curve.jsonl").read_text().splitlines()]
    tenth = max(1, len(rewards) // 10)
    return [round(float(np.mean(part)), 4) for part in (rewards[:tenth], rewards[-tenth:])]


def main(words: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    cuda = torch.cuda.is_available()
    parser = arguments(__doc__ or "")
    parser.set_defaults(out=Path("runs/actions"), tasks=["lanes", "obstacles"])
    add = parser.add_argument
    add("--samples", type=int, default=120_000 if cuda else 64, help="images of the supervised start of each arm")
    add("--frames", type=int, default=24_000 if cuda else 48, help="different scenes of the supervised start")
    add("--batch", type=int, default=128 if cuda else 8, help="of the supervised start")
    add("--supervised-rate", type=float, default=1.5e-3 if cuda else 1e-3)
    add("--workers", type=int, default=15 if cuda else 0, help="processes that render; 0 renders in this one")
    add("--tiny", action=argparse.BooleanOptionalAction, default=not cuda, help="a small network; default on a CPU")
    options = parser.parse_args(words)
    try:
        run(options)
        return 0
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
