"""Options of GRPO: training.grpo, the ablation of rewards and the comparison of action spaces take the same."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from getok_core.queries import TASKS

from .rewards import PROPOSING, REFINING

DEFAULT_TASKS = "lanes,drivable area,obstacles,signs,lights,referred boxes"


def arguments(description: str = "") -> argparse.ArgumentParser:
    """Options of a run."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--start", type=Path, help="a supervised run of the nano, or an exported Qwen-VL folder")
    add("--out", type=Path, default=Path("runs/rl"), help="folder of checkpoints; resumed when it has one")
    add("--proposing", type=int, default=200, help="steps of S1")
    add("--refining", type=int, default=200, help="steps of S2")
    add("--images", type=int, default=16 if cuda else 4, help="scenes in one backward pass")
    add("--questions", type=int, default=2, help="most questions about a scene")
    add("--accumulate", type=int, default=1 if cuda else 4, help="backward passes in a step")
    add("--group", type=int, default=8, help="replies to one question")
    add("--rate", type=float, default=2e-5, help="first learning rate; the paper's 1e-6 is for LoRA on 7 B")
    add("--decay", type=float, default=0.01, help="weight decay")
    add("--epsilon", type=float, default=1e-8, help="of Adam")
    add("--kl", type=float, default=1e-2, help="weight of the KL divergence from the supervised policy")
    add("--clip", type=float, default=0.2, help="how far a ratio may go from 1")
    add("--passes", type=int, default=1, help="updates from the same replies")
    add("--largest", type=float, default=1.0, help="largest norm of a gradient")
    add("--temperature", type=float, default=1.0)
    add("--tasks", type=_tasks, default=_tasks(DEFAULT_TASKS), help="with commas: some of " + ", ".join(_geometric()))
    add("--without", type=_components, default=[], help="components of the reward to leave out, with commas")
    add("--unconstrained", action="store_true", help="sample without the grammar, so that format is learnt")
    add("--eye", action=argparse.BooleanOptionalAction, default=cuda, help="vision learns too; default on a GPU")
    add("--segmenter", type=Path, help="folder of a mask decoder; without it masks are judged by box and hits")
    add("--shard", action="store_true", help="split a Qwen-VL model over the ranks; the same on each without it")
    add("--rollouts", metavar="URL", default="", help="vLLM's server that draws the replies of a Qwen-VL model")
    add("--held-out", type=int, default=8, help="scenes of the report before and after")
    add("--pause", type=float, default=0.0, help="stop after so many minutes of this call; the run is resumed later")
    add("--show", type=int, default=5, help="steps between progress lines")
    add("--save", type=int, default=20, help="steps between checkpoints")
    add("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    add("--device", default="cuda" if cuda else "cpu")
    add("--seed", type=int, default=0)
    return parser


def _geometric() -> list[str]:
    return [name for name, task in TASKS.items() if task.form.kind != "text"]


def _tasks(text: str) -> list[str]:
    return _some(text, _geometric())


def _components(text: str) -> list[str]:
    return _some(text, [*PROPOSING, *REFINING])


def _some(text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(dict.fromkeys(known))}")
    return names
