"""A base learns the language: what trains, what stays to the bit, and that saving and merging change nothing."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.errors import ModelError
from getok_core.vocabulary import ANSWER, GRID_START, Vocabulary
from tests.training.base_data import one_thread  # noqa: F401 (a fixture)
from training.base_folder import seal
from training.base_shapes import SHAPES, new_ids, published
from training.model import (
    add_lora,
    learned,
    load_adapter,
    load_base,
    merged,
    row_weights,
    save_adapter,
    tied,
    weightless,
)
from training.tiny_base import PATCH, tiny_base

N = 16
QWEN = os.environ.get("GETOK_QWEN_TOKENIZER", "")
"""a folder with the tokenizer.json of a Qwen model"""


def logits(model, base, ids):
    """Of ids over a grey image, in eval mode."""
    side = 8 * base.pixels.patch
    image = torch.full((side, side, 3), 90, dtype=torch.uint8).numpy()
    ids = torch.tensor([[*base.chat.opening(16), *ids]])
    with torch.no_grad():
        return model.eval()(
            input_ids=ids, mm_token_type_ids=(ids == base.chat.image).int(),
            pixel_values=torch.from_numpy(base.pixels.patches(image)),
            image_grid_thw=torch.tensor([base.pixels.grid((side, side))]),
        ).logits  # fmt: skip


def trained(base):
    """A few large steps on the language alone."""
    model = add_lora(base.model, base.new, rank=4, alpha=8)
    lora, rows = learned(model)
    optimiser = torch.optim.AdamW([*lora, *rows], lr=1e-2)
    ids = torch.tensor([[5, 6, *base.new[:40], 7]])
    for _ in range(3):
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return model


@pytest.mark.parametrize(
    ("family", "is_tied"), [("qwen2_5_vl", False), ("qwen2_5_vl", True), ("qwen3_vl", False), ("qwen3_5", True)]
)
def test_training_saving_and_merging_are_exact_and_old_rows_stay(tmp_path, family, is_tied):
    folder = tiny_base(tmp_path / "base", tied=is_tied, family=family)
    base = load_base(folder, N)
    assert tied(base.model) == is_tied
    before = [weight.detach().clone() for weight in row_weights(base.model)]
    model = trained(base)
    probe = [*base.new[30:50], 9, 8]
    wanted = logits(model, base, probe)
    save_adapter(model, tmp_path / "adapter")

    again = load_base(folder, N)
    model = load_adapter(again, tmp_path / "adapter")
    torch.testing.assert_close(logits(model, again, probe), wanted, atol=2e-6, rtol=0)
    whole = merged(model)
    torch.testing.assert_close(logits(whole, again, probe), wanted, atol=2e-6, rtol=0)
    new = torch.zeros(len(before[0]), dtype=torch.bool)
    new[list(base.new)] = True
    assert len(row_weights(whole)) == len(before) == 2 - is_tied
    for weight, old in zip(row_weights(whole), before, strict=True):
        assert torch.equal(weight[~new], old[~new]), "a row that is not the language's has changed"
        assert (weight[new] != old[new]).any(1).all(), "a new row has not learned"

    whole.save_pretrained(tmp_path / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (tmp_path / "merged" / name).write_bytes((folder / name).read_bytes())
    stored = load_base(tmp_path / "merged", N)
    # Loaded once more as a raw base its new rows would start anew; the manifest says that they are learned.
    assert not torch.equal(row_weights(stored.model)[0][new], row_weights(whole)[0][new])


def test_a_folder_of_ours_keeps_the_rows_it_learned(tmp_path):
    folder = tiny_base(tmp_path / "ours", n=N)
    first, second = load_base(folder, N), load_base(folder, N)
    assert len(first.new) == BaseVocabulary.read(folder, N).text_start
    assert torch.equal(row_weights(first.model)[0], row_weights(second.model)[0])
    seal(folder, "tiny", "tiny", N, (112, 112), "float32", {"new_rows": [600, 602]})
    assert load_base(folder, N).new == (600, 601)
    with pytest.raises(ModelError, match="speaks 16 x 16 cells, 32 were asked for"):
        load_base(folder, 32)


def test_new_rows_start_on_the_lattice_and_unused_rows_hold_nothing(tmp_path):
    raw = tiny_base(tmp_path / "base")
    base = load_base(raw, N)
    used = 1 + max(base.vocabulary.language)
    ids = base.vocabulary.base_ids
    assert min(base.new) < 787 < max(base.new), "new ids must lie on both unused and added rows here"
    for weight in row_weights(base.model):
        grid = weight[ids[GRID_START : GRID_START + N * N].tolist()].detach()
        old = weight[: min(base.new)].detach()
        away = grid - old.mean(0)
        near = torch.nn.functional.cosine_similarity(away[0], away[1], 0)
        far = torch.nn.functional.cosine_similarity(away[0], away[-1], 0)
        assert near > 0.5 > far
        torch.testing.assert_close(away.norm(dim=1).mean(), (old - old.mean(0)).norm(dim=1).mean(), rtol=0.1, atol=0)
        assert len(weight[list(base.new)].unique(dim=0)) == len(base.new), "two new tokens start alike"
        words = ids[base.vocabulary.encode_text("answer")].tolist()
        torch.testing.assert_close(weight[ids[ANSWER]], weight[words].mean(0), atol=1e-6, rtol=0)
        torch.testing.assert_close(weight[used:], old.mean(0).expand(len(weight) - used, -1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_the_real_shapes_have_the_published_number_of_parameters(name):
    with torch.device("meta"):
        from transformers import AutoModelForImageTextToText

        plain = AutoModelForImageTextToText.from_config(published(name))
    count = sum(parameter.numel() for parameter in plain.parameters())
    assert count == {"Qwen2.5-VL-3B": 3_754_622_976, "Qwen2.5-VL-7B": 8_292_166_656}[name]
    model = weightless(published(name), new_ids())
    lora, rows = learned(model)
    shape = SHAPES[name]
    width, keys = shape.width, shape.key_heads * 128
    assert [tuple(row.shape) for row in rows] == [(Vocabulary(32).text_start, width)] * (2 - shape.tied)
    sides = 2 * (width + width) + 2 * (width + keys) + 3 * (width + shape.feed_forward)  # q and o, k and v, the rest
    assert sum(parameter.numel() for parameter in lora) == 64 * shape.layers * sides
    assert not any("visual" in key for key, parameter in model.named_parameters() if parameter.requires_grad)


@pytest.mark.skipif(not QWEN, reason="needs a Qwen tokenizer: set GETOK_QWEN_TOKENIZER to a folder with tokenizer.json")
def test_a_real_tokenizer_over_a_tiny_model_keeps_its_old_rows(tmp_path):
    folder = tiny_base(tmp_path / "base", real=Path(QWEN))
    base = load_base(folder, 32)
    before = [weight.detach().clone() for weight in row_weights(base.model)]
    rows = len(load_file(str(folder / "model.safetensors"))["lm_head.weight"])
    assert min(base.new) < rows < max(base.new) < len(before[0]), "new ids lie on unused rows and beyond them"
    model = trained(base)
    probe = [*base.new[:4], *base.new[-4:]]
    wanted = logits(model, base, probe)
    whole = merged(model)
    torch.testing.assert_close(logits(whole, base, probe), wanted, atol=2e-6, rtol=0)
    old = torch.ones(len(before[0]), dtype=torch.bool)
    old[list(base.new)] = False
    assert all(torch.equal(weight[old], was[old]) for weight, was in zip(row_weights(whole), before, strict=True))


def test_what_is_no_base_is_refused_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="name a folder, or a hub name"):
        load_base(tmp_path / "nowhere", N)
    folder = tiny_base(tmp_path / "base")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"model_type": "qwen2_5_vl"', '"model_type": "llama"'))
    with pytest.raises(ModelError, match="holds a llama model: this code trains qwen2_5_vl"):
        load_base(folder, N)
    with pytest.raises(ModelError, match="no adapter at"):
        load_adapter(load_base(tiny_base(tmp_path / "other"), N), tmp_path / "nothing")
    assert set(PATCH) <= {"qwen2_5_vl", "qwen3_vl", "qwen3_5"}
