"""What converters give is what a base is taught: every sample of every set can be said and parses back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.engines.chat import Chat
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from tests.training.dataset_driving_test import FRAME
from tests.training.public_sets import SETS, put
from training.base_samples import Speaker
from training.datasets.registry import converter
from training.datasets.source import Source
from training.segments import IGNORE
from training.tiny_base import tiny_base


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Speaker:
    vocabulary = BaseVocabulary.read(tiny_base(tmp_path_factory.mktemp("base"), n=16), 16)
    return Speaker(Chat(vocabulary), Lattice(16), (112, 112), 16, Path())


@pytest.mark.parametrize("name", [*SETS, "driving"])
def test_every_sample_is_said_and_parses_back(name: str, speaker: Speaker, tmp_path: Path) -> None:
    if name == "driving":
        source, convert = Source(put(tmp_path / "a.jsonl", [FRAME])), converter(name)
    else:
        one = SETS[name][1](tmp_path / name)
        source, convert = Source(one.source, one.images), converter(SETS[name][0])
    samples = list(convert(source))
    assert samples
    for sample in samples:
        segment = speaker.answer(sample)
        said = segment.targets[segment.targets != IGNORE]
        if isinstance(sample.answer, str):
            assert sample.answer in speaker.chat.vocabulary.decode_text(said)
            continue
        parsed = parse(said, speaker.chat.vocabulary, sample.form)
        assert not parsed.faults and parsed.closed
        distinct = {(one.label, *one.shape.xy.ravel()) if one.shape else one.label for one in sample.answer}
        assert 0 < len(parsed.instances) <= len(distinct) or not sample.answer
        assert {one.label for one in parsed.instances} <= {one.label for one in sample.answer}
        if sample.kind == "seg" and sample.answer:
            assert speaker.offsets(sample, np.random.default_rng(0)) is not None
