"""A merged run is a folder that the library loads by itself, that our engines take, and that training goes on from."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.errors import ModelError
from getok_core.manifest import check_files, read_manifest
from tests.training.base_data import one_thread, write_samples  # noqa: F401 (a fixture)
from tests.training.sft_base_test import command
from training.export_base import export_base, probe
from training.model import add_lora, learned, load_adapter, load_base
from training.sft_base import main
from training.tiny_base import tiny_base


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two steps over an untied and a tied base, as training leaves it."""
    folder = tmp_path_factory.mktemp("export")
    write_samples(folder)
    for tied in (False, True):
        shutil.rmtree(folder / "base", ignore_errors=True)
        tiny_base(folder / "base", tied=tied)
        (folder / "base").rename(folder / f"Qwen2.5-VL-{tied}")
        base = ("--base", str(folder / f"Qwen2.5-VL-{tied}"), "--steps", "2")
        assert main(command(folder, folder / f"run-{tied}", *base)) == 0
    return folder


@pytest.mark.parametrize("tied", [False, True])
def test_the_merged_folder_says_what_the_adapter_says(run, tmp_path, tied):
    manifest, worst = export_base(run / f"run-{tied}", tmp_path / "out")
    assert worst < 1e-5 and manifest.view == (112, 112) and manifest.base == f"Qwen2.5-VL-{tied}"
    check_files(tmp_path / "out", read_manifest(tmp_path / "out"))
    base = load_base(run / f"Qwen2.5-VL-{tied}", 16)
    wanted = probe(load_adapter(base, run / f"run-{tied}" / "adapter"), base)
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(probe(plain, base), wanted, atol=2e-6, rtol=0)
    assert plain.config.tie_word_embeddings == tied

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    vocabulary = BaseVocabulary.read(tmp_path / "out", 16)
    text = "<|im_start|>user\nBox it<|im_end|>\n<answer>car<box><grid_3_4><grid_5_6></box></answer>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert vocabulary.spell(vocabulary.local_ids(ids)) == text and len(ids) < 20
    assert "<grid_3_4>" in tokenizer.decode(ids, skip_special_tokens=True), "a server must not swallow geometry"


def test_only_the_number_of_rows_differs_from_the_bases_own_configuration(run, tmp_path):
    export_base(run / "run-False", tmp_path / "out")
    ours, theirs = (json.loads((folder / "config.json").read_text()) for folder in
                    (tmp_path / "out", run / "Qwen2.5-VL-False"))  # fmt: skip
    rows = ours["text_config"].pop("vocab_size")
    theirs["text_config"].pop("vocab_size")
    assert ours == theirs and rows % 64 == 0


def test_training_goes_on_from_a_merged_folder(run, tmp_path):
    export_base(run / "run-False", tmp_path / "first")
    base = load_base(tmp_path / "first", 16)
    assert base.new == load_base(run / "Qwen2.5-VL-False", 16).new
    _, rows = learned(add_lora(base.model, base.new, 4, 8))
    assert [len(row) for row in rows] == [len(base.new)] * 2


def test_an_adapter_that_does_not_fit_leaves_the_old_folder(run, tmp_path):
    out = tmp_path / "out"
    export_base(run / "run-False", out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    broken = Path(shutil.copytree(run / "run-False", tmp_path / "broken"))
    (broken / "adapter" / "adapter_model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ModelError):
        export_base(broken, out)
    with pytest.raises(ModelError, match=r"run\.json: No such file"):
        export_base(tmp_path / "nowhere", out)
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
