"""Captions of regions against those that people wrote: METEOR and CIDEr, as COCO's own caption evaluation has them.

Both come from pycocoevalcap with its tokenizer, which run Java: install getok_ros[captions] and a Java runtime. Traps:

- CIDEr weighs words by how rare they are among the references of the SET scored. On one image every word is in all of
  them and weighs log(1) = 0, so CIDEr is 0 whatever is said; on few images it is far from what a whole set gives. It is
  reported times 100 (the paper's 110.5 is 1.105) and compared only over the same samples.
- METEOR of a set is no mean of its samples' METEOR: counts are added up first. It is reported times 100, too.
- All captions of one region are its references: samples that ask the same of the same region are one caption here.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from getok_core.errors import DataError

METEOR, CIDER = "METEOR", "CIDEr"
VENDORS = tuple(f"pycocoevalcap.{name}" for name in ("cider.cider", "meteor.meteor", "tokenizer.ptbtokenizer"))


def caption_scores(references: Mapping[str, Sequence[str]], said: Mapping[str, str]) -> dict[str, float]:
    """Captions people wrote and the one a model wrote, by region -> both scores, as ratios (CIDEr may exceed 1).

    Raises DataError in one line where pycocoevalcap or Java is missing, and when a region has no reference.
    """
    if references.keys() != said.keys() or not all(references.values()):
        raise DataError(f"{len(said)} captions for {len(references)} regions with references: give one for each")
    meteor, cider, tokenizer = _vendors()
    whole = {region: [{"caption": _line(text)} for text in texts] for region, texts in references.items()}
    try:
        truths = tokenizer.tokenize(whole)
        drawn = tokenizer.tokenize({region: [{"caption": _line(text)}] for region, text in said.items()})
    except OSError as error:
        raise DataError(f"pycocoevalcap's tokenizer failed ({error}): it writes into its own folder") from None
    judge = meteor()
    try:
        by_meteor, _ = judge.compute_score(truths, drawn)
    except (OSError, ValueError) as error:
        raise DataError(f"METEOR's Java gave no score ({error}): does it have 2 GiB of memory?") from None
    finally:
        if judge.lock.locked():  # else its destructor waits for ever
            judge.lock.release()
    by_cider, _ = cider().compute_score(truths, drawn)
    return {METEOR: float(by_meteor), CIDER: float(by_cider)}


def _vendors() -> tuple[Any, Any, Any]:
    try:
        cider, meteor, tokenizer = map(import_module, VENDORS)
    except ImportError:
        raise DataError("captions are scored by pycocoevalcap: pip install 'getok_ros[captions]'") from None
    if shutil.which("java") is None:
        raise DataError("METEOR runs Java, and no java is on the path: install a Java runtime, such as default-jre")
    return meteor.Meteor, cider.Cider, tokenizer.PTBTokenizer()


def _line(text: str) -> str:
    """The tokenizer takes a caption a line."""
    return " ".join(text.split()) or "."
