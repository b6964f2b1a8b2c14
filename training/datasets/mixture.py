"""A mixture: files of samples drawn by their weights, the same way every time. `python -m training.datasets.mixture`.

A recipe is YAML; paths are relative to the folder of data that is given beside it:

    stage: sft
    seed: 0
    parts:
      - {file: refcoco.jsonl, weight: 3, kinds: [seg, box]}
      - {file: refcocog.jsonl, take: 3000, kinds: [seg], learn: offsets}

weight   share of the draws, relative to the other parts'; left out everywhere, each part counts by its samples
kinds    only samples whose line names one of these kinds; left out, all
take     only so many samples, chosen once by the seed
learn    answers (what the sample says), or offsets (the refinement of proposals for its masks: appendix C.2)

Draw k depends on the seed and k alone: a run can go on where it stopped, and rank r of R takes draws r, r + R, ... In a
part no sample comes twice before all came once, each pass in an order of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from getok_core.errors import DataError, GetokError
from getok_core.labels.fields import as_list, as_object

from .sample import KINDS, Sample, parse
from .skipped import Skipped

LEARN = ("answers", "offsets")
BLOCK = 4096
"""draws whose parts are decided together"""
_KIND = re.compile(rb'"kind"\s*:\s*"(\w+)"')


class Drawn(NamedTuple):
    """One draw of a mixture."""

    sample: Sample
    learn: str
    part: int
    """index of the part it came from"""


@dataclass(frozen=True, eq=False)
class Part:
    """Samples of one file, found by where their lines begin."""

    file: Path
    starts: NDArray[np.int64]
    learn: str
    weight: float

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        """The line of one sample."""
        with self.file.open("rb") as file:
            file.seek(int(self.starts[index]))
            return file.readline()


@dataclass(frozen=True, eq=False)
class Mixture:
    """The parts of a recipe."""

    stage: str
    seed: int
    parts: tuple[Part, ...]
    skipped: Skipped = field(default_factory=Skipped)
    """lines that were drawn and could not be read: their draws give nothing"""

    def __len__(self) -> int:
        """Samples of all parts together: so many draws are about one pass."""
        return sum(map(len, self.parts))

    def draws(self, start: int = 0, step: int = 1) -> Iterator[Drawn]:
        """Draws start, start + step, ... without end. Malformed lines are left out and noted."""
        counts = np.zeros(len(self.parts), np.int64)
        orders: dict[tuple[int, int], NDArray[np.int64]] = {}
        for block in count():
            chosen = self._parts_of(block)
            if start < (block + 1) * BLOCK:
                for offset, part in enumerate(chosen.tolist()):
                    if block * BLOCK + offset == start:
                        start += step
                        yield from self._draw(part, int(counts[part]), orders)
                    counts[part] += 1
            else:
                counts += np.bincount(chosen, minlength=len(counts))

    def _parts_of(self, block: int) -> NDArray[np.int64]:
        """(BLOCK,) which part each draw of a block is taken from."""
        weights = np.array([part.weight for part in self.parts])
        rng = np.random.default_rng([self.seed, 0, block])
        return rng.choice(len(self.parts), BLOCK, p=weights / weights.sum())

    def _draw(self, part: int, number: int, orders: dict[tuple[int, int], NDArray[np.int64]]) -> Iterator[Drawn]:
        """The sample that a part gives when it was drawn `number` times before; none when its line is malformed."""
        one = self.parts[part]
        turn, place = divmod(number, len(one))
        if (part, turn) not in orders:
            orders.pop((part, turn - 1), None)
            orders[part, turn] = np.random.default_rng([self.seed, 1, part, turn]).permutation(len(one))
        index = int(orders[part, turn][place])
        samples = self.skipped.each(one.file, [(f"byte {one.starts[index]}", one.line(index))], _parsed)
        yield from (Drawn(sample, one.learn, part) for sample in samples)


def _parsed(line: bytes) -> list[Sample]:
    return [parse(json.loads(line))]


def read_mixture(recipe: Path | str, data: Path | str) -> Mixture:
    """A recipe over a folder of data. Raises DataError in one line when either is missing or malformed."""
    recipe, data = Path(recipe), Path(data)
    try:
        said = as_object(yaml.safe_load(recipe.read_text("utf-8")), "a recipe")
        seed, stage = int(said.get("seed", 0)), str(said["stage"])
        listed = [as_object(one, "a part") for one in as_list(said["parts"], "parts")]
        if seed < 0 or not listed:
            raise ValueError("a recipe has parts, and a seed from 0 up")
        weighted = any("weight" in one for one in listed)
        parts = tuple(_part(one, data, weighted, [seed, 2, at]) for at, one in enumerate(listed))
    except OSError as error:
        raise DataError(f"mixture {recipe}: {error.filename} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise DataError(f"mixture {recipe} is malformed: {' '.join(str(error).split())}") from None
    return Mixture(stage, seed, parts)


def mixture_of(files: Sequence[Path], seed: int = 0) -> Mixture:
    """Files of samples as they are, each counting by its samples. Raises DataError in one line as read_mixture does."""
    try:
        parts = tuple(_part({"file": path}, Path(), False, [seed, 2, at]) for at, path in enumerate(files))
    except OSError as error:
        raise DataError(f"samples {error.filename} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(str(error)) from None
    return Mixture("samples", seed, parts)


def _part(said: dict[str, Any], data: Path, weighted: bool, seed: list[int]) -> Part:
    strange = said.keys() - {"file", "weight", "kinds", "take", "learn"}
    kinds, learn = as_list(said.get("kinds"), "kinds"), str(said.get("learn", "answers"))
    if strange or learn not in LEARN or set(kinds) - set(KINDS):
        raise ValueError(f"part {said} names something unknown")
    file = data / str(said["file"])
    starts = _starts(file, {kind.encode() for kind in kinds})
    take = int(said.get("take", len(starts)))
    if take < len(starts):
        starts = np.sort(np.random.default_rng(seed).permutation(starts)[:take])
    weight = float(said.get("weight", 0) if weighted else len(starts))
    if not len(starts) or not 0 < weight < float("inf"):
        raise ValueError(f"{file} gives {len(starts)} samples of kinds {kinds or 'all'} at weight {weight:g}")
    return Part(file, starts, learn, weight)


def _starts(file: Path, kinds: set[bytes]) -> NDArray[np.int64]:
    """Where the lines of samples of these kinds begin; of all when none is named."""
    starts, at = list[int](), 0
    with file.open("rb") as lines:
        for line in lines:
            if line.strip() and (not kinds or ((match := _KIND.search(line)) and match[1] in kinds)):
                starts.append(at)
            at += len(line)
    return np.array(starts, np.int64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a recipe's parts and shares. Exit status 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.datasets.mixture", description=__doc__.partition("\n")[0])
    parser.add_argument("recipe", type=Path, help="such as training/recipes/mixtures/sft.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder of the files of samples")
    given = parser.parse_args(arguments)
    try:
        mixture = read_mixture(given.recipe, given.data)
    except GetokError as error:
        print(error, file=sys.stderr)
        return 2
    total = sum(part.weight for part in mixture.parts)
    print(f"{mixture.stage}: {len(mixture)} samples, seed {mixture.seed}")
    for part in mixture.parts:
        passes = part.weight / total * len(mixture) / len(part)
        print(
            f"  {part.weight / total:6.1%}  {len(part):9d} samples, {passes:5.2f} passes  {part.learn:8s} {part.file}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
