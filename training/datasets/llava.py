"""LLaVA-665K: `llava_v1_5_mix665k.json`, conversations of human and gpt about an image, or about none.

A conversation is one sample: its last round asked, those before it as history. Rounds of RefCOCO and Visual Genome in
which boxes stand as text, [0.35, 0.36, 0.43, 0.5], are turned into our geometry, each round a sample of its own. Such
boxes are shares of the image padded to a square (LLaVA issue 606), so that the image's size is needed: --images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from getok_core.labels.fields import as_list, as_object
from getok_core.lattice import Size

from .coco_file import cut_box
from .sample import Sample, sample_of
from .source import Source
from .wording import BOX, DESCRIBE, asked, one_line

_NUMBER = r"\s*([01](?:\.\d+)?)\s*"
BOX_TEXT = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")
WHERE = re.compile(r"Please provide the bounding box coordinate of the region this sentence describes: (.+)", re.DOTALL)
WHAT = re.compile(r"Please provide a short description for this region: (.+)", re.DOTALL)
Round = tuple[str, str]


def convert(source: Source) -> Iterator[Sample]:
    """All conversations of a file."""

    def samples(record: Any) -> Iterator[Sample]:
        one = as_object(record, "a conversation")
        image, about = str(one.get("image") or ""), f"llava:{one.get('id', '')}"
        rounds = rounds_of(one)
        if image and any(BOX_TEXT.search(said) for pair in rounds for said in pair):
            size = source.size(image)
            for question, answer in rounds:
                yield _located(image, size, question, answer, about)
            return
        *history, (question, answer) = rounds
        yield sample_of(image, (0, 0), {"text": question}, "text", answer, history=history, source=about)

    return source.each(source.records(), samples)


def rounds_of(conversation: Mapping[str, Any]) -> list[Round]:
    """Questions with their answers, without the image's mark. Raises ValueError unless human and gpt take turns."""
    turns = [as_object(turn, "a turn") for turn in as_list(conversation["conversations"], "conversations")]
    if not turns or len(turns) % 2 or [turn["from"] for turn in turns] != ["human", "gpt"] * (len(turns) // 2):
        raise ValueError(f"{len(turns)} turns: human and gpt must take turns, human first")
    said = [str(turn["value"]).replace("<image>", "").strip() for turn in turns]
    if not all(said):
        raise ValueError("a turn says nothing")
    return list(zip(said[::2], said[1::2], strict=True))


def _located(image: str, size: Size, question: str, answer: str, source: str) -> Sample:
    """A round with a box as text, as ours. Raises ValueError on any other wording: its box would stay text."""
    where, what = WHERE.search(question), WHAT.search(question)
    if where:
        found = [{"box": box_of(answer, size)}]
        return sample_of(image, size, {"text": asked(BOX, where[1])}, "box", found, source=source)
    if what:
        query = {"text": DESCRIBE, "region": {"box": box_of(what[1], size)}}
        return sample_of(image, size, query, "text", one_line(answer), source=source)
    if BOX_TEXT.search(question) or BOX_TEXT.search(answer):
        raise ValueError("a box as text in words that are not known here")
    return sample_of(image, size, {"text": question}, "text", answer, source=source)


def box_of(text: str, size: Size) -> list[float]:
    """`[0.35, 0.36, 0.43, 0.5]`, shares of the padded square -> pixels of the image. Raises ValueError."""
    match = BOX_TEXT.search(text)
    if match is None:
        raise ValueError(f"no box as text in {text!r}")
    width, height = size
    side = max(size)
    left, top = (side - width) / 2, (side - height) / 2
    x0, y0, x1, y1 = (float(share) * side for share in match.groups())
    return cut_box((x0 - left, y0 - top, x1 - left, y1 - top), size)
