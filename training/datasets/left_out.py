"""Images that must not be trained on: those that files of samples name, and public frames this repository tests on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .sample import Sample, read
from .skipped import Skipped

SPLITS = Path(__file__).parents[2] / "tests" / "splits.json"
OF_A_PUBLIC_SET = ("comma10k",)
"""groups of SPLITS whose names belong to these images alone; the others are told by their digests (training.photos)"""


def image_key(name: str) -> str:
    """What two names of one photograph share: COCO's number of twelve digits, else the file's name without suffix."""
    stem = Path(name).stem
    digits = re.search(r"(?<!\d)\d{12}(?!\d)", stem)
    return digits[0] if digits else stem


def trainable(samples: Iterable[Sample], without: Sequence[Path], skipped: Skipped) -> Iterator[Sample]:
    """The samples whose image neither a file of `without` nor SPLITS names; the others are noted. Raises DataError."""
    named = {image_key(sample.image) for file in without for sample in read(file)}
    groups = json.loads(SPLITS.read_text("utf-8"))["test"]
    tested = {image_key(name) for group in OF_A_PUBLIC_SET for name in groups[group]}
    for sample in samples:
        keys = {image_key(sample.image), *re.findall(r"\d{12}", sample.source)}
        if keys & tested:
            skipped.note(sample.source, sample.image, "its image is test only here (tests/splits.json)")
        elif keys & named:
            skipped.note(sample.source, sample.image, "its image is named by --without")
        else:
            yield sample
