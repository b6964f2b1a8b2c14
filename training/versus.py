"""Two checkpoints on the same unseen scenes: `python -m training.versus runs/nano runs/rl --scenes 300`.

Every row stands with its paired difference and 95 % bootstrap interval over scenes. A verdict says whether the second
is better, beyond its interval, at what reinforcement learning was for (AIMS), and what it lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from getok_core.errors import DataError, GetokError
from getok_core.metrics.intervals import Interval
from getok_core.metrics.scene_parts import scene_parts
from getok_core.metrics.tally import Block, Part, Tally, as_json, decimals
from getok_core.perceiver import Perceiver
from getok_core.queries import REFERRING_TASKS, STANDING

from .checkpoint import load_average, replaced
from .feed import TEST_SEEDS
from .suites.frames import asked_of, unseen, unseen_seeds
from .suites.referred import answer_parts, referred_of
from .targets import Frame
from .torch_engine import torch_engine

AIMS = ("obstacles at IoU 0.8: F1", "lanes within 1 %: F1")
"""rows of which one must rise beyond its interval"""
EACH = 10
"""scenes after which answers are kept"""
LOSS = 0.01
"""most that another row may fall"""


def parts_of(perceiver: Perceiver, seed: int, frame: Frame) -> dict[str, Part]:
    """What one scene adds to every row: what is drawn, referred to and answered."""
    asked = asked_of(seed, frame)
    refers = set(REFERRING_TASKS) <= set(perceiver.manifest.tasks)
    expressions = referred_of(seed, frame) if refers else []
    queries = [query for query, _ in asked] + [query for one in expressions for query in one.queries]
    said, answers = perceiver.look(frame.image, queries, STANDING)
    parts: dict[str, Part] = dict(scene_parts(frame.scene, said))
    words = [(f"{query.name}: accuracy", float(answer.answer == truth))
             for (query, truth), answer in zip(asked, answers, strict=False)]  # fmt: skip
    more = [(row, value, 1.0) for row, value in words]
    rest = answers[len(asked) :]
    for one, boxed, pointed in zip(expressions, rest[::2], rest[1::2], strict=True):
        more += [(row, *part) for row, part in answer_parts(frame, one, boxed, pointed).items()]
    for row, above, below in more:
        before = parts.get(row, (0.0, 0.0))
        parts[row] = before[0] + above, before[1] + below
    return parts


def score(run: Path, scenes: int, refinements: int, device: str, keep: Path | None = None) -> Tally:
    """What a checkpoint says about the first unseen scenes. keep: a folder, so that it is asked once."""
    model = load_average(run)
    weights = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values()))
    path = keep / f"{run.name}-{weights.hexdigest()[:12]}-R{refinements}.json" if keep else None
    kept: dict[str, Any] = json.loads(path.read_text()) if path and path.is_file() else {}
    tally = Tally()
    tally.rows = {row: [(int(seed), *part) for seed, *part in added if seed < TEST_SEEDS[0] + scenes]
                  for row, added in kept.get("rows", {}).items()}  # fmt: skip
    done = int(kept.get("scenes", 0))
    if done >= scenes:
        return tally
    perceiver = Perceiver(torch_engine(model.to(device)), refinements)
    for seed in tqdm(unseen_seeds(scenes)[done:], run.name, leave=False):
        tally.add(seed, parts_of(perceiver, seed, unseen(seed)))
        done += 1
        if path and (done % EACH == 0 or done == scenes):
            path.parent.mkdir(parents=True, exist_ok=True)
            replaced(path, partial(_write, {"scenes": done, "rows": tally.rows}))
    return tally


def _write(content: dict[str, Any], path: str) -> None:
    Path(path).write_text(json.dumps(content))


def verdict(differences: Mapping[str, Interval]) -> str:
    """One line: which aims rose beyond their interval, which other rows fell by more than a point."""
    won = [row for row in AIMS if row in differences and differences[row].low > 0]
    lost = [f"{row} ({100 * gap.value:+.1f})" for row, gap in differences.items()
            if decimals(row) is None and gap.value < -LOSS]  # fmt: skip
    better = f"better beyond the interval: {', '.join(won)}" if won else "no aim rose beyond its interval"
    return f"{better}; fell by more than a point: {', '.join(lost) or 'nothing'}"


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Scores both, prints the table; returns it for JSON. Raises GetokError."""
    asked = options.scenes, options.refinements, options.device, options.keep
    tallies = [score(run, *asked) for run in options.runs]
    rows = [row for row in tallies[0].rows if row in tallies[1].rows]
    differences = {row: tallies[1].more_than(tallies[0], row) for row in rows}
    names = [str(run) for run in options.runs]
    columns = {name: tally.intervals() for name, tally in zip(names, tallies, strict=True)}
    title = f"{options.scenes} unseen scenes, R = {options.refinements}; the last column is the paired difference"
    block = Block(title, {**columns, "difference": differences})
    print(block.text())
    print(verdict(differences))
    found = {row: as_json(gap) for row, gap in differences.items()}
    return {**block.to_json(), "difference": found, "verdict": verdict(differences)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.versus", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs=2, help="folders of runs, or safetensors files: before and after")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--refinements", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    parser.add_argument("--keep", type=Path, help="folder that keeps what each said: asked again, nothing is lost")
    parser.add_argument("--json", type=Path, help="write the numbers")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        results = compare(options)
        if options.json:
            try:
                options.json.write_text(json.dumps(results, indent=1) + "\n")
            except OSError as error:
                raise DataError(f"cannot write {options.json}: {error.strerror}; name another file") from None
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
