"""Offset data as conversations: `python -m training.offsets --out FILE --scenes N`, appendix C.2 on rendered scenes.

JSON Lines, one refinement each, in the paper's form: the user turn holds the image tag, the question, the proposal and
the draft; the assistant turn one offset or `<delete>` a vertex. Pictures are resized plainly, into a folder named after
FILE. `--rounds 1` is the paper's data; more rounds (ours) halve the step each time. Ours as well: points, lines and
outlines beside boxes and masks, and `--drives D`, pairs of frames in which a thing is followed by larger steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from getok_core.errors import DataError, GetokError
from getok_core.lattice import Lattice, Size
from getok_core.queries import REFERRING_TASKS, STANDING, SceneQuery, standard_vocabulary
from getok_core.scene import scaled
from getok_core.view import View, write_image
from getok_core.vocabulary import END_OFFSET, OFFSET

from .offset_drafts import Refinable, thing_draft, tracking_draft
from .scenes import Rendered, drive, render
from .scenes.referring import referring
from .segments import draft_segment
from .targets import Frame, scene_targets

FIRST_SEED = 3_000_000
"""far from the seeds of test scenes"""
RENDERED: Size = (960, 540)
RESIZED: Size = (840, 840)
"""the paper's own input"""
EXPRESSIONS = 4
"""referring questions a scene"""

LATTICE, VOCABULARY = Lattice(), standard_vocabulary()


def resized(one: Rendered, size: Size = RESIZED) -> Frame:
    """A rendered scene as a frame of size (width, height): picture, mask and truth alike."""
    view = View(one.image.shape[1::-1], size)
    by = size[0] / view.size[0], size[1] / view.size[1]
    ids = np.asarray(cv2.resize(one.ids, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    things = tuple(replace(thing, box=view.to_model(thing.box.reshape(2, 2)).reshape(4)) for thing in one.things)
    scene = scaled(one.scene, by)
    return Frame(view.resize(one.image), scene, one.known, one.attributes, one.obstacle_states, things, ids)


def refinements(frame: Frame, rounds: int, rng: np.random.Generator) -> Iterator[tuple[str, list[int]]]:
    """Task and tokens of every refinement of one frame, in the sequential form; rounds 1 asks for the paper's alone."""
    for expression, meant in referring(frame.things, frame.size, rng, EXPRESSIONS):
        name = "referred masks" if rounds == 1 else str(rng.choice(REFERRING_TASKS))
        query = SceneQuery(name, expression)
        asked = thing_draft(query, frame, meant, LATTICE, VOCABULARY, rng, rounds) if meant else None
        yield from _said(name, asked, int(rng.integers(rounds)))
    if rounds > 1:
        targets = scene_targets(frame, LATTICE)
        for query in (one for one in STANDING if one.name in frame.known):
            segment = draft_segment(query, targets[query.name], frame, LATTICE, VOCABULARY, rng, sequential=True)
            if segment is not None:
                yield query.name, [*segment.ids.tolist(), END_OFFSET]


def followed(before: Frame, now: Frame, rng: np.random.Generator) -> Iterator[tuple[str, list[int]]]:
    """As refinements, of what one frame shows, to be found again on the next."""
    for query in STANDING:
        asked = tracking_draft(query, before, now, LATTICE, VOCABULARY)
        yield from _said(query.name, asked, int(rng.integers(asked.rounds_left)) if asked else 0)


def _said(task: str, asked: Refinable | None, done: int) -> Iterator[tuple[str, list[int]]]:
    """The tokens of a refinement with its answer, after so many rounds; nothing where nothing is left."""
    now = asked.refined(done) if asked else None
    if now and now.draft.slots:
        draft = now.draft
        yield task, [*draft.sequential_prompt(VOCABULARY), *draft.sequential_answer(now.targets(), VOCABULARY)]


def conversation(task: str, ids: Sequence[int], image: str) -> dict[str, object]:
    """Tokens -> one record; the assistant's turn is the last `<offset>` .. `</offset>`."""
    start = len(ids) - 1 - list(reversed(ids)).index(OFFSET)
    asked, said = VOCABULARY.spell(ids[:start]), VOCABULARY.spell(ids[start:])
    messages = [{"role": "user", "content": f"<image>{asked}"}, {"role": "assistant", "content": said}]
    return {"task": task, "messages": messages, "images": [image]}


# -- the command -------------------------------------------------------------------------------------------------


def records(pictures: Path, scenes: int, drives: int, rounds: int) -> Iterator[dict[str, object]]:
    """Records of so many scenes and pairs of frames; writes their pictures, named relative to the folder above."""
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + scenes), "scenes", disable=not scenes):
        frame = resized(render(seed, RENDERED))
        yield from _records(refinements(frame, rounds, np.random.default_rng([17, seed])), frame.image, pictures, seed)
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + drives), "pairs of frames", disable=not drives):
        before, now = map(resized, drive(seed, 2, RENDERED))
        said = followed(before, now, np.random.default_rng([19, seed]))
        yield from _records(said, now.image, pictures, f"{seed}_next")


def _records(
    said: Iterator[tuple[str, list[int]]], image: NDArray[np.uint8], pictures: Path, name: object
) -> Iterator[dict[str, object]]:
    path = pictures / f"{name}.jpg"
    write_image(path, image)
    for task, ids in said:
        yield conversation(task, ids, f"{pictures.name}/{path.name}")


def write(out: Path, scenes: int, drives: int, rounds: int) -> int:
    """Writes FILE and its pictures; returns the number of records. Raises DataError where nothing can be written."""
    pictures = out.with_suffix("")
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        with out.open("w") as file:
            count = 0
            for record in records(pictures, scenes, drives, rounds):
                file.write(json.dumps(record) + "\n")
                count += 1
    except OSError as error:
        raise DataError(f"cannot write {error.filename or out}: {error.strerror}; name a file in a folder") from None
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.offsets", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON Lines to write, such as o.jsonl")
    parser.add_argument("--scenes", type=int, default=100, help="rendered scenes")
    parser.add_argument("--drives", type=int, default=0, help="pairs of frames to follow things over")
    parser.add_argument("--rounds", type=int, default=3, choices=(1, 2, 3, 4), help="1 is the paper's data")
    options = parser.parse_args(arguments)
    if not options.out.suffix:
        parser.error(f"--out {options.out} has no suffix: its pictures need a folder of another name, use FILE.jsonl")
    try:
        count = write(options.out, options.scenes, options.drives, options.rounds)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    print(f"{count} conversations in {options.out}, pictures in {options.out.with_suffix('')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
