"""What a base is taught of a sample: the answer and nothing else, in the words of the chat; batches that resume."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.engines.chat import Chat
from getok_core.engines.qwen_pixels import Pixels
from getok_core.lattice import Lattice
from getok_core.vocabulary import DELETE, OFFSET_START, OFFSETS
from tests.training.base_data import write_samples
from training.base_batches import Batches, Share, collate
from training.base_samples import Speaker
from training.datasets.mixture import mixture_of
from training.datasets.sample import read, sample_of
from training.segments import IGNORE
from training.tiny_base import tiny_base


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def speaker(tmp_path_factory, data):
    vocabulary = BaseVocabulary.read(tiny_base(tmp_path_factory.mktemp("base"), n=16), 16)
    return Speaker(Chat(vocabulary), Lattice(16), (112, 112), 16, data.parent)


def spelled(speaker, ids):
    vocabulary = speaker.chat.vocabulary
    return vocabulary.spell(vocabulary.local_ids(np.asarray(ids)))


def taught(speaker, example):
    """What is learned, spelled; and that each target is the token that follows."""
    asked = np.flatnonzero(example.targets != IGNORE)
    inner = asked[asked + 1 < len(example.ids)]
    np.testing.assert_array_equal(example.targets[inner], example.ids[inner + 1])
    return spelled(speaker, example.targets[asked])


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (0, "<answer>car<box><grid_5_5><grid_11_10></box></answer><|im_end|>"),
        (1, "<answer>car<box><grid_5_5><grid_11_10></box><seg><grid_7_7></seg></answer><|im_end|>"),
        (2, "<answer>red</answer><|im_end|>"),
        (3, "<answer>One, two.</answer><|im_end|><answer>Three.\nIndeed.</answer><|im_end|>"),
        (6, "<think>It is bright.</think><answer>red</answer><|im_end|>"),
    ],
)
def test_only_what_the_assistant_says_is_learned(speaker, data, index, wanted):
    sample = list(read(data))[index]
    example = speaker.example(sample, "answers", np.random.default_rng(0))
    assert taught(speaker, example) == wanted
    whole = spelled(speaker, example.ids)
    assert whole.startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n")
    assert whole.count("<|image_pad|>") == (16 if sample.image else 0) == 16 * (example.image is not None)
    assert whole.count("<|im_start|>assistant\n") == 1 + len(sample.history)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_refinement_is_learned_at_the_last_token_of_each_vertex_alone(speaker, data, index, rounds):
    vocabulary = speaker.chat.vocabulary
    speaker = replace(speaker, rounds=rounds)
    for seed in range(4):
        example = speaker.example(list(read(data))[index], "offsets", np.random.default_rng(seed))
        at = np.flatnonzero(example.targets != IGNORE)
        said, read_at = vocabulary.local_ids(example.targets[at]), vocabulary.local_ids(example.ids[at])
        assert len(at) and ((said >= DELETE) & (said < OFFSET_START + len(OFFSETS))).all()
        step = spelled(speaker, example.ids).rpartition("<offset><step_")[2][0]
        assert int(step) <= rounds
        first = step == "1"
        assert all(vocabulary.is_grid(int(token)) == first for token in read_at)


def test_lines_and_outlines_have_no_more_vertices_than_the_form_allows(speaker):
    xy = [[float(x), 30 + 20 * np.sin(x / 9)] for x in range(1, 80)]
    for kind, name, task in (("pl", "polyline", "lanes"), ("poly", "polygon", "drivable area")):
        label = "solid white" if kind == "pl" else "drivable"
        sample = sample_of("", (80, 60), {"task": task}, kind, [{"label": label, name: xy}])
        (instance,) = speaker.instances(sample)
        assert 3 <= len(instance.parts[0].ij) <= sample.form.vertices


def test_a_sample_that_cannot_be_said_is_refused_in_one_line(speaker, data):
    sample = next(read(data))
    for wrong, why in (
        (replace(sample, image="nowhere.png"), "cannot read image"),
        (replace(sample, size=(90, 60)), "has 80 x 60 pixels, the sample says 90 x 60"),
        (replace(sample, kind="text", answer="word " * 3000), "of text: at most 2048"),
    ):
        with pytest.raises(ValueError, match=why):
            speaker.example(wrong, "answers", np.random.default_rng(0))


# -- batches -------------------------------------------------------------------------------------------------------


def first(batches, count):
    return [batch for batch, _ in zip(iter(batches), range(count), strict=False)]


def rows(batches):
    return sorted(
        tuple(row[seen == 1].tolist()) for one in batches for row, seen in zip(one.ids, one.seen, strict=True)
    )


def test_ranks_share_what_one_rank_would_see_and_any_batch_can_come_first(speaker, data):
    made = Batches(mixture_of([data], 3), speaker, Pixels(), 0, Share(0, 1, 4))
    whole = first(made, 9)
    halves = [first(Batches(mixture_of([data], 3), speaker, Pixels(), 0, Share(rank, 2, 2)), 9) for rank in (0, 1)]
    for one, *parts in zip(whole, *halves, strict=True):
        assert rows([one]) == rows(parts)
    later = first(Batches(mixture_of([data], 3), speaker, Pixels(), 0, Share(0, 1, 4), start=4), 5)
    for one, other in zip(whole[4:], later, strict=True):
        assert all(a is b or torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_sequences_of_like_length_come_together(speaker, data):
    batches = first(Batches(mixture_of([data], 0), speaker, Pixels(), 0, Share(0, 1, 4)), 12)
    padded = sum(one.seen.numel() for one in batches)
    assert sum(int(one.seen.sum()) for one in batches) > 0.9 * padded


def test_unreadable_samples_are_left_out_and_named(speaker, tmp_path, capsys):
    data = write_samples(tmp_path, 2)
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"nothing")
    batches = first(Batches(mixture_of([data], 0), replace(speaker, images=tmp_path), Pixels(), 7, Share(0, 1, 1)), 8)
    assert len(batches) == 8 and sum(one.asked > 0 for one in batches) < 8
    assert "cannot read image" in capsys.readouterr().err
    empty = collate([], 7, Pixels())
    assert (empty.ids.tolist(), empty.asked, empty.patches) == ([[7]], 0, None)
