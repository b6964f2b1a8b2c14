"""LLaVA-CoT-100K: `train.jsonl`, conversations whose answers have a summary, caption, reasoning and conclusion.

What stands between <SUMMARY>, <CAPTION> and <REASONING> becomes the thought, <CONCLUSION> the answer. Of several rounds
the conclusions of the earlier ones are history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from getok_core.labels.fields import as_object

from .llava import rounds_of
from .sample import Sample, sample_of
from .source import Source

STAGES = ("SUMMARY", "CAPTION", "REASONING")


def convert(source: Source) -> Iterator[Sample]:
    """All lines of a file."""

    def samples(record: Any) -> Iterator[Sample]:
        one = as_object(record, "a conversation")
        rounds = rounds_of(one)
        *history, (question, answer) = [(question, stage_of(answer, "CONCLUSION")) for question, answer in rounds]
        think = "\n".join(stage_of(rounds[-1][1], stage) for stage in STAGES)
        about = {"think": think, "history": history, "source": f"llava_cot:{one.get('id', '')}"}
        yield sample_of(str(one["image"]), (0, 0), {"text": question}, "text", answer, **about)

    return source.each(source.records(), samples)


def stage_of(answer: str, stage: str) -> str:
    """The text of one stage. Raises ValueError when it is missing or empty."""
    match = re.search(rf"<{stage}>(.*?)</{stage}>", answer, re.DOTALL)
    if match is None or not match[1].strip():
        raise ValueError(f"an answer without its {stage}")
    return match[1].strip()
