"""A large model's folder may be written over or cut off at work: an engine that runs keeps none of its files open."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from getok_core.engines import load_engine
from getok_core.errors import ModelError
from training.tiny_base import tiny_base

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    return tiny_base(tmp_path_factory.mktemp("tiny"), 16)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux: /proc/self/maps")
def test_no_file_of_a_loaded_folder_stays_mapped(folder):
    engine = load_engine(folder)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]
    assert mapped == []
    engine.close()


def test_weights_with_another_digest_are_refused(folder):
    whole = (folder / WEIGHTS).read_bytes()
    try:
        (folder / WEIGHTS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(ModelError, match="its manifest says"):
            load_engine(folder)
    finally:
        (folder / WEIGHTS).write_bytes(whole)
